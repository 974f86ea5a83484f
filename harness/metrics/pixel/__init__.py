"""How well error maps find defective pixels, in one pass and bounded memory, and what is kept to say so later."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray
from harness.metrics.pixel.curves import MAX_FPR, BestF1, check_limit
from harness.metrics.pixel.evidence import PixelEvidence
from harness.metrics.pixel.keys import origin_of, start_of_cell
from harness.metrics.pixel.measuring import FINENESS, RANKS_ONLY, PixelMetrics, check_shapes
from harness.metrics.pixel.regions import Regions
from harness.metrics.pixel.tally import Fineness

__all__ = [
    "MAX_FPR",
    "BestF1",
    "PixelEvidence",
    "PixelMetrics",
    "Regions",
    "aupro",
    "pixel_auroc",
    "pixel_average_precision",
]

_GRID = 8  # so many rows and columns apart lie the pixels that tell which scores matter


def aupro(maps: FloatArray, masks: NDArray[Any], max_fpr: float = MAX_FPR) -> float | None:
    """`curves.aupro` of these maps and masks (N, H, W). Raises ValueError."""
    check_limit(max_fpr)
    check_shapes(maps, masks)
    metrics = _metrics(maps, masks, RANKS_ONLY, _reached_by(maps, masks, 1.05 * max_fpr))
    if metrics.rate_at_floor() < max_fpr:  # the sample misled
        metrics = _metrics(maps, masks, RANKS_ONLY)
    return metrics.aupro(max_fpr)


def pixel_auroc(maps: FloatArray, masks: NDArray[Any]) -> float | None:
    """`curves.auroc` of these maps and masks (N, H, W). Raises ValueError."""
    return _metrics(maps, masks, RANKS_ONLY).auroc()


def pixel_average_precision(maps: FloatArray, masks: NDArray[Any]) -> float | None:
    """`curves.average_precision` of these maps and masks (N, H, W). Raises ValueError."""
    return _metrics(maps, masks, FINENESS).average_precision()


def _metrics(maps: FloatArray, masks: NDArray[Any], fineness: Fineness, floor: float = -np.inf) -> PixelMetrics:
    metrics = PixelMetrics(floor, fineness)
    metrics.update(maps, masks)
    return metrics


def _reached_by(maps: FloatArray, masks: NDArray[Any], share: float) -> float:
    """A score that about this share of the normal pixels reach, by a sample; -inf where that says little."""
    if origin_of(maps[:1]):
        return -np.inf
    few = np.s_[:, _GRID // 2 :: _GRID, _GRID // 2 :: _GRID]
    normal = maps[few][np.asarray(masks[few]) == 0]
    rank = int(len(normal) * (1 - share) - 2 * len(normal) ** 0.5)  # 4 standard deviations to the safe side
    return start_of_cell(np.partition(normal, rank)[rank]) if rank > 0 else -np.inf
