"""Limits that follow from normal scores alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import FloatArray, Threshold


class Mean(Threshold):
    """The mean normal score, the paper's; about half of all normal images score above it."""

    name = "mean"
    licence = "MIT"
    source = "Kumar, Malik and Puglisi, Unsupervised Anomaly Detection in Industrial Image Data, section 3.3.3"

    def fit(self, normal: FloatArray) -> float:
        """The mean."""
        return float(ascending(normal).mean())

    def fit_many(self, normal: FloatArray) -> FloatArray:
        """The means of the rows."""
        return np.asarray(ascending_rows(normal).mean(axis=1))


@dataclass
class MeanStd(Threshold):
    """The mean normal score and `k` standard deviations."""

    name = "mean_std"
    licence = "MIT"
    source = "Shewhart, Economic Control of Quality of Manufactured Product, 1931"
    k: float = 3.0

    def __post_init__(self) -> None:
        expect(self.k >= 0, f"k is {self.k:g}, expected a number from 0")

    def fit(self, normal: FloatArray) -> float:
        """Mean plus k population standard deviations."""
        scores = ascending(normal)
        mean = scores.mean()
        return float(mean + self.k * math.sqrt(np.square(scores - mean).mean()))  # the same as scores.std(), but faster

    def fit_many(self, normal: FloatArray) -> FloatArray:
        """The same of each row."""
        scores = ascending_rows(normal)
        mean = scores.mean(axis=1)
        return np.asarray(mean + self.k * np.sqrt(np.square(scores - mean[:, None]).mean(axis=1)))


@dataclass
class MedianMad(Threshold):
    """The median normal score and `k` scaled median absolute deviations: mean_std that outliers do not move."""

    name = "median_mad"
    licence = "MIT"
    source = "https://doi.org/10.1016/j.jesp.2013.03.013"
    k: float = 3.0

    def __post_init__(self) -> None:
        expect(self.k >= 0, f"k is {self.k:g}, expected a number from 0")

    def fit(self, normal: FloatArray) -> float:
        """Median plus k times 1.4826 MAD, the standard deviation of a normal distribution of that MAD."""
        scores = ascending(normal)
        centre = quantile(scores, 0.5)
        return centre + self.k * 1.4826 * quantile(np.sort(np.abs(scores - centre)), 0.5)

    def fit_many(self, normal: FloatArray) -> FloatArray:
        """The same of each row."""
        scores = ascending_rows(normal)
        centre = quantile_of_rows(scores, 0.5)
        apart = np.sort(np.abs(scores - centre[:, None]), axis=1)
        return centre + self.k * 1.4826 * quantile_of_rows(apart, 0.5)


@dataclass
class Quantile(Threshold):
    """The score below which a share `q` of the normal images lies: 1 - q of them would be false alarms."""

    name = "quantile"
    licence = "MIT"
    source = "Hyndman and Fan 1996, https://doi.org/10.2307/2684934, definition 7"
    q: float = 0.95

    def __post_init__(self) -> None:
        expect(0 <= self.q <= 1, f"q is {self.q:g}, expected a number from 0 to 1")

    def fit(self, normal: FloatArray) -> float:
        """The quantile, between two scores by interpolation."""
        return quantile(ascending(normal), self.q)

    def fit_many(self, normal: FloatArray) -> FloatArray:
        """The same of each row."""
        return quantile_of_rows(ascending_rows(normal), self.q)


def quantile(ascending: NDArray[np.float64], q: float) -> float:
    """The result of np.quantile for sorted scores (N,), ten times as fast; np.quantile would take most of the time."""
    place = q * (len(ascending) - 1)
    below = int(place)
    low, high = float(ascending[below]), float(ascending[min(below + 1, len(ascending) - 1)])
    return low + (place - below) * (high - low)


def ascending(normal: FloatArray) -> NDArray[np.float64]:
    """Scores (N,) in ascending order, so that sums are always the same. Raises ValueError if empty or not finite."""
    scores = np.sort(np.asarray(normal, dtype=np.float64))
    if not scores.size or not math.isfinite(scores[0]) or not math.isfinite(scores[-1]):  # sorting puts nan last
        finite = np.count_nonzero(np.isfinite(scores))
        raise ValueError(f"{finite} of {scores.size} normal scores are finite: expected all of at least one")
    return scores


def quantile_of_rows(ascending: NDArray[np.float64], q: float) -> NDArray[np.float64]:
    """`quantile` of each row (T, N): (T,)."""
    last = ascending.shape[1] - 1
    place = q * last
    below = int(place)
    low, high = ascending[:, below], ascending[:, min(below + 1, last)]
    return np.asarray(low + (place - below) * (high - low))


def ascending_rows(normal: FloatArray) -> NDArray[np.float64]:
    """Scores (T, N), each row in ascending order. Raises ValueError as `ascending` does."""
    # A row that does not lie in one piece would be added in another order than scores (N,) are.
    scores = np.sort(np.ascontiguousarray(normal, dtype=np.float64), axis=1)
    if not scores.size or not np.isfinite(scores[:, [0, -1]]).all():
        raise ValueError("some normal scores are not finite: expected all of at least one")
    return scores


def expect(true: bool, otherwise: str) -> None:
    """Refuse an option's value. Raises ValueError."""
    if not true:
        raise ValueError(otherwise)
