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

    Two sources of noise: the seeds of both, with a variance of deviation^2 (1 + 1/runs); and the images, on a share of
    which, at least as large as the difference d, the two must decide differently: d (1 - d) / images. What prints as
    the published number counts as it.
    """
    least, value, most = _as_floats(published)
    apart = min(abs(ours - value), 1.0)
    variance = noise.deviation**2 * (1 + 1 / runs) + apart * (1 - apart) / images
    reach = _quantile(noise.freedom) * math.sqrt(variance)
    return ours - most - reach, ours - least + reach


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
