"""Metrics of the decisions at a limit, from how many images of each class are called what they are."""

from __future__ import annotations

from harness import CountMetric, Counts, Interval, mean_of_rates_interval, wilson

_KUMAR = "Kumar, Malik and Puglisi, Unsupervised Anomaly Detection in Industrial Image Data, section 4"


class NormalRate(CountMetric):
    """Share of the normal images that are called normal."""

    name = "normal_rate"
    title = "normal"
    licence = "MIT"
    source = _KUMAR

    def value(self, counts: Counts) -> float:
        """In [0, 1]."""
        return counts.normal_rate

    def interval(self, counts: Counts) -> Interval | None:
        """Wilson's."""
        return wilson(counts.right_normal, counts.n_normal)


class AbnormalRate(CountMetric):
    """Share of the anomalous images that are called anomalous."""

    name = "abnormal_rate"
    title = "abnormal"
    licence = "MIT"
    source = _KUMAR

    def value(self, counts: Counts) -> float:
        """In [0, 1]."""
        return counts.abnormal_rate

    def interval(self, counts: Counts) -> Interval | None:
        """Wilson's."""
        return wilson(counts.right_abnormal, counts.n_abnormal)


class Accuracy(CountMetric):
    """Share of all images that are called what they are."""

    name = "accuracy"
    licence = "MIT"
    source = _KUMAR

    def value(self, counts: Counts) -> float:
        """In [0, 1]."""
        return counts.accuracy

    def interval(self, counts: Counts) -> Interval | None:
        """Wilson's."""
        return wilson(counts.right_normal + counts.right_abnormal, counts.n_normal + counts.n_abnormal)


class BalancedAccuracy(CountMetric):
    """Mean of the two classes' rates; one half is what a constant answer scores."""

    name = "balanced_accuracy"
    title = "balanced"
    licence = "MIT"
    source = "https://doi.org/10.1109/ICPR.2010.764"

    def value(self, counts: Counts) -> float:
        """In [0, 1]."""
        return counts.balanced_accuracy

    def interval(self, counts: Counts) -> Interval | None:
        """Newcombe's method 10 (Statistics in Medicine 17 (1998) 873); none where a class is empty."""
        if not counts.n_normal or not counts.n_abnormal:
            return None
        normal = (counts.right_normal, counts.n_normal)
        return mean_of_rates_interval(normal, (counts.right_abnormal, counts.n_abnormal))


class F1(CountMetric):
    """Harmonic mean of precision and recall of the anomalous class; it leaves out normal images called normal."""

    name = "f1"
    title = "F1"
    licence = "MIT"
    source = "https://doi.org/10.1145/361219.361220"

    def value(self, counts: Counts) -> float:
        """In [0, 1]."""
        return counts.f1
