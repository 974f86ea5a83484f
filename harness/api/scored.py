"""What image metrics are computed from: sorted scores, and counts at one limit. Anomalous is the positive class."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

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


class Rankings:
    """The scores (T, N) of T trials on the same test images, with their labels (N,): a `Ranking` of each row at once.

    Each figure is that of `Ranking` to the last bit. Raises ValueError if the shapes differ or a score is not finite.
    """

    def __init__(self, scores: FloatArray, labels: BoolArray) -> None:
        scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
        if scores.ndim != 2 or scores.shape[1:] != labels.shape:
            raise ValueError(f"scores are {scores.shape} and labels {labels.shape}: expected (T, N) and (N,)")
        if not np.isfinite(scores).all():
            raise ValueError("some scores are not finite")
        self.normal = np.sort(scores[:, ~labels], axis=1)
        """(T, n), in ascending order."""
        self.abnormal = np.sort(scores[:, labels], axis=1)
        """(T, m), in ascending order."""
        self.normal.flags.writeable = self.abnormal.flags.writeable = False

    @cached_property
    def below(self) -> NDArray[np.int64]:
        """(T, m), how many normal images score below each anomalous one."""
        return _places(self.abnormal, self.normal, first=True)

    @cached_property
    def not_above(self) -> NDArray[np.int64]:
        """(T, m), how many normal images do not score above each anomalous one."""
        return _places(self.normal, self.abnormal, first=False)

    @cached_property
    def found(self) -> NDArray[np.int64]:
        """(T, m), how many anomalous images score at least as high as each of them."""
        m = self.abnormal.shape[1]
        first = np.zeros(self.abnormal.shape, dtype=np.int64)
        first[:, 1:] = np.where(self.abnormal[:, 1:] > self.abnormal[:, :-1], np.arange(1, m), 0)
        return np.asarray(m - np.maximum.accumulate(first, axis=1))

    @property
    def alarms(self) -> NDArray[np.int64]:
        """(T, m), how many normal images score at least as high as each anomalous one."""
        return np.asarray(self.normal.shape[1] - self.below)

    def auroc(self) -> FloatArray:
        """(T,); nan if a class is empty."""
        n, m = self.normal.shape[1], self.abnormal.shape[1]
        if not n or not m:
            return np.full(len(self.normal), NAN)
        sums = self.below.sum(axis=1) + self.not_above.sum(axis=1)
        return np.asarray(sums / (2 * n * m))

    def average_precision(self) -> FloatArray:
        """(T,); nan if there are no anomalous images."""
        if not self.abnormal.shape[1]:
            return np.full(len(self.normal), NAN)
        return np.asarray((self.found / (self.found + self.alarms)).mean(axis=1))

    def right(self, limits: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(T,) and (T,): how many normal and how many anomalous images are judged rightly at a limit for each row."""
        limit = limits[:, None]
        return (self.normal <= limit).sum(axis=1), (self.abnormal > limit).sum(axis=1)


def _places(one: FloatArray, other: FloatArray, *, first: bool) -> NDArray[np.int64]:
    """How many of one array come before each of the other, row by row; both are in ascending order.

    They are asked of the `first` array or else of the second. A stable sort puts equal scores of the first before.
    """
    both = np.concatenate([one, other], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    n = one.shape[1]
    wanted = order < n if first else order >= n
    rows, m = len(both), n if first else other.shape[1]
    return np.asarray(np.nonzero(wanted)[1].reshape(rows, m) - np.arange(m))
