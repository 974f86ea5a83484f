"""Photos with painted defects stand in for bad ones: which photos are kept back, and what is painted on them."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest

from harness.api import Defect, Images
from harness.plugin.registry import Registry
from harness.recommending.detectors import Detector
from harness.recommending.synthetic import painted, with_synthetic_defects
from harness.recommending.trying import Try, _minutes
from harness.recommending.written import write_photos
from harness.trials.record import Record
from harness.trials.trial import Evidence

REGISTRY = Registry.discover()
KINDS = len(REGISTRY.offers(Defect))


def photos(count: int, side: int = 32) -> Images:
    """Light squares of different greys before a dark ground."""
    pixels = np.random.default_rng(0).integers(0, 40, (count, side, side, 3), dtype=np.uint8)
    pixels[:, side // 4 : -side // 4, side // 4 : -side // 4] += np.linspace(60, 200, count).astype(np.uint8)[
        :, None, None, None
    ]
    return Images(pixels, tuple(f"{at}.png" for at in range(count)))


def test_kinds_and_photos_take_turns_and_each_copy_says_what_it_is() -> None:
    good = photos(3)
    found = painted(good, REGISTRY, 5)
    assert len(found) == 3 + 2 * KINDS
    assert found.defects[:3] == ("good",) * 3
    assert np.array_equal(found.pixels[:3], good.pixels)
    assert found.masks is not None
    assert not found.masks[:3].any()
    assert found.masks[3:].any(axis=(1, 2)).all()
    kinds = [kind.partition(" ")[0] for kind in found.defects[3:]]
    assert kinds == [*REGISTRY.offers(Defect)] * 2
    assert all(kind.endswith(" (synthetic)") for kind in found.defects[3:])
    names = [name.split(" with ") for name in found.paths[3:]]
    assert [rest for _, rest in names] == [f"{kind} {at}" for at, kind in enumerate(kinds)]
    assert {name for name, _ in names[:3]} == {"0.png", "1.png", "2.png"}
    assert names[0][0] != names[KINDS][0] or KINDS % 3 == 2, "the second time on another photo"
    for at, (name, _) in enumerate(names, 3):
        assert not np.array_equal(found.pixels[at], good.pixels[int(name.partition(".")[0])])
    assert np.array_equal(found.pixels, painted(good, REGISTRY, 5).pixels)
    assert not np.array_equal(found.pixels, painted(good, REGISTRY, 6).pixels)


def test_as_many_copies_are_painted_as_there_are_photos_and_sixty_at_most() -> None:
    many = 2 * KINDS + 3
    assert len(painted(photos(many), REGISTRY, 0)) == 2 * many
    assert len(painted(photos(70, 16), REGISTRY, 0)) == 130


def test_three_tenths_are_kept_back_and_near_duplicates_stay_on_one_side() -> None:
    split = with_synthetic_defects(photos(10), REGISTRY, 0)
    kept_back = [name for name, kind in zip(split.test.paths, split.test.defects, strict=True) if kind == "good"]
    assert (len(split.train), len(kept_back)) == (7, 3)
    assert sorted([*split.train.paths, *kept_back]) == sorted(photos(10).paths)
    assert len(with_synthetic_defects(photos(4), REGISTRY, 0).train) == 2, "at least two"
    pairs = photos(5).take(np.repeat(np.arange(5), 2))
    for seed in range(4):
        split = with_synthetic_defects(Images(pairs.pixels, tuple(map(str, range(10)))), REGISTRY, seed)
        side = set(split.train.paths)
        assert all((str(at) in side) == (str(at + 1) in side) for at in range(0, 10, 2))
        assert len(side) == 6


@pytest.mark.parametrize(
    ("seconds", "said"), [(-3.0, "0 s"), (0.4, "0 s"), (99.0, "99 s"), (100.0, "2 min"), (3601.0, "60 min")]
)
def test_the_time_left_is_told_in_seconds_below_a_hundred(seconds: float, said: str) -> None:
    assert _minutes(seconds) == said


def test_a_detector_is_told_once_for_each_pool_its_usual_one_first() -> None:
    scores = {pool: np.arange(3.0) + at for at, pool in enumerate(("max", "mean", "topk"))}
    test = {pool: np.append(one, 9.0) for pool, one in scores.items()}
    evidence = Evidence(scores, test, ("good", "good", "good", "dent"), tuple("abcd"))
    outcome = Mock(evidence=evidence, record=Record(default_pool="mean"))
    one = Try(Detector("padim", "conv", "-"), outcome)
    assert [each.name for each in one.by_pool] == [
        "padim on random features (mean)",
        "padim on random features (max)",
        "padim on random features (topk)",
    ]
    assert (one.done, one.name, one.kinds) == (True, "padim on random features", ["dent"])
    first = one.by_pool[0]
    assert first.good.tolist() == [1.0, 2.0, 3.0]
    assert (first.tested(bad=True).tolist(), first.tested(bad=False).tolist()) == ([9.0], [1.0, 2.0, 3.0])
    assert not Try(one.detector).done
    assert not Try(one.detector, Mock(evidence=None)).done
    unpooled = Mock(evidence=Evidence({"-": scores["max"]}, {"-": test["max"]}, evidence.defects, evidence.paths))
    unpooled.record = Record(default_pool="-")
    assert [each.name for each in Try(one.detector, unpooled).by_pool] == ["padim on random features"]


def test_photos_are_written_into_folders_of_their_kinds_under_running_numbers(tmp_path) -> None:
    split = with_synthetic_defects(photos(4), REGISTRY, 0)
    count = write_photos(split, tmp_path / "new")
    assert count == len(split.train) + len(split.test)
    files = sorted(file.relative_to(tmp_path / "new") for file in (tmp_path / "new").rglob("*.png"))
    assert sorted(file.stem for file in files) == [f"{at:04}" for at in range(count)]
    assert [str(file) for file in files if file.parts[0] == "good"] == [f"good/{at:04}.png" for at in range(4)]
    assert {file.parts[0] for file in files} == {"good", "bad"}
    assert {file.parts[1] for file in files if file.parts[0] == "bad"} == set(split.test.defects) - {"good"}
