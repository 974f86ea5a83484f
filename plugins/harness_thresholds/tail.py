"""A limit from how the highest normal scores tail off."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import FloatArray, Threshold
from harness_thresholds.limits import ascending, expect, quantile

_FEW = 10  # with fewer excesses than these, a shape cannot be estimated


@dataclass
class Pot(Threshold):
    """Peaks over threshold: the score that a share `risk` of normal images would exceed, by a generalised Pareto tail.

    The tail begins at the quantile `level`; where it holds less than `risk`, as with equal scores, that is the limit.
    """

    name = "pot"
    licence = "MIT"
    source = "Siffer et al., KDD 2017, https://doi.org/10.1145/3097983.3098144"
    risk: float = 0.001
    level: float = 0.9

    def __post_init__(self) -> None:
        expect(0 < self.level < 1, f"level is {self.level:g}, expected a number between 0 and 1")
        most = 1 - self.level
        expect(0 < self.risk < most, f"risk is {self.risk:g}, expected a number between 0 and {most:g}, 1 - level")

    def fit(self, normal: FloatArray) -> float:
        """The limit."""
        scores = ascending(normal)
        start = quantile(scores, self.level)
        excesses = scores[scores.searchsorted(start, side="right") :] - start
        rarer = len(excesses) / (self.risk * len(scores))
        if rarer <= 1:
            return start
        shape, scale = fit_pareto(excesses)
        return start + scale * (math.expm1(shape * math.log(rarer)) / shape if shape else math.log(rarer))


def fit_pareto(excesses: NDArray[np.float64]) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto distribution of positive, ascending excesses (N,).

    Zhang and Stephens, Technometrics 2009, https://doi.org/10.1198/tech.2009.08017. Below ten excesses the shape is
    0, an exponential tail; above 1, where a tail has no mean, it is 1.
    """
    n, highest = len(excesses), float(excesses[-1])
    if n < _FEW:
        return 0.0, float(excesses.mean())
    share = excesses / highest
    candidates = 20 + int(math.sqrt(n))
    spread = 1 - np.sqrt(candidates / (np.arange(candidates) + 0.5))
    quartile = max(float(share[int(n / 4 + 0.5) - 1]), 1e-9)
    rates = 1 + spread / (
        3 * quartile
    )  # minus shape over scale; all are below 1, at which the tail would end at the highest excess
    rates[np.abs(rates) < 1e-9] = 1e-9
    shapes = np.log1p(-rates[:, None] * share).mean(axis=1)
    likelihood = -n * (np.log(-shapes / rates) + shapes)  # the logarithm, up to a constant
    weights = np.exp(likelihood - likelihood.max())
    rate = float(rates @ weights / weights.sum())
    rate = rate if abs(rate) > 1e-9 else 1e-9
    shape = float(np.log1p(-rate * share).mean())
    return min(shape, 1.0), -shape / rate * highest
