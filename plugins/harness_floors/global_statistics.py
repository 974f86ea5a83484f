"""How far the statistics of a whole image lie from those of training images: without places, without a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import Encoder, FloatArray, Images, Loss, Model, Run, Scores, TrainingError, image_statistics

_RIDGE = 1e-3
"""Added to each statistic's variance, as a share of it: means of three channels of a grey image are one number."""


@dataclass
class GlobalStatistics(Model):
    """Squared Mahalanobis distance of ten numbers of a whole image from those of the training images.

    The numbers are those of `harness.image_statistics`. A number that is the same in all training images counts in
    grey levels.
    """

    name = "global_statistics"
    licence = "MIT"
    source = "Mahalanobis, Proceedings of the National Institute of Sciences of India 2 (1936) 49"
    floor = True

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        self.learn(image_statistics(normal.pixels))

    def learn(self, statistics: FloatArray) -> None:
        """Be fitted to statistics (N, K) of normal images. Raises TrainingError where there are none."""
        if not len(statistics):
            raise TrainingError("no training images: expected at least one")
        variance = statistics.var(axis=0)
        self.centre = statistics.mean(axis=0)
        self.scale = np.sqrt(np.where(variance > 0, variance, 1.0))
        standard = (statistics - self.centre) / self.scale
        covariance = standard.T @ standard / max(len(standard) - 1, 1)
        covariance[np.diag_indices_from(covariance)] = np.maximum(np.diag(covariance), 1.0) + _RIDGE
        self.precision = np.linalg.inv(covariance)

    def score(self, images: Images) -> Scores:
        return Scores(images=self.distances(image_statistics(images.pixels)))

    def distances(self, statistics: FloatArray) -> FloatArray:
        """Squared distances (N,) of statistics (N, K) from the centre, each on its own; 0 is the centre."""
        standard = (statistics - self.centre) / self.scale
        return np.array([row @ self.precision @ row for row in standard])
