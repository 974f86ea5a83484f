"""Limits that follow from normal scores alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import FloatArray, Threshold


class Mean(Threshold):
    """The mean normal score, the paper's; about half of all normal images score above it."""

    name = "mean"
    licence = "MIT"
    source = "Kumar, Malik and Puglisi, Unsupervised Anomaly Detection in Industrial Image Data, section 3.3.3"

    def fit(self, normal: FloatArray) -> float:
        """The mean."""
        return float(np.mean(normal))


@dataclass
class MeanStd(Threshold):
    """The mean normal score and `k` standard deviations."""

    name = "mean_std"
    licence = "MIT"
    source = "Shewhart, Economic Control of Quality of Manufactured Product, 1931"
    k: float = 3.0

    def fit(self, normal: FloatArray) -> float:
        """Mean plus k population standard deviations."""
        return float(np.mean(normal) + self.k * np.std(normal))


@dataclass
class MedianMad(Threshold):
    """The median normal score and `k` scaled median absolute deviations: mean_std that outliers do not move."""

    name = "median_mad"
    licence = "MIT"
    source = "https://doi.org/10.1016/j.jesp.2013.03.013"
    k: float = 3.0

    def fit(self, normal: FloatArray) -> float:
        """Median plus k times 1.4826 MAD, the standard deviation of a normal distribution of that MAD."""
        centre = np.median(normal)
        return float(centre + self.k * 1.4826 * np.median(np.abs(normal - centre)))


@dataclass
class Quantile(Threshold):
    """The score below which a share `q` of the normal images lies: 1 - q of them would be false alarms."""

    name = "quantile"
    licence = "MIT"
    source = "Hyndman and Fan 1996, https://doi.org/10.2307/2684934, definition 7"
    q: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise ValueError(f"q is {self.q:g}, expected a number from 0 to 1")

    def fit(self, normal: FloatArray) -> float:
        """The quantile, between two scores by interpolation."""
        return float(np.quantile(normal, self.q))
