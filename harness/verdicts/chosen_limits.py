"""The limit of a detector that was chosen by the same good images on which the limit is set.

Of several detectors that are about as good the rule prefers the one whose good images happen to score low: its limit is
low, and finds more. So a limit that would keep a share of false alarms for one detector keeps it no more for the chosen
one. Here each good image is left out in turn: the others choose and set a limit, as conformal prediction would on one
image fewer, and the false alarms are counted. The limit rises until they are few enough, the new image counted in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from harness.api import FloatArray
from harness.metrics.guarantees import at_most, conformal_place


class Limited(NamedTuple):
    """Which of the ascending scores is the limit of whatever is chosen, and what it keeps."""

    place: int
    """Counted from 1."""
    share: float
    """Of new good images, so many are called anomalous on average, the choosing counted in."""
    enough: bool
    """Whether it keeps what was asked."""


def limited_by_choosing(
    good: Sequence[FloatArray],
    bad: Sequence[FloatArray],
    least: int,
    enough: Callable[[int], bool],
    best: Callable[[FloatArray], FloatArray],
) -> Limited:
    """From scores of K detectors, (N,) of good images and (M,) of bad ones each, the lowest place that is enough.

    `least` is the place that one detector alone would take; the highest score is the limit where none is enough.
    `enough` is told how many of N left-out images are called anomalous. `best` chooses, from worths (K, L), one of K
    for each of L.
    """
    n = len(good[0])
    if len(good) == 1 or not len(bad[0]) or n < 2:
        return Limited(least, (n + 1 - least) / (n + 1), True)
    found = _LeftOut(np.array(good), np.array(bad))
    for place in range(max(least, 2), n + 1):
        alarms = found.alarms(place, best)
        if enough(alarms):
            break
    return Limited(place, min(1.0, (1 + alarms) / (n + 1)), enough(alarms))


def keeps_on_average(share: float, n: int) -> Callable[[int], bool]:
    """Whether so many false alarms of n keep a share on average, the new image counted as one more."""
    return lambda alarms: 1 + alarms <= share * (n + 1) + 1e-9


def keeps_with_confidence(share: float, n: int) -> Callable[[int], bool]:
    """Whether so many false alarms of n keep a share with 95 % confidence."""
    return lambda alarms: at_most(alarms, n) <= share + 1e-9


def alpha_of(place: int, n: int) -> float:
    """The shortest alpha for which `conformal` takes this place of n scores."""
    least = (n + 1 - place) / (n + 1)
    digits: int = next(d for d in range(2, 17) if conformal_place(n, _up(least, d)) == place)
    return _up(least, digits)


def _up(value: float, digits: int) -> float:
    """Rounded up to so many digits behind the point."""
    scale = float(10**digits)
    return math.ceil(round(value * scale, 6)) / scale


class _LeftOut:
    """What K detectors are worth without each of N good images in turn; good is (K, N), bad (K, M)."""

    def __init__(self, good: FloatArray, bad: FloatArray) -> None:
        self.good, self.bad, self.ascending = good, bad, np.sort(good, axis=1)
        below = [_share_above(some, one) for some, one in zip(bad, good, strict=True)]
        above = np.array(below)  # (K, N), the share of bad images above each good one, equal ones half
        self.auroc = (above.sum(axis=1, keepdims=True) - above) / (good.shape[1] - 1)

    def alarms(self, place: int, best: Callable[[FloatArray], FloatArray]) -> int:
        """How many good images score above the limit that the others set, for the detector that they choose."""
        low, high = self.ascending[:, [place - 2]], self.ascending[:, [place - 1]]
        below = self.good <= low  # left out, such an image makes the next score the limit
        limit = np.where(below, high, low)
        found = np.where(below, *((self.bad > one).mean(axis=1, keepdims=True) for one in (high, low)))
        chosen = best((self.auroc + found) / 2)
        at = np.arange(self.good.shape[1])
        return int((self.good[chosen, at] > limit[chosen, at]).sum())


def _share_above(bad: FloatArray, good: FloatArray) -> FloatArray:
    ascending = np.sort(bad)
    below, up_to = (np.searchsorted(ascending, good, side=side) for side in ("left", "right"))
    return np.asarray(1 - (below + up_to) / (2 * len(bad)))
