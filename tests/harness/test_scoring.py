"""Images are scored some at a time, by several pools, and whatever is wrong with a score is said with its image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from harness import Images, Model, Pool, Scores
from harness.errors import TrainingError
from harness.metrics.pixel import curves
from harness.trials.holdout import hold_out
from harness.trials.scoring import chunks, evidence_of, pool_scores, score, score_normal
from harness_pools import Largest, Mean

POOLS = {"mean": Mean(), "max": Largest()}


class ByPixel(Model):
    """The red channel is its map."""

    name = "by_pixel"
    uses = frozenset({"pool"})

    def fit(self, normal: Images, **how: object) -> None: ...

    def score(self, images: Images) -> Scores:
        return Scores(maps=images.pixels[..., 0].astype(np.float32))


class ByImage(ByPixel):
    """Its scores are no pool of its maps."""

    name = "by_image"
    uses = frozenset()

    def score(self, images: Images) -> Scores:
        found = super().score(images)
        return Scores(maps=found.maps, images=found.maps.mean(axis=(1, 2)) + 1)


class Silent(ByPixel):
    name = "silent"

    def score(self, images: Images) -> Scores:
        return Scores()


class OnlyMaps(ByPixel):
    """Maps, and no word of a pool."""

    name = "only_maps"
    uses = frozenset()


@dataclass
class Odd(Pool):
    """Fails in one of several ways on images that are brighter than others."""

    name = "odd"
    fault: str = "raise"

    def score(self, maps: np.ndarray) -> np.ndarray:
        bright = maps.max(axis=(1, 2)) > 200
        if self.fault == "raise" and bright.any():
            raise ZeroDivisionError("too bright")
        if self.fault == "shape" and bright.any():
            return np.zeros(len(maps) + 1)
        return np.where(bright, np.nan if self.fault == "nan" else 0.0, 1.0)


def images(count: int, size: int = 4, brightest: int | None = None, masks: bool = False) -> Images:
    rng = np.random.default_rng(count)
    pixels = rng.integers(0, 200, (count, size, size, 3), dtype=np.uint8)
    if brightest is not None:
        pixels[brightest] = 255
    marked = (pixels[..., 0] > 100).astype(np.uint8) if masks else None
    return Images(pixels, tuple(f"{i}.png" for i in range(count)), masks=marked)


@pytest.mark.parametrize(
    ("height", "width", "at_a_time"),
    [(1, 1, 64), (256, 256, 64), (256, 257, 63), (512, 512, 16), (512, 256, 32), (1024, 1024, 16), (0, 0, 64)],
)
def test_as_many_images_are_scored_at_a_time_as_maps_fit_but_never_fewer_than_16(
    height: int, width: int, at_a_time: int
) -> None:
    pixels = np.broadcast_to(np.uint8(0), (150, height, width, 3))
    found = list(chunks(pixels))
    assert found[0] == slice(0, at_a_time)
    assert [index for at in found for index in range(150)[at]] == list(range(150))


def test_scores_come_by_pool_and_a_model_that_takes_none_has_its_own() -> None:
    seen = images(3)
    by_pool, maps = pool_scores(ByPixel(), seen, POOLS)
    assert by_pool.keys() == {"mean", "max"}
    assert np.array_equal(by_pool["max"], seen.pixels[..., 0].max(axis=(1, 2)))
    assert np.array_equal(maps, seen.pixels[..., 0])
    by_pool, maps = pool_scores(ByImage(), seen, POOLS)
    assert by_pool.keys() == {"-"}
    assert by_pool["-"].dtype == np.float64
    assert np.allclose(by_pool["-"], seen.pixels[..., 0].mean(axis=(1, 2)) + 1)
    assert maps is not None


@pytest.mark.parametrize("model", [Silent(), OnlyMaps()])
def test_a_model_without_scores_is_told_what_was_expected(model: Model) -> None:
    with pytest.raises(
        TrainingError, match=f"{model.name} gave no scores: expected maps with 'pool' in its uses, or im"
    ):
        pool_scores(model, images(3), POOLS)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise", "pool odd: ZeroDivisionError: too bright"),
        ("shape", "by_pixel gave scores of shape (4,) for 3 images"),
        ("nan", "by_pixel gave 1.png the score nan, which is not finite"),
    ],
)
def test_a_score_that_is_none_fails_the_trial_with_its_reason(fault: str, said: str) -> None:
    with pytest.raises(TrainingError) as caught:
        pool_scores(ByPixel(), images(3, brightest=1), {"odd": Odd(fault)})
    assert str(caught.value) == said


def test_scores_of_many_images_are_those_of_each_in_order() -> None:
    seen = images(150, masks=True)
    by_pool, pixels = score(ByPixel(), seen, POOLS)
    assert np.allclose(by_pool["mean"], seen.pixels[..., 0].mean(axis=(1, 2)))
    assert pixels is not None
    assert curves.auroc(pixels.counts()) == pytest.approx(1.0), "the masks are where the map is above 100"


@pytest.mark.parametrize(("model", "masks"), [(ByPixel(), None), (ByPixel(), "empty"), (Silent(), "full")])
def test_without_maps_or_a_marked_pixel_there_are_no_pixel_metrics(model: Model, masks: str | None) -> None:
    seen = images(3)
    if masks:
        seen = Images(seen.pixels, seen.paths, masks=np.full((3, 4, 4), masks == "full", dtype=np.uint8))
    if isinstance(model, Silent):
        model.score = lambda images: Scores(images=np.zeros(len(images)))  # type: ignore[method-assign]
    assert score(model, seen, POOLS)[1] is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise", "pool odd: ZeroDivisionError: too bright"),
        ("shape", "pool odd gave scores of shape (65,) for 64 images"),
        ("nan", "pool odd gave 70.png the score nan, which is not finite"),
    ],
)
@pytest.mark.parametrize("where", ["normal", "test"])
def test_a_pool_that_was_asked_for_and_fails_on_some_images_has_no_scores_and_costs_nothing_else(
    fault: str, said: str, where: str
) -> None:
    whole, partly = images(100), images(100, brightest=70 if fault == "nan" else 3)
    normal, test = (partly, whole) if where == "normal" else (whole, partly)
    asked = {"odd": Odd(fault), "mean": Mean()}
    evidence, faults = evidence_of(ByPixel(), score_normal(ByPixel(), normal, POOLS, asked), test, POOLS, asked)
    assert faults == {"odd": said}
    assert evidence.normal.keys() == evidence.test.keys() == {"mean", "max"}
    assert len(evidence.test["mean"]) == 100


def test_a_pool_that_was_asked_for_has_scores_of_calibration_and_test_images() -> None:
    evidence, faults = evidence_of(
        ByPixel(), score_normal(ByPixel(), images(70), POOLS, {"odd": Odd()}), images(3), POOLS, {"odd": Odd()}
    )
    assert faults == {}
    assert evidence.normal["odd"].tolist() == [1.0] * 70
    assert evidence.test["odd"].tolist() == [1.0] * 3
    assert evidence.maps is not None
    unpooled, faults = evidence_of(
        ByImage(), score_normal(ByImage(), images(3), POOLS, {"odd": Odd()}), images(3), POOLS, {"odd": Odd()}
    )
    assert (unpooled.test.keys(), faults) == ({"-"}, {})


def test_images_too_large_to_copy_are_held_out_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    every = images(10, masks=True)
    every = Images(every.pixels, every.paths, ("good",) * 9 + ("bent",), every.masks)
    copied = hold_out(every, 0.3, seed=1)
    monkeypatch.setattr("harness.trials.subsets._IN_MEMORY", 1)
    mapped = hold_out(every, 0.3, seed=1)
    for one, other in zip(copied, mapped, strict=True):
        assert isinstance(other.pixels, np.memmap)
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.masks, other.masks)
        assert (one.paths, one.defects) == (other.paths, other.defects)
    assert len(mapped[1]) == 3
    without = hold_out(Images(every.pixels, every.paths), 0.3, seed=1)
    assert without[0].masks is None


@pytest.mark.parametrize(("count", "share", "kept"), [(2, 0.01, 1), (2, 0.99, 1), (10, 0.26, 3), (10, 0.99, 9)])
def test_held_out_are_about_the_share_but_at_least_one_and_never_all(count: int, share: float, kept: int) -> None:
    fitted, calibration = hold_out(images(count), share, seed=0)
    assert (len(fitted), len(calibration)) == (count - kept, kept)
    other = {hold_out(images(10), 0.5, seed=seed)[1].paths for seed in range(5)}
    assert len(other) > 1, "which ones depends on the seed"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (np.full(2, 1 + 2j), "by_image gave complex numbers as scores, expected real ones"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), "by_image gave 1 masked scores, expected all of them"),
    ],
)
def test_what_numpy_would_make_some_number_of_is_no_score(found: np.ndarray, said: str) -> None:
    class Careless(ByImage):
        def score(self, images: Images) -> Scores:
            return Scores(images=found)

    with pytest.raises(TrainingError, match=said):
        pool_scores(Careless(), images(2), POOLS)


def test_a_pool_that_writes_into_the_maps_is_an_error_for_the_next_pool_is_given_the_same() -> None:
    class Writes(Odd):
        def score(self, maps: np.ndarray) -> np.ndarray:
            maps[:] = 0
            return maps.mean(axis=(1, 2))

    class Fresh(ByPixel):
        def score(self, images: Images) -> Scores:
            return Scores(maps=np.ones((len(images), 4, 4)))

    with pytest.raises(TrainingError, match="pool writes: ValueError: assignment destination is read-only"):
        pool_scores(Fresh(), images(3), {"writes": Writes()})
