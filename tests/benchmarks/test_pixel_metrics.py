from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from harness.metrics.pixel import PixelMetrics, aupro, pixel_auroc, pixel_average_precision

N = 117
"""Test images of MVTec AD's tile."""


@pytest.fixture(scope="module")
def large() -> tuple[np.ndarray, np.ndarray]:
    """Maps and masks of 512x512; 33 without a defect, the others with one to three discs that score higher."""
    rng = np.random.default_rng(0)
    masks = np.zeros((N, 512, 512), dtype=np.uint8)
    y, x = np.ogrid[:512, :512]
    for mask in masks[33:]:
        for _ in range(rng.integers(1, 4)):
            at = rng.integers(40, 472, 2)
            mask[(y - at[0]) ** 2 + (x - at[1]) ** 2 < rng.integers(10, 60) ** 2] = 1
    maps = rng.standard_gamma(2, masks.shape, dtype=np.float32)
    maps += masks * rng.standard_gamma(2, masks.shape, dtype=np.float32)
    return maps, masks


@pytest.fixture(scope="module")
def data(large: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    maps, masks = (np.ascontiguousarray(array[:, ::2, ::2]) for array in large)
    return maps, masks


def sorted_aupro(maps: np.ndarray, masks: np.ndarray, max_fpr: float = 0.3) -> float:
    """AUPRO by sorting all pixels, as it is usually done."""
    share = np.zeros(maps.shape)
    regions = 0
    for mask, shared in zip(masks, share, strict=True):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += count
        shared[labels > 0] = 1 / np.bincount(labels.ravel())[labels[labels > 0]]
    order = np.argsort(-maps.ravel())
    scores, normal = maps.ravel()[order], masks.ravel()[order] == 0
    last_of_ties = np.append(scores[1:] != scores[:-1], True)
    fpr = np.append(0, (np.cumsum(normal) / normal.sum())[last_of_ties])
    overlap = np.append(0, (np.cumsum(share.ravel()[order]) / regions)[last_of_ties])
    end = np.searchsorted(fpr, max_fpr)
    fpr, overlap = np.append(fpr[:end], max_fpr), np.append(overlap[:end], np.interp(max_fpr, fpr, overlap))
    return float(np.trapezoid(overlap, fpr) / max_fpr)


def test_aupro_against_a_sort(figures, data) -> None:
    what = f"AUPRO at FPR 0.3 of {N} maps of 256x256, against numpy's sort"
    ours, exact = figures.race(what, lambda: aupro(*data), lambda: sorted_aupro(*data))
    assert ours == pytest.approx(exact, abs=1e-4)


@pytest.mark.filterwarnings("ignore")  # theirs
def test_aupro_against_anomalib(figures, data) -> None:
    torch = pytest.importorskip("torch", reason="anomalib needs torch")
    try:
        from anomalib.metrics.aupro import _AUPRO
    except ImportError as error:
        pytest.skip(f"anomalib cannot be imported ({error}): pip install anomalib")
    maps, masks = torch.from_numpy(data[0]), torch.from_numpy(data[1]).int()

    def theirs() -> float:
        metric = _AUPRO(max_fpr=0.3)
        metric.update(maps, masks)
        return float(metric.compute())

    what = f"AUPRO at FPR 0.3 of {N} maps of 256x256, against anomalib's"
    ours, reference = figures.race(what, lambda: aupro(*data), theirs, at_least=30)
    assert ours == pytest.approx(reference, abs=1e-4)


def test_auroc_against_scikit_learn(figures, data) -> None:
    maps, masks = data
    what = f"pixel AUROC of {N} maps of 256x256, against scikit-learn's"
    ours, exact = figures.race(
        what, lambda: pixel_auroc(maps, masks), lambda: roc_auc_score(masks.ravel(), maps.ravel()), at_least=20
    )
    assert ours == pytest.approx(exact, abs=1e-4)


def test_average_precision_against_scikit_learn(figures, data) -> None:
    maps, masks = data
    what = f"pixel average precision of {N} maps of 256x256, against scikit-learn's"
    ours, exact = figures.race(
        what,
        lambda: pixel_average_precision(maps, masks),
        lambda: average_precision_score(masks.ravel(), maps.ravel()),
    )
    assert ours == pytest.approx(exact, abs=1e-4)


@pytest.mark.filterwarnings("ignore")  # theirs
def test_auroc_against_torchmetrics(figures, data) -> None:
    torch = pytest.importorskip("torch", reason="torchmetrics needs torch")
    classification = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is not installed: pip install torchmetrics"
    )
    scores, labels = (torch.from_numpy(array).flatten() for array in data)
    scores, labels = scores / scores.max(), labels.int()  # outside [0, 1] it would take a sigmoid first
    what = f"pixel AUROC of {N} maps of 256x256, against torchmetrics'"
    ours, exact = figures.race(
        what, lambda: pixel_auroc(*data), lambda: float(classification.binary_auroc(scores, labels))
    )
    assert ours == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("times", [1, 4, 16])
def test_time_grows_with_the_number_of_maps_and_memory_does_not(figures, data, times: int) -> None:
    maps, masks = data[0][:29], data[1][:29]
    masks[:] = data[1][60:89]

    def stream() -> float | None:
        metrics = PixelMetrics()
        for _ in range(times):
            metrics.update(maps, masks)
        return metrics.aupro()

    assert figures.time(f"AUPRO of {29 * times} maps of 256x256", stream, rounds=3) > 0
    tracemalloc.start()
    stream()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_time_grows_with_the_pixels_of_a_map(figures, large, size: int) -> None:
    maps, masks = (np.ascontiguousarray(array[:, :: 512 // size, :: 512 // size]) for array in large)
    assert figures.time(f"AUPRO of {N} maps of {size}x{size}", lambda: aupro(maps, masks), rounds=3) > 0
