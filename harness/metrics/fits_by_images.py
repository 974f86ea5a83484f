"""Tests of two methods that were each fitted several times and tried on the same images: fits are drawn, and images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.api import FloatArray


class Spread(NamedTuple):
    """A part of the variance of an estimate."""

    variance: float
    freedom: float
    """Its degrees of freedom; inf where it is taken to be known."""


def two_sided(difference: float, spreads: Sequence[Spread], smallest: float) -> float:
    """The p that a difference is 0, by Welch and Satterthwaite over the parts of its variance, and at least `smallest`.

    Without any variance nothing is known of chance, and p is `smallest`; it is 1 where the difference is 0.
    """
    if not difference:
        return 1.0
    variance = sum(spread.variance for spread in spreads)
    if variance <= 0:
        return smallest
    from scipy.special import ndtr, stdtr

    doubt = sum(spread.variance**2 / spread.freedom for spread in spreads)
    away = -abs(difference) / math.sqrt(variance)
    tail = float(stdtr(variance**2 / doubt, away)) if doubt else float(ndtr(away))
    return max(smallest, 2 * tail)


def between_fits(figures: FloatArray) -> Spread:
    """What a mean over fits (S,) owes to the fits: nothing is known of it, and nothing is added, where S is 1."""
    fits = len(figures)
    return Spread(float(np.var(figures, ddof=1)) / fits, fits - 1) if fits > 1 else Spread(0.0, math.inf)


def smallest_p(images: int) -> float:
    """The p of all images speaking for one method: no test of so many images should claim more."""
    return float(2.0 ** (1 - images))
