"""Whether a number of ours and a published one are equivalent: two one-sided tests against a stated margin.

Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from harness.api import Interval
from harness.published.printed import Printed
from harness.verdicts.rows import Stat

MARGIN = 0.10
"""Two numbers less far apart are taken for the same; one of .15 or more no longer tells methods apart."""
LEVEL = 0.95
"""The confidence of each one-sided test, so that both bounds together hold .90."""

Judgement = Literal["equivalent", "different", "inconclusive"]


@dataclass(frozen=True)
class Noise:
    """How far the number of a single run moves by its seed alone."""

    deviation: float
    freedom: int
    """Degrees of freedom of the deviation; 0 where it is not estimated, but taken from the size of the test set."""


def pooled(stats: Iterable[tuple[str, str, Stat]]) -> Mapping[tuple[str, str], Noise]:
    """The deviation over seeds of all methods together, by category and metric, and by metric alone (category "")."""
    squares: dict[tuple[str, str], float] = {}
    freedom: dict[tuple[str, str], int] = {}
    for category, metric, stat in stats:
        if stat.sd is not None:
            for key in ((category, metric), ("", metric)):
                squares[key] = squares.get(key, 0.0) + (stat.n - 1) * stat.sd**2
                freedom[key] = freedom.get(key, 0) + stat.n - 1
    return {key: Noise(math.sqrt(squares[key] / freedom[key]), freedom[key]) for key in squares}


def unseen(ours: float, published: Printed, images: int) -> Noise:
    """What stands in where no method has two seeds: a seed moves a number as another test set of that size would."""
    rate = min(max((ours + float(published.value)) / 2, 0.5 / images), 1 - 0.5 / images)
    return Noise(math.sqrt(rate * (1 - rate) / images), 0)


def bounds_of(ours: float, runs: int, published: Printed, images: int, noise: Noise) -> Interval:
    """Where ours minus theirs lies, at 90 %, for a mean of our runs and one run of theirs on the same images.

    The differences d that lie no further from what was seen than noise explains: that of the seeds of both, with a
    variance of deviation^2 (1 + 1/runs), and that of the images, on a share d of which at least the two decide
    differently: d (1 - d) / images. d is the true difference, as in Wilson's interval: that no image was decided
    differently is no proof that none would be. What prints as the published number counts as it.
    """
    least, _, most = _as_floats(published)
    by_seeds = (_quantile(noise.freedom) * noise.deviation) ** 2 * (1 + 1 / runs)
    by_images = _quantile(0) ** 2 / images  # nothing of this variance is estimated
    return -_highest(most - ours, by_seeds, by_images), _highest(ours - least, by_seeds, by_images)


def _highest(seen: float, by_seeds: float, by_images: float) -> float:
    """The highest d with (seen - d)^2 <= by_seeds + by_images |d| (1 - |d|)."""
    seen = min(max(seen, -1.0), 1.0)
    for sign in (1, -1):  # a d above 0, or else one below it
        half = sign * seen + by_images / 2
        root = half**2 - (1 + by_images) * (seen**2 - by_seeds)
        if root >= 0:
            found = (half + sign * math.sqrt(root)) / (1 + by_images)
            if sign < 0 or found >= 0:
                return sign * found
    return 0.0


def judgement(bounds: Interval, margin: float) -> Judgement:
    """Equivalent where both bounds are within the margin, different where both lie beyond it on one side."""
    low, high = bounds
    if -margin < low and high < margin:
        return "equivalent"
    return "different" if low > margin or high < -margin else "inconclusive"


@cache
def _as_floats(published: Printed) -> tuple[float, float, float]:
    """The least that prints so, the number itself, and the most: fractions take their time."""
    return float(published.low), float(published.value), float(published.high)


@cache
def _quantile(freedom: int) -> float:
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(freedom, LEVEL) if freedom else ndtri(LEVEL))
