from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from harness.metrics.pixel import PixelMetrics, _reached_by, aupro, pixel_auroc, pixel_average_precision
from harness.metrics.pixel.keys import origin_of

TOLERANCE = 1e-4
"""What the issue asks for."""


def part_from(limits: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """What part of the scores each limit lets through."""
    return 1 - np.searchsorted(np.sort(scores), limits, side="left") / len(scores)


def exact_aupro(maps: np.ndarray, masks: np.ndarray, max_fpr: float) -> float:
    """By its definition: a curve through every distinct score, cut off at the limit."""
    regions = [
        (i, region)
        for i, mask in enumerate(masks)
        for labels, count in [ndimage.label(mask, structure=np.ones((3, 3)))]
        for region in (labels == k for k in range(1, count + 1))
    ]
    limits = np.unique(maps)[::-1]
    fpr = np.append(0, part_from(limits, maps[masks == 0]))
    overlap = np.append(0, sum(part_from(limits, maps[i][region]) for i, region in regions) / len(regions))
    last = np.searchsorted(fpr, max_fpr, side="right")
    end = np.interp(max_fpr, fpr[last - 1 : last + 1], overlap[last - 1 : last + 1])
    x, y = np.append(fpr[:last], max_fpr), np.append(overlap[:last], end)
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / max_fpr)


def blobs(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Masks with a few discs each, the first without any."""
    masks = np.zeros((n, size, size), dtype=np.uint8)
    y, x = np.ogrid[:size, :size]
    for mask in masks[1:]:
        for _ in range(rng.integers(1, 4)):
            at = rng.integers(0, size, 2)
            mask[(y - at[0]) ** 2 + (x - at[1]) ** 2 < rng.integers(1, size // 6) ** 2] = 1
    return masks


def scores_like(kind: str, rng: np.random.Generator, masks: np.ndarray) -> np.ndarray:
    defective, shape = masks.astype(bool), masks.shape
    smooth = rng.gamma(2, 0.1, shape) + defective * rng.gamma(2, 0.1, shape)
    maps = {
        "smooth": smooth,
        "negative": -1 / smooth,
        "on both sides of 0": rng.normal(size=shape) + defective,
        "clustered": 0.5 + 1e-4 * smooth,
        "clustered in many places": rng.integers(1, 100, shape) * (1 + 1e-6 * smooth),
        "heavy-tailed": np.exp(5 * rng.normal(size=shape) + 2 * defective),
        "mostly zero": np.where(rng.random(shape) < 0.8, 0, smooth),
        "of 256 values": np.round(255 * np.minimum(smooth, 1)) / 255,
        "a ramp that ends in a step": np.where(defective, 1, np.arange(masks.size).reshape(shape) / masks.size),
        "tiny": 1e-42 * np.round(1000 * smooth),
        "huge": 3e38 * np.tanh(smooth - 0.3),
        "constant": np.full(shape, 0.25),
    }[kind]
    return maps.astype(np.float32)


KINDS = (
    "smooth",
    "negative",
    "on both sides of 0",
    "clustered",
    "clustered in many places",
    "heavy-tailed",
    "mostly zero",
    "of 256 values",
    "a ramp that ends in a step",
    "tiny",
    "huge",
    "constant",
)


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_those_of_an_exact_sort_whatever_the_scores_are_like(kind: str) -> None:
    rng = np.random.default_rng(0)
    masks = blobs(rng, 6, 192)  # enough pixels that they are counted by intervals
    maps = scores_like(kind, rng, masks)
    flat_masks, flat = masks.ravel(), maps.ravel().astype(np.float64)
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(flat_masks, flat), abs=TOLERANCE)
    assert pixel_average_precision(maps, masks) == pytest.approx(
        average_precision_score(flat_masks, flat), abs=TOLERANCE
    )
    for max_fpr in (0.3, 0.01, 1.0):
        assert aupro(maps, masks, max_fpr) == pytest.approx(exact_aupro(maps, masks, max_fpr), abs=TOLERANCE)


@pytest.mark.parametrize("waiting", [1 << 15, 1 << 23])
@pytest.mark.parametrize("kind", KINDS)
def test_above_a_floor_aupro_is_that_of_an_exact_sort(kind: str, waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.metrics.pixel.measuring._WAITING", waiting)
    rng = np.random.default_rng(3)
    masks = blobs(rng, 6, 192)
    maps = scores_like(kind, rng, masks)
    normal = maps[masks == 0]
    floor = np.partition(normal, len(normal) * 6 // 10)[len(normal) * 6 // 10]
    metrics = PixelMetrics(floor)
    metrics.update(maps, masks)
    rate = metrics.rate_at_floor()
    assert rate == pytest.approx(np.mean(normal >= floor))
    for max_fpr in (0.01, 0.3, rate):
        assert metrics.aupro(max_fpr) == pytest.approx(exact_aupro(maps, masks, max_fpr), abs=TOLERANCE)
    # further on, what lies below the floor counts as tied
    tied = np.where(maps < floor, maps.min(), maps).astype(np.float64)
    assert metrics.aupro(1.0) == pytest.approx(exact_aupro(tied, masks, 1.0), abs=TOLERANCE)
    assert metrics.auroc() == pytest.approx(roc_auc_score(masks.ravel(), tied.ravel()), abs=TOLERANCE)


def test_a_floor_that_nothing_reaches_leaves_ties_only() -> None:
    maps, masks = np.array([[[0.1, 0.4, 0.2, 0.3]]]), np.array([[[0, 1, 0, 1]]])
    metrics = PixelMetrics(floor=2)
    metrics.update(maps, masks)
    assert metrics.rate_at_floor() == 0
    assert metrics.auroc() == metrics.aupro(1.0) == 0.5
    assert metrics.average_precision() == 0.5
    assert PixelMetrics(floor=2).rate_at_floor() == 1, "nothing taken in, nothing below"


def test_aupro_is_exact_where_a_sample_of_the_maps_misleads() -> None:
    rng = np.random.default_rng(4)
    masks = blobs(rng, 4, 128)
    maps = scores_like("smooth", rng, masks)
    maps[:, 4::8, 4::8] += 100  # the pixels that are looked at beforehand
    assert aupro(maps, masks) == pytest.approx(exact_aupro(maps, masks, 0.3), abs=TOLERANCE)
    maps[:, 4::8, 4::8] -= 200
    assert aupro(maps, masks) == pytest.approx(exact_aupro(maps, masks, 0.3), abs=TOLERANCE)


few_maps = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        arrays.arrays(
            np.float32,
            (n, 5, 4),
            elements=st.one_of(
                st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0, 0.5, 1.0])
            ),
        ),
        arrays.arrays(np.uint8, (n, 5, 4), elements=st.integers(0, 1)),
    )
)


@given(few_maps)
@example((np.array([[[0.0, -0.0]]], dtype=np.float32), np.array([[[1, 0]]], dtype=np.uint8)))
@settings(max_examples=200)
def test_metrics_of_few_pixels_are_exact(data: tuple[np.ndarray, np.ndarray]) -> None:
    maps, masks = data
    metrics = PixelMetrics()
    metrics.update(maps, masks)
    flat_masks, flat = masks.ravel(), maps.ravel().astype(np.float64)
    if masks.any() and not masks.all():
        assert metrics.auroc() == pytest.approx(roc_auc_score(flat_masks, flat), abs=1e-9)
        assert metrics.average_precision() == pytest.approx(average_precision_score(flat_masks, flat), abs=1e-9)
        assert metrics.aupro() == pytest.approx(exact_aupro(maps, masks, 0.3), abs=1e-9)
    else:
        assert metrics.auroc() is None
        assert metrics.aupro() is None
        assert metrics.average_precision() == (1 if masks.any() else None)


@given(few_maps, st.data())
def test_it_does_not_matter_how_maps_come(data: tuple[np.ndarray, np.ndarray], draw: st.DataObject) -> None:
    maps, masks = data
    order = draw.draw(st.permutations(range(len(maps))))
    metrics = PixelMetrics()
    for i in order:
        metrics.update(maps[i : i + 1], masks[i : i + 1])
        metrics.result()  # asking in between changes nothing
    together = PixelMetrics()
    together.update(maps, masks)
    assert metrics.result() == pytest.approx(together.result())


def test_scores_a_hand_can_check() -> None:
    masks = np.array(
        [[[1, 0, 0, 0], [0, 1, 0, 1]]], dtype=np.uint8
    )  # a region of two pixels, that touch by a corner, and one of one
    maps = np.array([[[0.9, 0.8, 0.1, 0.2], [0.3, 0.7, 0.4, 0.6]]])
    # from the top: found half of the one region; false alarm 1 of 5; found the other half; found the other region
    assert aupro(maps, masks, 0.2) == pytest.approx(1 / 4)
    assert aupro(maps, masks, 1.0) == pytest.approx(1 / 4 * 1 / 5 + 4 / 5)
    assert pixel_auroc(maps, masks) == pytest.approx((5 + 4 + 4) / 15)
    assert pixel_average_precision(maps, masks) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_a_small_region_weighs_as_much_as_a_large_one() -> None:
    masks = np.zeros((1, 8, 8), dtype=np.uint8)
    masks[0, :4], masks[0, 6, 6] = 1, 1
    small_missed, large_missed = masks.astype(float), masks.astype(float)
    small_missed[0, 6, 6], large_missed[0, :4] = -1, -1
    assert aupro(small_missed, masks) == aupro(large_missed, masks) == pytest.approx(0.5)


def test_regions_that_touch_by_a_corner_are_one() -> None:
    masks = np.eye(4, dtype=np.uint8)[None]
    maps = np.diag([1.0, -1, -1, -1])[None]
    assert aupro(maps, masks) == pytest.approx(
        1 / 4
    )  # one region of which a quarter is found; of four, it would be too
    apart = np.zeros((1, 4, 4), dtype=np.uint8)
    apart[0, 0, 0], apart[0, 2:, 2:] = 1, 1
    maps = np.zeros((1, 4, 4))
    maps[0, 0, 0], maps[0, 2:, 2:] = 1, -1
    assert aupro(maps, apart) == pytest.approx(1 / 2)


def test_names_of_the_result_tell_the_limit() -> None:
    maps, masks = np.array([[[0.0, 1.0]]]), np.array([[[0, 1]]])
    metrics = PixelMetrics()
    metrics.update(maps, masks)
    assert metrics.result() == {"aupro_0.30": 1.0, "pixel_auroc": 1.0, "pixel_average_precision": 1.0}
    assert next(iter(metrics.result(0.05))) == "aupro_0.05"


def test_nothing_taken_in_has_no_metrics() -> None:
    assert set(PixelMetrics().result().values()) == {None}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_a_score_that_is_not_finite_is_refused_with_its_place(bad: float) -> None:
    maps = np.zeros((3, 4, 5))
    maps[1, 2, 3] = bad
    metrics = PixelMetrics()
    metrics.update(np.zeros((2, 4, 5)), np.zeros((2, 4, 5)))
    with pytest.raises(ValueError, match=r"row 2, column 3 of map 3 is \S+: expected a finite float32"):
        metrics.update(maps, np.zeros(maps.shape))


@pytest.mark.parametrize(("maps", "masks"), [((2, 4, 4), (2, 4, 5)), ((4, 4), (4, 4)), ((2, 4, 4), (3, 4, 4))])
def test_shapes_that_do_not_fit_are_refused(maps: tuple[int, ...], masks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"maps are \(.*\) and masks \(.*\): expected \(N, H, W\)"):
        PixelMetrics().update(np.zeros(maps), np.zeros(masks))
    with pytest.raises(ValueError, match=r"maps are \(.*\) and masks \(.*\): expected \(N, H, W\)"):
        aupro(np.zeros(maps), np.zeros(masks))


@pytest.mark.parametrize("max_fpr", [0, -0.1, 1.01, float("nan")])
def test_a_limit_that_is_no_rate_is_refused(max_fpr: float) -> None:
    with pytest.raises(ValueError, match="max_fpr is"):
        PixelMetrics().aupro(max_fpr)
    with pytest.raises(ValueError, match="max_fpr is"):
        aupro(np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), max_fpr)


def test_a_mask_of_255_means_what_one_of_1_does() -> None:
    rng = np.random.default_rng(0)
    masks = blobs(rng, 3, 32)
    maps = scores_like("smooth", rng, masks)
    assert aupro(maps, masks * 255) == aupro(maps, masks) == aupro(maps, masks.astype(bool))


def stream(metrics: PixelMetrics, n: int, kinds: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Feeds maps one after the other; gives them too, as one array each."""
    rng = np.random.default_rng(1)
    masks = blobs(rng, n, 128)
    maps = np.concatenate([scores_like(kinds[i * len(kinds) // n], rng, masks[i : i + 1]) for i in range(n)])
    for one, mask in zip(maps, masks, strict=True):
        metrics.update(one[None], mask[None])
    return maps, masks


@pytest.mark.parametrize("kinds", [("smooth",), ("clustered", "heavy-tailed", "of 256 values", "smooth")])
def test_metrics_stay_exact_when_what_waits_is_counted_many_times(
    kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.metrics.pixel.measuring._WAITING", 1 << 17)
    metrics = PixelMetrics()
    maps, masks = stream(metrics, 64, kinds)
    flat_masks, flat = masks.ravel(), maps.ravel().astype(np.float64)
    assert metrics.auroc() == pytest.approx(roc_auc_score(flat_masks, flat), abs=TOLERANCE)
    assert metrics.average_precision() == pytest.approx(average_precision_score(flat_masks, flat), abs=TOLERANCE)
    assert metrics.aupro() == pytest.approx(exact_aupro(maps, masks, 0.3), abs=TOLERANCE)


def test_memory_does_not_grow_with_the_number_of_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.metrics.pixel.measuring._WAITING", 1 << 18)

    def peak(n: int) -> int:
        rng = np.random.default_rng(2)
        masks = blobs(rng, 4, 128)
        metrics = PixelMetrics()
        tracemalloc.start()
        for _ in range(n):
            metrics.update(scores_like("smooth", rng, masks), masks)
        metrics.result()
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    assert peak(60) < 1.5 * peak(10)


def test_close_scores_are_told_apart_by_their_difference_from_the_median_unless_they_are_single_already() -> None:
    close = np.linspace(10_000, 10_001, 101)
    assert origin_of(close) == pytest.approx(10_000.5)
    assert origin_of(close.astype(np.float32)) == 0.0
    assert origin_of(np.linspace(0, 1, 101)) == 0.0
    assert origin_of(np.zeros(0)) == 0.0
    assert origin_of(np.array([10_000.0, np.inf])) == 0.0


def test_about_the_share_of_normal_pixels_that_was_asked_for_reaches_the_sampled_score() -> None:
    maps = np.random.default_rng(0).random((8, 256, 256), dtype=np.float32)
    masks = np.zeros(maps.shape, np.uint8)
    masks[0, :64] = 1
    floor = _reached_by(maps, masks, 0.3)
    assert 0.3 <= (maps[masks == 0] >= floor).mean() < 0.45
    assert _reached_by(maps[:1, :16, :16], masks[1:2, :16, :16], 0.3) == -np.inf, "so few pixels are no sample"


def test_importing_it_loads_neither_scipy_nor_torch() -> None:
    code = "import sys, harness.metrics.pixel; print(sorted({'scipy', 'torch', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
