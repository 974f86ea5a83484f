"""Conventions piece by piece, on hand-made scores, maps and verdicts: without a fit, a store and a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.api import GOOD, Images, Model, Region, Scores, Threshold
from harness.conventions import choices, judging, rescored, stored
from harness.conventions.choices import Convention
from harness.conventions.effects import Effect, effects
from harness.conventions.judging import Judged, Models, judged
from harness.conventions.rescored import Rescored, Shown
from harness.errors import HarnessError
from harness.metrics.pixel import PixelMetrics, Regions
from harness.plugin.registry import Registry
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.methods import method_of
from harness.verdicts.verdict import METRICS, Verdict
from harness_pools import Mean

TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
KINDS = (GOOD, GOOD, "hole", "hole")
TEST = np.array([0.0, 3.0, 2.0, 4.0])


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


def maps_and_masks(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    masks = np.zeros((4, 16, 16), np.uint8)
    masks[2:, 4:8, 4:8] = 1
    masks[2:, 8:10, 8:10] = 1  # touches it at a corner
    return rng.random((4, 16, 16)) + 0.5 * masks, masks


def counted(**more: Any) -> PixelMetrics:
    maps, masks = maps_and_masks()
    metrics = PixelMetrics(**more)
    metrics.update(maps, masks, KINDS)
    return metrics


def outcome(record: Record | None = None, *, pixels: bool = False, **changes: Any) -> Outcome:
    evidence = Evidence(
        {"max": np.arange(3.0), "mean": np.arange(3.0) + 9}, {"max": TEST, "mean": TEST + 9}, KINDS, tuple("abcd"),
        pixels=counted().evidence() if pixels else None,
    )  # fmt: skip
    told = record or Record(default_pool="max", fit_seconds=1.0)
    return Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, told)


def verdicts(found: Outcome, registry: Registry, thresholds: str = "mean,quantile") -> list[Verdict]:
    return list(judge(found, registry.choose(Threshold, thresholds), ["max", "mean"]))


# The choices.


def test_each_choice_is_named_by_its_axis_and_says_what_it_takes() -> None:
    every = [one for one in vars(choices).values() if isinstance(one, Convention)]
    assert {one.words for one in every} == {
        "scores: clamped to the range of calibration images",
        "AUPRO up to: a false positive rate of .05",
        "pixels of normal images: left out",
        "regions: joined at edges (4 neighbours)",
        "a region is found: by half of it (sPRO)",
        "a region is found: by the area that the data set states (sPRO)",
        "mask: above 0 after bilinear reduction",
        "mask: above half after bilinear reduction",
        "error map: its centre, as 224 of 256",
        "error map: enlarged to the files' size",
        "smoothing: a Gaussian of 4 pixels more",
    }
    assert choices.image_score("max") == ("image score", "max", "scores")
    assert choices.limit("f1", True) == ("limit", "f1, which sees test labels", "scores")
    assert choices.limit("mean", False) == ("limit", "mean", "scores")
    assert {one.takes for one in (choices.CLAMPED, choices.image_score("x"))} == {"scores"}
    counts = (choices.CLAMPED_MAPS, choices.AUPRO_05, choices.WITHOUT_NORMAL)
    assert {one.takes for one in counts} == {"pixel counts"}
    assert {one.takes for one in every if one not in (*counts, choices.CLAMPED)} == {"error maps"}


def test_every_axis_says_how_the_harness_judges() -> None:
    every = [one for one in vars(choices).values() if isinstance(one, Convention)]
    every += [choices.image_score("max"), choices.limit("mean", False)]
    assert {one.axis for one in every} == choices.USUAL.keys()
    assert (*METRICS, "pixel_auroc", "pixel_average_precision", "aupro") == choices.FIGURES
    assert choices.USUAL == {
        "image score": "the pool that each model suits",
        "limit": "the threshold that is asked for",
        "scores": "as they are",
        "AUPRO up to": "a false positive rate of .3",
        "pixels of normal images": "counted",
        "regions": "joined at corners (8 neighbours)",
        "a region is found": "by as much of it as is found",
        "mask": "of the nearest pixel",
        "error map": "of the model's image size",
        "smoothing": "the model's own",
    }
    assert choices.NEVER == ("the checkpoint chosen by test labels",)


# What follows from a store.


def test_a_trial_is_judged_by_its_own_pool_and_one_threshold(registry: Registry) -> None:
    every = verdicts(outcome(), registry)
    usual = stored.usual_verdict(every, "mean")
    assert usual is not None
    assert (usual.pool, usual.threshold) == ("max", "mean")
    assert stored.usual_verdict(every, "p99") is None
    assert stored.usual_verdict([], "mean") is None
    assert stored.usual_verdict([replace(one, status="error") for one in every], "mean") is None
    unpooled = [replace(one, pool="-") for one in every if one.pool == "mean"]
    assert stored.usual_verdict(unpooled, "mean") is unpooled[0], "a model that takes no pool"


def test_other_pools_and_other_limits_are_told_one_at_a_time(registry: Registry) -> None:
    every = verdicts(outcome(), registry)
    usual = stored.usual_verdict(every, "mean")
    assert usual is not None
    found = {convention: dict(figures) for convention, figures in stored.of_verdicts(every, usual)}
    assert found.keys() == {choices.limit("quantile", False), choices.image_score("mean")}
    assert tuple(found[choices.limit("quantile", False)]) == METRICS[:5]
    assert tuple(found[choices.image_score("mean")]) == METRICS
    assert list(stored.of_verdicts([replace(one, status="error") for one in every], usual)) == []
    oracle = [replace(one, oracle=True) for one in every]
    assert choices.limit("quantile", True) in dict(stored.of_verdicts(oracle, usual))


def test_scores_outside_of_the_calibration_images_are_tied_with_the_nearest(registry: Registry) -> None:
    usual = stored.usual_verdict(verdicts(outcome(), registry), "mean")
    assert usual is not None
    ((convention, figures),) = stored.of_clamped_scores(usual, np.array([0.5, 2.5]), TEST)
    assert convention == choices.CLAMPED
    # 0.5, 2.5, 2 and 2.5 with a limit of 1: one normal image is right, both bad ones are called so.
    assert (figures["normal_rate"], figures["abnormal_rate"], figures["accuracy"]) == (0.5, 1.0, 0.75)
    assert figures["auroc"] == pytest.approx((1 + 0 + 1 + 0.5) / 4)
    assert figures["average_precision"] == pytest.approx((2 / 3) / 2 * 0 + (0.5 * 0.5 + 0.5 * 2 / 3))


def test_pixel_figures_are_those_that_are_defined() -> None:
    counts = counted().counts()
    found = stored.pixel_figures(counts)
    assert tuple(found) == ("pixel_auroc", "pixel_average_precision", "aupro")
    assert stored.pixel_figures(counts, 0.05)["aupro"] != found["aupro"]
    nothing = PixelMetrics()
    maps, masks = maps_and_masks()
    nothing.update(maps[:2], masks[:2], KINDS[:2])
    assert stored.pixel_figures(nothing.counts()) == {}


def test_pixel_counts_tell_another_limit_defective_images_alone_and_clamped_maps() -> None:
    evidence = counted().evidence()
    usual = stored.pixel_figures(evidence.counts())
    found = dict(stored.of_pixels(evidence, 0.8))
    assert list(found) == [choices.AUPRO_05, choices.WITHOUT_NORMAL, choices.CLAMPED_MAPS]
    assert found[choices.AUPRO_05] == {"aupro": stored.pixel_figures(evidence.counts(), 0.05)["aupro"]}
    maps, masks = maps_and_masks()
    alone = PixelMetrics()
    alone.update(maps[2:], masks[2:], KINDS[2:])
    assert found[choices.WITHOUT_NORMAL]["pixel_auroc"] == pytest.approx(
        stored.pixel_figures(alone.counts())["pixel_auroc"], abs=1e-4
    )
    clipped = PixelMetrics()
    clipped.update(np.minimum(maps, 0.8), masks, KINDS)
    assert found[choices.CLAMPED_MAPS]["pixel_auroc"] == pytest.approx(
        stored.pixel_figures(clipped.counts())["pixel_auroc"], abs=1e-3
    )
    assert found[choices.CLAMPED_MAPS] != usual
    assert list(dict(stored.of_pixels(evidence, None))) == [choices.AUPRO_05, choices.WITHOUT_NORMAL]
    counts = evidence.counts()
    assert stored.clamped(counts, 1e9) is counts, "nothing scores above it"
    least = stored.clamped(counts, -1e9)
    assert len(least.starts) == 1
    assert (least.normal.sum(), least.defective.sum()) == (counts.normal.sum(), counts.defective.sum())
    assert (stored.highest_of(None), stored.highest_of(np.empty(0))) == (None, None)
    assert stored.highest_of(np.array([1.0, 3.0, 2.0])) == 3.0


def test_all_that_a_store_tells_comes_of_verdicts_scores_and_counts(registry: Registry) -> None:
    def found(one: Outcome) -> list[str]:
        every = verdicts(one, registry)
        usual = stored.usual_verdict(every, "mean")
        assert usual is not None
        return sorted(convention.words for convention, _ in stored.stored_conventions(every, usual))

    of_scores = ["image score: mean", "limit: quantile", choices.CLAMPED.words]
    assert found(outcome()) == sorted(of_scores)
    of_counts = [choices.AUPRO_05.words, choices.WITHOUT_NORMAL.words, choices.CLAMPED_MAPS.words]
    assert found(outcome(pixels=True)) == sorted([*of_scores, *of_counts])
    every = verdicts(outcome(), registry)
    bare = [replace(one, outcome=replace(one.outcome, evidence=None)) for one in every]
    assert [one.words for one, _ in stored.stored_conventions(bare, bare[0])]
    assert choices.CLAMPED not in dict(stored.stored_conventions(bare, bare[0]))


# Trials under conventions.


def test_every_finished_trial_but_floors_is_judged_and_what_is_unsaid_has_a_reason(registry: Registry) -> None:
    every = [
        *verdicts(outcome(pixels=True), registry),
        *verdicts(outcome(seed=1, record=Record(default_pool="max", floor=True)), registry),
        *verdicts(outcome(seed=2, record=Record(default_pool="p")), registry),
        *verdicts(Outcome(TRIAL._replace(seed=3), "error", "x", "f00d"), registry),
    ]
    (one,) = judged(every)
    assert one.usual.trial.seed == 0
    assert one.unsaid == []
    assert one.figures.keys() == {*METRICS, "pixel_auroc", "pixel_average_precision", "aupro"}
    assert choices.AUPRO_05 in one.found
    assert judged(every, "p99") == []
    (by_quantile,) = judged(every, "quantile")
    assert by_quantile.usual.threshold == "quantile"


def test_of_an_export_pixel_figures_are_those_that_its_rows_remember(registry: Registry) -> None:
    from harness.metrics.pixel.curves import VERSIONS

    pixels = {"pixel_auroc": 0.75, "aupro_0.30": 0.5, "pixel_average_precision": None}
    record = Record(default_pool="max", pixels=pixels, pixel_versions=dict(VERSIONS))
    (one,) = judged(verdicts(outcome(record), registry))
    assert {name: one.figures[name] for name in one.figures if name not in METRICS} == {
        "pixel_auroc": 0.75,
        "aupro": 0.5,
    }
    unsaid = ["no pixel counts are at hand (an export has none, and an older store)"]
    assert one.unsaid == unsaid
    bare = [replace(each, outcome=replace(each.outcome, evidence=None)) for each in verdicts(outcome(record), registry)]
    (without,) = judged(bare)
    assert (without.unsaid, without.figures) == (unsaid, one.figures), "as of an export without scores"


def test_a_kept_model_adds_conventions_or_says_why_it_cannot(registry: Registry) -> None:
    def with_models(again: Any) -> Judged:
        def rescored_(usual: Verdict) -> Rescored:
            if isinstance(again, Exception):
                raise again
            return again  # type: ignore[no-any-return]

        models: Any = SimpleNamespace(rescored=rescored_)
        (one,) = judged(verdicts(outcome(pixels=True), registry), models=models)
        return one

    found = with_models(Rescored([(choices.FOUR, {"aupro": 0.5})], 1e-3, ("no areas",)))
    assert found.found[choices.FOUR] == {"aupro": 0.5}
    assert found.unsaid == ["no areas"]
    assert with_models(HarnessError("it is damaged")).unsaid == ["it is damaged"]
    assert with_models(Rescored((), 0.0123)).unsaid == [
        "its kept model gives other scores than the stored ones (up to 1.2% apart)"
    ]
    assert judging.ALIKE == 1e-3


class _Data:
    name, needs_root = "dots", True

    def __init__(self, **more: Any) -> None:
        self.asked: list[Any] = []
        self.more = more

    def regions(self, category: str, size: int) -> Any:
        if "error" in self.more:
            raise HarnessError(self.more["error"])
        return [["a region"]]


def test_what_a_kept_model_lacks_is_said(registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usual = stored.usual_verdict(verdicts(outcome(), registry), "mean")
    assert usual is not None
    data = _Data()
    monkeypatch.setattr(judging, "open_dataset", lambda *asked, **how: data.asked.append((asked[1:], how)) or data)
    monkeypatch.setattr(judging, "find", lambda folder, trial: None)
    models = Models(tmp_path, registry)

    def said(one: Verdict = usual, models: Models = models) -> Any:
        found = models.rescored(one)
        assert (found.found, found.furthest) == ((), 0.0)
        return found.unsaid

    assert said() == ("no model was kept (`harness run --keep-models` keeps them)",)
    monkeypatch.setattr(judging, "find", lambda folder, trial: folder / trial)
    bare = replace(usual, outcome=replace(usual.outcome, evidence=None))
    assert said(bare) == ("no model was kept (`harness run --keep-models` keeps them)",)
    assert said() == ("the images are not at hand (--data-root)",)
    assert data.asked == [(("dots", None), {"skip_unreadable": True})]
    rooted = Models(tmp_path, registry, tmp_path)
    cut = "its images are cut or padded, and these conventions are told of whole ones"
    for changes in ({"resize": "pad"}, {"tiles": 8}):
        other = replace(usual, outcome=replace(usual.outcome, trial=TRIAL._replace(**changes)))
        assert said(other, rooted) == (cut,)


def test_the_images_of_a_category_are_loaded_once_and_have_to_be_those_of_the_fit(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded: list[tuple[str, int]] = []
    test = Images(np.zeros((1, 16, 16, 3), np.uint8), ("a",))

    def load(data: Any, category: str, size: int) -> Any:
        loaded.append((category, size))
        return SimpleNamespace(fingerprint="f00d", sizes=sizes, test=(test, size), train=None)

    data, sizes = _Data(), ("48x32", "900x900")
    monkeypatch.setattr(judging, "open_dataset", lambda *_, **how: data.asked.append(how) or data)
    monkeypatch.setattr(judging, "load", load)
    monkeypatch.setattr(judging, "presented", lambda split, trial: split)
    models = Models(tmp_path, registry)
    shown = models._images(TRIAL, "f00d")
    assert shown == Shown((test, 16), (test, 48), [["a region"]], ())  # type: ignore[arg-type]
    assert data.asked == [{"skip_unreadable": True}], "as the trial was, which had left some out"
    assert models._images(TRIAL._replace(seed=5), "f00d") is shown
    assert loaded == [("tile", 16), ("tile", 48)]
    with pytest.raises(HarnessError) as error:
        models._images(TRIAL._replace(category="bolt"), "beef")
    assert str(error.value) == "bolt is not what it was fitted on: the images have changed since"
    sizes = ("16x9",)
    assert models._images(TRIAL._replace(image_size=17), "f00d").files is None
    sizes = ()
    assert models._images(TRIAL._replace(image_size=18), "f00d").files is None
    data.more["error"] = "the areas are odd"
    regions, unsaid = judging._regions(data, TRIAL)  # type: ignore[arg-type]
    assert regions is None
    assert unsaid == (
        "a region is found: by the area that the data set states (sPRO) cannot be told: the areas are odd",
    )


# Error maps.


def test_maps_are_cropped_enlarged_and_smoothed_and_masks_reduced() -> None:
    from scipy.ndimage import gaussian_filter

    stack = np.arange(2 * 16 * 24).reshape(2, 16, 24)
    assert np.array_equal(rescored.cropped(stack), stack[:, 1:15, 1:22])
    assert rescored.cropped(np.zeros((1, 256, 256))).shape == (1, 224, 224)
    maps = np.random.default_rng(0).random((2, 8, 8))
    large = rescored.enlarged(maps, 12)
    assert large.shape == (2, 12, 12)
    assert large.mean() == pytest.approx(maps.mean(), abs=0.05)
    assert rescored.smoothed(maps)[1] == pytest.approx(gaussian_filter(maps[1].astype(np.float32), 4), abs=1e-6)
    masks = np.zeros((1, 4, 4), np.uint8)
    masks[0, :2, :2] = 1
    assert rescored.covered(masks, 2).tolist()[0][1][1] < rescored.covered(masks, 2).tolist()[0][0][0] <= 255
    assert rescored.covered(np.ones((1, 4, 4), np.uint8), 2).tolist() == [[[255, 255], [255, 255]]]


class _Mapped(Model):
    """Gives the maps that it was told, by the grey of each image."""

    name = "mapped"
    uses = frozenset({"pool"})

    def __init__(self, maps: np.ndarray | None) -> None:
        self.maps = maps

    def fit(self, normal: Any, **how: Any) -> None: ...

    def score(self, images: Images) -> Scores:
        if self.maps is None:
            return Scores(images=np.asarray(images.pixels)[:, 0, 0, 0].astype(float))
        return Scores(maps=self.maps[np.asarray(images.pixels)[:, 0, 0, 0]])


def shown(*, masks: bool = True, larger: bool = False, regions: Any = None) -> Shown:
    pixels = np.zeros((4, 16, 16, 3), np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None]
    marks = maps_and_masks()[1]
    test = Images(pixels, tuple("abcd"), KINDS, marks if masks else None)
    files = None
    if larger:
        large = np.repeat(np.repeat(marks, 2, axis=1), 2, axis=2)
        files = Images(np.zeros((4, 32, 32, 3), np.uint8), tuple("abcd"), KINDS, large)
    return Shown(test, files, regions, ("no areas",))


def again(what: Shown, maps: np.ndarray | None = None, stored_scores: Any = None) -> Rescored:
    maps = maps_and_masks()[0] if maps is None else maps
    detector: Any = SimpleNamespace(
        model=_Mapped(maps), saved=SimpleNamespace(threads=None, trial=SimpleNamespace(model="mapped"))
    )
    scores = maps.mean(axis=(1, 2)) if stored_scores is None else stored_scores
    return rescored.rescored(detector, Mean(), what, scores)


def test_a_kept_model_judges_under_each_convention_that_the_images_allow() -> None:
    found = again(shown())
    by_name = {convention: set(figures) for convention, figures in found.found}
    every = {"auroc", "average_precision", "pixel_auroc", "pixel_average_precision", "aupro"}
    assert by_name == {
        choices.FOUR: {"aupro"}, choices.HALF_FOUND: {"aupro"}, choices.CROPPED: every, choices.SMOOTHED: every,
    }  # fmt: skip
    assert found.furthest == pytest.approx(0.0)
    assert found.unsaid == ("no areas",)
    larger = {convention: set(figures) for convention, figures in again(shown(larger=True)).found}
    of_pixels = every - {"auroc", "average_precision"}
    assert {one: larger[one] for one in larger.keys() - by_name.keys()} == {
        choices.ANY_PART: of_pixels, choices.HALF: of_pixels, choices.FILE_SIZE: every,
    }  # fmt: skip
    without = {convention: set(figures) for convention, figures in again(shown(masks=False, larger=True)).found}
    of_images = {"auroc", "average_precision"}
    assert without == {choices.CROPPED: of_images, choices.SMOOTHED: of_images}
    stated = [[], [], *[[Region(maps_and_masks()[1][2] > 0, 4.0)]] * 2]
    by_area = dict(again(shown(regions=stated)).found)[choices.AS_STATED]
    assert set(by_area) == {"aupro"}
    assert by_area["aupro"] > stored.pixel_figures(counted().counts())["aupro"]


def test_figures_under_a_convention_are_those_of_its_maps_and_masks() -> None:
    maps, masks = maps_and_masks()
    found = dict(again(shown(larger=True)).found)
    plain = stored.pixel_figures(counted().counts())
    four = stored.pixel_figures(counted(regions=Regions(connectivity=4)).counts())["aupro"]
    half = stored.pixel_figures(counted(regions=Regions(saturation=0.5)).counts())["aupro"]
    assert found[choices.FOUR] == {"aupro": pytest.approx(four)}
    assert found[choices.HALF_FOUND] == {"aupro": pytest.approx(half)}
    assert four != pytest.approx(plain["aupro"])
    assert half > plain["aupro"]
    cropped = PixelMetrics()
    cropped.update(rescored.cropped(maps), rescored.cropped(masks), KINDS)  # type: ignore[arg-type]
    assert found[choices.CROPPED]["pixel_auroc"] == pytest.approx(stored.pixel_figures(cropped.counts())["pixel_auroc"])
    any_part, half_part = (found[one]["pixel_auroc"] for one in (choices.ANY_PART, choices.HALF))
    assert any_part != pytest.approx(half_part)
    assert half_part == pytest.approx(plain["pixel_auroc"], abs=1e-3), "marks twice as large are halved again"


def test_how_far_a_kept_model_lies_from_the_stored_scores_is_a_share_of_their_range() -> None:
    maps = maps_and_masks()[0]
    scores = maps.mean(axis=(1, 2))
    off = scores + np.array([0.0, 0.0, 0.0, 0.1])
    assert again(shown(), stored_scores=off).furthest == pytest.approx(0.1 / np.ptp(off))
    flat = np.full(4, scores[0])
    assert again(shown(), stored_scores=flat).furthest == pytest.approx(np.abs(scores - flat).max()), (
        "of no range, by 1"
    )


def test_a_model_without_maps_says_so() -> None:
    detector: Any = SimpleNamespace(
        model=_Mapped(None), saved=SimpleNamespace(threads=None, trial=SimpleNamespace(model="brightest"))
    )
    found = rescored.rescored(detector, None, shown(), TEST)
    assert (found.found, found.furthest, found.unsaid) == ((), 0.0, ("brightest makes no error maps",))


# Effects.


def of_model(
    registry: Registry, model: str, seed: int, usual: float, under: dict[Convention, float], **changes: Any
) -> Judged:
    one = stored.usual_verdict(verdicts(outcome(model=model, seed=seed, **changes), registry), "mean")
    assert one is not None
    return Judged(one, {"auroc": usual}, {convention: {"auroc": value} for convention, value in under.items()})


def test_effects_are_means_over_seeds_of_each_method_and_compared_in_order(registry: Registry) -> None:
    blur, cut = choices.SMOOTHED, choices.CLAMPED
    found = effects(
        [
            of_model(registry, "a", 0, 0.5, {blur: 0.75, cut: 0.5}),
            of_model(registry, "a", 1, 0.75, {blur: 0.75}),
            of_model(registry, "b", 0, 0.875, {blur: 0.25}),
            of_model(registry, "c", 0, 0.25, {blur: 0.125}),
        ]
    )
    assert [(one.convention, one.figure) for one in found] == [(cut, "auroc"), (blur, "auroc")]
    assert found[0].data == ("dots", 16, "tile", "f00d", ())
    by_blur = found[1]
    values = {method.model: value for method, value in by_blur.values.items()}
    assert values == {"a": (0.625, 0.75), "b": (0.875, 0.25), "c": (0.25, 0.125)}
    assert {method.pool for method in by_blur.values} == {"-"}
    assert {method.model: change for method, change in by_blur.changes.items()} == {
        "a": 0.125,
        "b": -0.625,
        "c": -0.125,
    }
    assert by_blur.mean == pytest.approx(-0.625 / 3)
    assert by_blur.furthest == -0.625
    assert (by_blur.pairs, by_blur.swapped) == (3, 1)
    assert by_blur.rank_correlation == pytest.approx(0.5)
    assert found[0].rank_correlation is None
    assert (found[0].pairs, found[0].swapped) == (0, 0)


def test_methods_are_compared_within_their_own_data_and_what_costs_nothing_comes_first(registry: Registry) -> None:
    every = [choices.SMOOTHED, choices.AUPRO_05, choices.image_score("p"), choices.limit("m", False), choices.FOUR]
    trials = [
        of_model(registry, "a", 0, 0.5, dict.fromkeys(every, 0.5)),
        of_model(registry, "a", 0, 0.5, {choices.FOUR: 0.5}, category="bolt"),
        of_model(registry, "a", 0, 0.5, {choices.FOUR: 0.5}, shots=2),
    ]
    found = effects(trials)
    assert [(one.data.category, bool(one.data.protocol)) for one in found[:2]] == [("bolt", False), ("tile", False)]
    assert [one.convention for one in found if one.data.category == "tile" and not one.data.protocol] == [
        choices.image_score("p"), choices.limit("m", False), choices.AUPRO_05, choices.FOUR, choices.SMOOTHED,
    ]  # fmt: skip
    assert sum(one.data.protocol != () for one in found) == 1
    lacking = replace(trials[0], figures={})
    assert effects([lacking]) == []
    other = replace(trials[0], found={choices.FOUR: {"aupro": 0.5}})
    assert effects([other]) == []
    assert isinstance(found[0], Effect)
    assert method_of(trials[0].usual).model == "a"
