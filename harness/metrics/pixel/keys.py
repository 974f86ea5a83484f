"""Scores as whole numbers in the same order: counting, cutting and comparing them is quick and exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray

CELL = 16
"""Counting starts with cells of 2 ** CELL keys."""
_NARROW = 64  # maps spread over less than this part of their size are told apart by the difference from one of them

Keys = NDArray[np.int32]


def keys_of(scores: NDArray[np.float32]) -> Keys:
    """Whole numbers in the order of the scores, equal where these are equal."""
    keys = (scores + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
    if keys.min(initial=0) < 0:
        keys ^= (keys >> 31) & 0x7FFFFFFF  # the bits of negative numbers run backwards
    return keys


def score_of(key: int) -> float:
    """The score that has this key."""
    bits = np.array([key], np.int64).astype(np.int32)
    return float((bits ^ (bits >> 31) & 0x7FFFFFFF).view(np.float32)[0])


def key_at_most(score: float) -> int:
    """The key of the largest float32 that is not above a score."""
    with np.errstate(over="ignore"):
        single = np.float32(score)
    if float(single) > score:
        single = np.nextafter(single, np.float32(-np.inf))
    return int(keys_of(np.array([single], np.float32))[0])


def start_of_cell(score: float) -> float:
    """The lowest score of the cell that a score lies in."""
    return score_of(int(keys_of(np.array([score], np.float32))[0]) >> CELL << CELL)


def origin_of(maps: FloatArray) -> float:
    """What to subtract from maps in float64 before they become float32, so that close scores stay different.

    The median where they are spread over a small part of their size, as 10,000 to 10,001; else 0, as for float32.
    """
    if maps.dtype.itemsize <= 4 or not maps.size:
        return 0.0
    least, most = float(maps.min()), float(maps.max())
    if not np.isfinite([least, most]).all() or (most - least) * _NARROW >= max(abs(least), abs(most)):
        return 0.0
    return float(np.median(maps))


def single(scores: NDArray[Any], origin: float) -> NDArray[np.float32]:
    """Scores as float32, as differences from the origin; what float32 cannot hold becomes infinite."""
    with np.errstate(over="ignore"):  # refused by the caller, with its place
        return np.asarray(scores - origin if origin else scores, dtype=np.float32)
