"""Whether values of a stream still come from where the first ones came from, at a rate of false alarms that holds.

Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2nd ed., 2022, chapter 8. Each new value gets its
rank among all values before it. While nothing has changed, ranks are independent and uniform, whatever the values are.
Bets against that gain money only where something has changed; Shiryaev and Roberts' sum of bets begun at every moment
gives the alarm: it comes no more often than once in so many values on average.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from harness.api import BoolArray, FloatArray

MOST_KEPT = 20_000
"""Values that new ones are ranked among; later ones are ranked and not kept."""
_NARROWEST = 1e-12
_N_BETS = 8


def bets(p: float) -> FloatArray:
    """(8,), what each bet makes of one unit where a p in [0, 1] comes; the mean over a uniform p is 1.

    Three bet on small p (values that rise), three on large p (values that fall), one on both ends, one on the middle.
    """
    p = min(max(p, _NARROWEST), 1 - _NARROWEST)
    ends = [power * one ** (power - 1) for one in (p, 1 - p) for power in (0.25, 0.5, 0.75)]
    return np.array([*ends, 1 / (math.pi * math.sqrt(p * (1 - p))), 6 * p * (1 - p)])


@dataclass
class Ranks:
    """Values so far, in ascending order, among which new ones are ranked."""

    values: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, values: Iterable[float]) -> Ranks:
        """From values that stand for no change; of too many, each so-manieth is taken."""
        ascending = sorted(values)
        return cls(ascending[:: 1 + (len(ascending) - 1) // MOST_KEPT] if ascending else [])

    def p_of(self, value: float, tie: float) -> float:
        """The share of values, this one counted, that are higher, equal ones counted by a `tie` drawn from [0, 1).

        The value is kept. Uniform, and independent of all p before it, where the values are exchangeable.
        """
        above = len(self.values) - bisect_right(self.values, value)
        equal = bisect_right(self.values, value) - bisect_left(self.values, value) + 1
        p = (above + tie * equal) / (len(self.values) + 1)
        if len(self.values) < MOST_KEPT:
            insort(self.values, value)
        return p


@dataclass
class Evidence:
    """What the bets on a stream of p-values have come to."""

    sums: FloatArray = field(default_factory=lambda: np.zeros(_N_BETS))
    """(8,), Shiryaev and Roberts' statistic of each bet."""
    gains: FloatArray = field(default_factory=lambda: np.zeros(_N_BETS))
    """(8,), the logarithm of what each bet has gained since it was poorest, which is when a change came, if any did."""

    def take(self, p: float) -> BoolArray:
        """Count one more p in [0, 1]; (8,), for which bets a change can have come only after it."""
        won = bets(p)
        self.sums = (1 + self.sums) * won
        gains = self.gains + np.log(won)
        anew = gains <= 0
        self.gains = np.where(anew, 0.0, gains)
        return np.asarray(anew)

    def alarms(self, images: float) -> bool:
        """Whether there is enough for an alarm of which a false one comes at most once in so many p on average."""
        return float(self.sums.mean()) >= images

    @property
    def loudest(self) -> int:
        """The bet that has the most evidence."""
        return int(self.sums.argmax())
