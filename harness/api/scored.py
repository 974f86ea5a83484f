"""What metrics of images are made from: scores sorted once for all limits, and counts at one. Anomalous is positive."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from harness.api.values import BoolArray, FloatArray

NAN = float("nan")

Interval = tuple[float, float]
"""Lower and upper bound, at 95 %."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many test images of each class are called rightly; rates are nan where their class is empty."""

    right_normal: int
    n_normal: int
    right_abnormal: int
    n_abnormal: int

    @property
    def normal_rate(self) -> float:
        """Share of normal images called normal, in [0, 1]; higher is better."""
        return self.right_normal / self.n_normal if self.n_normal else NAN

    @property
    def abnormal_rate(self) -> float:
        """Share of anomalous images called anomalous, in [0, 1]; higher is better."""
        return self.right_abnormal / self.n_abnormal if self.n_abnormal else NAN

    @property
    def accuracy(self) -> float:
        """Share of all images called rightly, in [0, 1]; higher is better."""
        n = self.n_normal + self.n_abnormal
        return (self.right_normal + self.right_abnormal) / n if n else NAN

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the two rates, in [0, 1]; one half is what a constant answer scores."""
        return (self.normal_rate + self.abnormal_rate) / 2

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]; 0 where no anomaly is found, nan where there is none."""
        if not self.n_abnormal:
            return NAN
        false_alarms, missed = self.n_normal - self.right_normal, self.n_abnormal - self.right_abnormal
        return 2 * self.right_abnormal / (2 * self.right_abnormal + false_alarms + missed)


class Ranking:
    """Scores (N,) and labels (N,), True for anomalous, sorted once.

    Raises ValueError where shapes differ or a score is not finite.
    """

    def __init__(self, scores: FloatArray, labels: BoolArray) -> None:
        self.scores, self.labels = scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
        if scores.ndim != 1 or scores.shape != labels.shape:
            raise ValueError(f"scores are {scores.shape} and labels {labels.shape}: expected (N,) of both")
        if not np.isfinite(scores).all():
            raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} scores are not finite")
        self._normal = np.sort(scores[~labels])
        self._abnormal = np.sort(scores[labels])
        self._lists: tuple[list[float], list[float]] = self._normal.tolist(), self._abnormal.tolist()

    def counts(self, limit: float) -> Counts:
        """What is right when a score above the limit is called anomalous. Raises ValueError for nan."""
        if limit != limit:
            raise ValueError("the limit is nan: expected a number")
        normal, abnormal = self._lists  # in which bisect finds one limit far sooner than numpy does in its arrays
        missed = bisect_right(abnormal, limit)
        return Counts(bisect_right(normal, limit), len(normal), len(abnormal) - missed, len(abnormal))

    def auroc(self) -> float:
        """Chance that an anomalous image scores above a normal one, ties counting half; nan where a class is empty."""
        if not len(self._normal) or not len(self._abnormal):
            return NAN
        below = self._normal.searchsorted(self._abnormal, side="left")
        not_above = self._normal.searchsorted(self._abnormal, side="right")
        return float((below.sum() + not_above.sum()) / (2 * len(self._normal) * len(self._abnormal)))

    def average_precision(self) -> float:
        """Precision averaged over the anomalous images as the limit falls, ties together; nan where there are none."""
        if not len(self._abnormal):
            return NAN
        found = len(self._abnormal) - self._abnormal.searchsorted(self._abnormal, side="left")
        alarms = len(self._normal) - self._normal.searchsorted(self._abnormal, side="left")
        return float((found / (found + alarms)).mean())
