"""A limit from the tail of the normal scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness import FloatArray, Threshold

FEW = 10
"""Excesses below which their mean alone is trusted, and not the shape of their distribution."""


@dataclass
class Tail(Threshold):
    """Peaks over threshold: the score that a share `risk` of normal images would exceed, even if none here does.

    The excesses over a high quantile follow a generalised Pareto distribution.
    """

    name = "tail"
    licence = "MIT"
    source = "Siffer et al. 2017, https://doi.org/10.1145/3097983.3098144; Pickands 1975"
    risk: float = 0.01
    """The false-alarm rate to aim at."""
    share: float = 0.2
    """Of the scores that are taken for the tail."""

    def __post_init__(self) -> None:
        if not 0 < self.risk < self.share < 1:
            raise ValueError(f"risk is {self.risk:g} and share {self.share:g}, expected 0 < risk < share < 1")

    def fit(self, normal: FloatArray) -> float:
        """The quantile 1 - share, and above it that of the tail."""
        start = float(np.quantile(normal, 1 - self.share))
        excesses = np.sort(normal[normal > start] - start)
        if not len(excesses):
            return start
        scale = float(excesses.mean())
        return start + scale * self._quantile(excesses / scale, self.risk * len(normal) / len(excesses))

    def _quantile(self, excesses: FloatArray, exceeded: float) -> float:
        """What a share `exceeded` of the excesses, of mean 1, exceeds."""
        from scipy.stats import genpareto

        if len(excesses) < FEW:
            return max(-math.log(exceeded), 0.0)  # of the exponential distribution, the one of shape 0
        shape, _, scale = genpareto.fit(excesses, floc=0)
        return float(genpareto.isf(min(exceeded, 1), shape, scale=scale))
