"""How alike two orders of the same things are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.api import FloatArray

_EQUAL = 12
"""Decimals to which values are taken for equal, so that rounding makes no order."""


def ranks(values: FloatArray) -> FloatArray:
    """From 1, equal values sharing their mean rank; scipy.stats, which has it too, takes a second to import."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(times) - (times - 1) / 2)[place])


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's, in [-1, 1]; None for fewer than three values, or where all of one side are equal."""
    if len(first) < 3:
        return None
    one, other = (ranks(np.round(values, _EQUAL)) for values in (first, second))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def swapped_pairs(first: Sequence[float], second: Sequence[float]) -> int:
    """How many pairs stand in opposite orders; pairs that are equal on either side do not count."""
    one, other = np.round(first, _EQUAL), np.round(second, _EQUAL)
    opposite = np.sign(one[:, None] - one) * np.sign(other[:, None] - other) < 0
    return int(opposite.sum()) // 2
