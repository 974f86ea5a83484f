"""Makes a tally small enough to be kept: neighbouring intervals become one where no metric would notice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.pixel.tally import ROWS, Floats, Tally

_RANKS = 2.8e-4
"""Keeps AUPRO and AUROC within 1e-4 of the truth, in whatever order the pixels of an interval are. Where the false
positive rate is r, an interval with the share n of the normal pixels and o of the regions may have n o up to the square
of this times r: the error at the limit L is at most the sum of n o / 2 L, which that keeps below this number / 2.8."""
_PRECISION = 2e-4
"""Keeps average precision within 1e-4. The mean precision of an interval's defective pixels, a share d of all, is
uncertain by p (1 - p) / 2 times the parts that it adds to the pixels above it; d times twice that may be the square of
this, and the sum over intervals is then at most half of this."""
_PLACE = 1e-3
"""Of all pixels that count for F1 at its limit, an interval holds at most this part: limits may lie anywhere."""
_PARTS = 2.0
"""How many times as much may be uncertain of one defect kind as of all: it has fewer pixels."""
_PASSES = 60


def condensed(tally: Tally, sets: NDArray[np.bool_]) -> Tally:
    """The tally with fewer intervals, for metrics of sets (S, G) of its groups, of which the last has all."""
    sums = np.tensordot(sets.astype(np.float64), tally.groups, 1)  # (S, 3, B)
    first, spread = np.arange(len(tally.starts)), tally.spread.astype(np.int64)
    ends = tally.starts.astype(np.int64) + (np.int64(1) << spread)
    total = sums.sum(axis=2, keepdims=True)
    above = total - np.cumsum(sums, axis=2)  # beyond each interval
    idle = 0
    for number in range(_PASSES):
        pairs = np.arange(number % 2, len(first) - 1, 2)
        together = sums[:, :, pairs] + sums[:, :, pairs + 1]
        joined = pairs[_unnoticed(together, above[:, :, pairs + 1], total)]
        idle = 0 if len(joined) > len(first) // 200 else idle + 1
        if len(joined):
            sums[:, :, joined] += sums[:, :, joined + 1]
            above[:, :, joined] = above[:, :, joined + 1]
            ends[joined] = ends[joined + 1]
            keep = np.ones(len(first), bool)
            keep[joined + 1] = False
            first, ends, sums, above = first[keep], ends[keep], sums[:, :, keep], above[:, :, keep]
        if idle == 2:
            break
    if not len(first):
        return tally
    starts = tally.starts[first]
    width = np.ceil(np.log2(ends - starts)).astype(np.int8)
    return Tally(starts, width, np.add.reduceat(tally.counts, first, axis=1))


def _unnoticed(inside: Floats, above: Floats, total: Floats) -> NDArray[np.bool_]:
    """(B,), whether what each interval (S, 3, B) holds may lie in any order, by what scores above it and in all."""
    normal, defective, regions = (inside[:, row] for row in range(ROWS))
    alarms, found = above[:, 0] + normal, above[:, 1] + defective
    all_found = np.maximum(total[:, 1], 1)
    share = np.maximum(defective / all_found, regions / np.maximum(total[:, 2], 1))
    loose = np.append(np.full(len(inside) - 1, _PARTS), 1.0)[:, None]
    ranks = normal * share <= (loose * _RANKS) ** 2 * alarms
    every = np.maximum(alarms + found, 1)
    uncertain = found * alarms / every**2 * (defective / np.maximum(found, 1) + normal / np.maximum(alarms, 1))
    precision = defective / all_found * uncertain <= (loose * _PRECISION) ** 2
    place = normal + defective <= loose * _PLACE * (every + total[:, 1])
    return np.asarray((ranks & precision & place).all(axis=0))
