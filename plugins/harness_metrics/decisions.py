"""Metrics of the decisions at a limit, from how many images of each class are called what they are."""

from __future__ import annotations

from dataclasses import dataclass

from harness import CountMetric, Counts, Interval, f1_interval, mean_of_rates_interval, wilson

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


@dataclass
class Precision(CountMetric):
    """Share of the alarms that are right where a share `defect_rate` of all parts is defective, as on a line."""

    name = "precision"
    licence = "MIT"
    source = "https://doi.org/10.1136/bmj.309.6947.102 (Altman and Bland, 1994)"
    defect_rate: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.defect_rate < 1:
            raise ValueError(f"defect_rate is {self.defect_rate:g}, expected a share between 0 and 1 such as 0.002")

    def value(self, counts: Counts) -> float:
        """In [0, 1]; nan where nothing is called anomalous, or a class is empty."""
        return self._at(1 - counts.normal_rate, counts.abnormal_rate)

    def interval(self, counts: Counts) -> Interval | None:
        """From Wilson's of both rates at 97.5 %, so that both hold in 95 % of cases; none where a class is empty."""
        if not counts.n_normal or not counts.n_abnormal:
            return None
        right_low, right_high = wilson(counts.right_normal, counts.n_normal, 0.975)
        found_low, found_high = wilson(counts.right_abnormal, counts.n_abnormal, 0.975)
        worst, best = self._at(1 - right_low, found_low), self._at(1 - right_high, found_high)
        return worst, 1.0 if best != best else best

    def _at(self, alarm_rate: float, found_rate: float) -> float:
        found, alarms = self.defect_rate * found_rate, (1 - self.defect_rate) * alarm_rate
        return found / (found + alarms) if found + alarms else float("nan")


class F1(CountMetric):
    """Harmonic mean of precision and recall of the anomalous class; it leaves out normal images called normal."""

    name = "f1"
    title = "F1"
    licence = "MIT"
    source = "https://doi.org/10.1145/361219.361220"

    def value(self, counts: Counts) -> float:
        """In [0, 1]."""
        return counts.f1

    def interval(self, counts: Counts) -> Interval | None:
        """From Wilson's of both rates; none where a class is empty."""
        if not counts.n_normal or not counts.n_abnormal:
            return None
        return f1_interval((counts.right_abnormal, counts.n_abnormal), (counts.right_normal, counts.n_normal))
