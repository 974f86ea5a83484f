"""What pixel metrics are, worked out from counts by score: AUPRO, AUROC, average precision, F1 and IoU."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from harness.api import PixelCounts
from harness.metrics.pixel.keys import key_at_most, score_of
from harness.metrics.pixel.tally import Floats

MAX_FPR = 0.3
"""The false positive rate up to which AUPRO is usually given."""
VERSIONS = {"aupro_0.30": 1, "pixel_auroc": 1, "pixel_average_precision": 2}
"""What every trial remembers, and by which definition. Average precision had another until defective pixels were told
apart between normal ones; a number that says no version has 1."""


class BestF1(NamedTuple):
    """Where F1 of pixels is largest: chosen with the masks in hand, so no production line could have it."""

    f1: float
    iou: float
    """At the same limit, where it is largest too."""
    limit: float
    """A pixel that scores above it is called defective."""


def check_limit(max_fpr: float) -> None:
    """Raises ValueError for what is no false positive rate above 0."""
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr is {max_fpr!r}: expected a number above 0 and at most 1")


def aupro(counts: PixelCounts, max_fpr: float = MAX_FPR) -> float | None:
    """Mean share found of each 8-connected defective region, over false positive rates from 0 to the limit.

    In [0, 1]; None without a defective or a normal pixel. Bergmann et al., IJCV 2021. Raises ValueError.
    """
    check_limit(max_fpr)
    return _mean_found(counts.overlap, counts.normal, max_fpr)


def auroc(counts: PixelCounts) -> float | None:
    """Chance that a defective pixel scores above a normal one, ties counting half; None without one of each."""
    return _mean_found(counts.defective, counts.normal, 1.0)


def average_precision(counts: PixelCounts) -> float | None:
    """Precision at the score of a defective pixel, on average over them, in [0, 1]; None without one.

    Within an interval pixels of both kinds are taken to be mixed, but for those of one score, which are tied.
    """
    defective, normal = counts.defective[::-1], counts.normal[::-1]
    found, alarms = np.cumsum(defective), np.cumsum(normal)
    if not found.size or not found[-1]:
        return None
    mixed = counts.spread[::-1] > 0
    true = np.where(mixed, found - np.maximum(defective - 1, 0) / 2, found)
    false = np.where(mixed, alarms - normal / 2, alarms)
    return min(float(defective @ (true / np.maximum(true + false, 1)) / found[-1]), 1.0)


def best_f1(counts: PixelCounts) -> BestF1 | None:
    """The largest F1 of pixels over all limits; None without a defective pixel."""
    found, alarms = np.cumsum(counts.defective[::-1]), np.cumsum(counts.normal[::-1])
    if not found.size or not found[-1]:
        return None
    f1 = 2 * found / (found[-1] + found + alarms)
    best = int(np.argmax(f1))
    start = int(counts.starts[len(f1) - 1 - best])
    lowest = score_of(start) + counts.origin
    # Far from 0 the score before it may be rounded to the same number, which nothing would score above.
    limit = min(score_of(start - 1) + counts.origin, math.nextafter(lowest, -math.inf))
    return BestF1(float(f1[best]), float(f1[best] / (2 - f1[best])), limit)


def iou(counts: PixelCounts, limit: float) -> float | None:
    """Intersection over union of the defective pixels and those that score above a limit; None without any of both."""
    found, alarms = (float(above) for above in _above(counts, limit))
    union = float(counts.defective.sum()) + alarms
    return found / union if union else None


def summary(counts: PixelCounts, max_fpr: float = MAX_FPR) -> dict[str, float | None]:
    """What every trial remembers: `aupro_0.30`, `pixel_auroc` and `pixel_average_precision`."""
    return {
        f"aupro_{max_fpr:.2f}": aupro(counts, max_fpr),
        "pixel_auroc": auroc(counts),
        "pixel_average_precision": average_precision(counts),
    }


def _above(counts: PixelCounts, limit: float) -> Floats:
    """(2,), how many normal and defective pixels score above a limit, defective ones first.

    Of the interval that the limit lies in, the part above is taken, as if its scores were spread evenly.
    """
    starts, rows = counts.starts, np.array([counts.defective, counts.normal])
    least = key_at_most(limit - counts.origin) + 1
    at = int(np.searchsorted(starts, least))
    above = rows[:, at:].sum(axis=1)
    if at:
        start, width = int(starts[at - 1]), 1 << int(counts.spread[at - 1])
        part = max(0.0, 1 - (least - start) / width)
        above = above + part * rows[:, at - 1]
    return np.asarray(above)


def _mean_found(found: Floats, normal: Floats, max_fpr: float) -> float | None:
    """Mean share found over false positive rates from 0 to the limit, from counts by ascending score.

    What is found while the rate rises from a to b is, on average over these rates, half found.
    """
    all_found, all_normal = found.sum(), normal.sum()
    if not all_found or not all_normal:
        return None
    rate = np.concatenate([[0.0], np.cumsum(normal[::-1])]) / all_normal
    within = np.minimum(rate, max_fpr)
    rise, rise_within = np.diff(rate), np.diff(within)
    while_rising = np.divide(rise_within**2, 2 * rise, out=np.zeros_like(rise), where=rise > 0)
    mean = found[::-1] @ (max_fpr - within[1:] + while_rising) / (max_fpr * all_found)
    return min(float(mean), 1.0)  # which rounding may exceed
