"""What image metrics are computed from: sorted scores, and counts at one limit. Anomalous is the positive class."""

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
    """How many test images of each class are judged rightly. The rate of an empty class is nan."""

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
        """Harmonic mean of precision and recall, in [0, 1]: 0 if no anomaly is found, nan if there is none."""
        if not self.n_abnormal:
            return NAN
        false_alarms, missed = self.n_normal - self.right_normal, self.n_abnormal - self.right_abnormal
        return 2 * self.right_abnormal / (2 * self.right_abnormal + false_alarms + missed)


class Ranking:
    """Scores (N,) with labels (N,), True for anomalous; they are sorted once.

    Raises ValueError if the shapes differ or a score is not finite.
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
        """The counts if every score above the limit is called anomalous. Raises ValueError if the limit is nan."""
        if limit != limit:
            raise ValueError("the limit is nan: expected a number")
        normal, abnormal = self._lists  # in which bisect finds one limit far sooner than numpy does in its arrays
        missed = bisect_right(abnormal, limit)
        return Counts(bisect_right(normal, limit), len(normal), len(abnormal) - missed, len(abnormal))

    def auroc(self) -> float:
        """How likely an anomalous image scores above a normal one; ties count half. nan if a class is empty."""
        if not len(self._normal) or not len(self._abnormal):
            return NAN
        below = self._normal.searchsorted(self._abnormal, side="left")
        not_above = self._normal.searchsorted(self._abnormal, side="right")
        return float((below.sum() + not_above.sum()) / (2 * len(self._normal) * len(self._abnormal)))

    def average_precision(self) -> float:
        """The mean precision over the anomalous images as the limit falls, ties together; nan if there are none."""
        if not len(self._abnormal):
            return NAN
        found = len(self._abnormal) - self._abnormal.searchsorted(self._abnormal, side="left")
        alarms = len(self._normal) - self._normal.searchsorted(self._abnormal, side="left")
        return float((found / (found + alarms)).mean())
