"""What one model for several categories is fitted to, and how its scores come apart again."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from harness.api import Images
from harness.trials.scoring import Calibration
from harness.trials.together import fingerprint_of, fit_of, joined, merged, names_of, of_one_fit, parted
from harness.trials.trial import Trial

ALONE = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
JOINT = ALONE._replace(together="tile,pill", setting="joint")


def images(count: int, height: int, width: int, level: int, boxes: bool = False) -> Images:
    pixels = np.full((count, height, width, 3), level, np.uint8)
    told = np.tile([1, 0, height, width - 1], (count, 1)) if boxes else None
    return Images(pixels, tuple(f"{at}.png" for at in range(count)), boxes=told)


def test_trials_of_one_fit_are_those_of_each_category_by_either_kind_of_limit_this_one_first() -> None:
    assert of_one_fit(ALONE) == [ALONE]
    found = of_one_fit(JOINT._replace(category="pill"))
    assert [(one.category, one.setting) for one in found] == [
        ("pill", "joint"), ("tile", "joint"), ("tile", "joint-one-limit"), ("pill", "joint-one-limit")
    ]  # fmt: skip
    assert len({fit_of(one) for one in found}) == 1
    assert fit_of(JOINT) != fit_of(JOINT._replace(seed=1))
    assert (names_of(ALONE), names_of(JOINT)) == (["tile"], ["tile", "pill"])


def test_another_category_or_other_images_of_any_are_another_fingerprint() -> None:
    def told(category: str, **prints: str) -> str:
        return fingerprint_of(category, {name: SimpleNamespace(fingerprint=one) for name, one in prints.items()})  # type: ignore[misc]

    first = told("tile", tile="a", pill="b")
    assert len(first) == 16
    assert told("tile", pill="b", tile="a") == first, "in any order"
    assert len({first, told("pill", tile="a", pill="b"), told("tile", tile="a", pill="c"), told("tile", tile="a")}) == 4


def test_images_of_one_size_are_put_one_behind_the_other_under_names_of_their_own() -> None:
    one, two = images(2, 4, 4, 10), images(1, 4, 4, 20)
    found = joined({"tile": one, "pill": two})
    assert found.paths == ("tile/0.png", "tile/1.png", "pill/0.png")
    assert found.boxes is None
    assert found.pixels[:, 0, 0, 0].tolist() == [10, 10, 20]
    assert joined({"tile": one}) is one


def test_images_of_several_sizes_lie_in_the_corner_of_the_largest_with_boxes() -> None:
    found = joined({"tile": images(1, 4, 6, 10), "pill": images(1, 5, 3, 20, boxes=True)})
    assert found.pixels.shape == (2, 5, 6, 3)
    assert (found.pixels[0, :4] == 10).all()
    assert not found.pixels[0, 4:].any()
    assert (found.pixels[1, :, :3] == 20).all()
    assert not found.pixels[1, :, 3:].any()
    assert found.boxes is not None
    assert found.boxes.tolist() == [[0, 0, 4, 6], [1, 0, 5, 2]]
    alike = joined({"tile": images(1, 4, 4, 1, boxes=True), "pill": images(1, 4, 4, 2)})
    assert alike.boxes is not None
    assert alike.boxes.tolist() == [[1, 0, 4, 3], [0, 0, 4, 4]]


def test_scores_come_apart_in_their_order_and_together_without_pools_that_failed_anywhere() -> None:
    whole = Calibration({"mean": np.arange(5.0), "max": np.arange(5.0) + 9}, {"topk": "it broke"})
    apart = parted(whole, {"tile": 2, "pill": 3})
    assert {name: one.scores["mean"].tolist() for name, one in apart.items()} == {"tile": [0, 1], "pill": [2, 3, 4]}
    assert apart["pill"].faults == {"topk": "it broke"}
    again = merged([apart["tile"], Calibration(apart["pill"].scores, {"max": "it broke too"})])
    assert again.scores["mean"].tolist() == [0, 1, 2, 3, 4]
    assert list(again.scores) == ["mean"]
    assert again.faults == {"topk": "it broke", "max": "it broke too"}
