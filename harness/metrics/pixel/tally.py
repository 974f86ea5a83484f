"""How many pixels score how high: intervals of scores, finer where they crowd and towards the top."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import PixelCounts
from harness.metrics.pixel.keys import Keys

Floats = NDArray[np.float64]

ROWS = 3
"""What is counted of each group of maps: normal pixels, defective ones, and regions shared out among their pixels."""


class Tally(NamedTuple):
    """What lies in each of B intervals of keys, in ascending order, of G groups of maps."""

    starts: Keys
    """(B,), the lowest key of each."""
    spread: NDArray[np.int8]
    """(B,): what lies in an interval has keys from its start to less than 2 ** spread above it. 0: all are equal."""
    counts: Floats
    """(3 G, B): normal pixels, defective pixels and regions of the first group, then of the next."""

    @classmethod
    def empty(cls, groups: int = 0) -> Tally:
        """Of so many groups without a pixel."""
        return cls(np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros((ROWS * groups, 0)))

    @property
    def groups(self) -> Floats:
        """(G, 3, B), the counts of each group."""
        return self.counts.reshape(len(self.counts) // ROWS, ROWS, len(self.starts))

    def of_groups(self, groups: int) -> Tally:
        """With groups that have no pixels yet, up to so many."""
        missing = ROWS * groups - len(self.counts)
        return self._replace(counts=np.pad(self.counts, ((0, missing), (0, 0)))) if missing else self

    def of_one_group(self, origin: float = 0.0) -> PixelCounts:
        """What metrics are made from, where there is only one group."""
        normal, defective, overlap = self.counts
        return PixelCounts(self.starts, self.spread, normal, defective, overlap, origin)

    def above(self, below: Floats) -> Tally:
        """With one more interval, in front, for what lies below, (3,), of the only group: all tied."""
        if not below.any():
            return self
        starts = np.append(np.int32(np.iinfo(np.int32).min), self.starts)
        return Tally(starts, np.append(np.int8(0), self.spread), np.column_stack([below, self.counts]))


class Fineness(NamedTuple):
    """How finely scores are told apart: an interval holds one pixel, or this part of those that score above it."""

    normal: int
    """Of the normal pixels of all groups."""
    defective: int | None = None
    """Of the defective pixels of each group; None where only the ranks of normal pixels matter, as for AUPRO."""

    def parted(self, counts: Floats) -> Floats:
        """(F, B): each kind of pixel that an interval may only hold a part of."""
        normal = counts[0::ROWS].sum(axis=0, keepdims=True)
        return normal if self.defective is None else np.concatenate([normal, counts[1::ROWS]])

    def room(self, counts: Floats) -> Floats:
        """(F, B): how many pixels of each kind an interval of this place may hold."""
        parted = self.parted(counts)
        above = parted.sum(axis=1, keepdims=True) - np.cumsum(parted, axis=1)
        parts = np.array([self.normal] + [self.defective or 1] * (len(parted) - 1))
        return np.asarray(np.maximum(above / parts[:, None], 1))
