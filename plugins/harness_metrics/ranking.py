"""Metrics of scores and labels, which need no limit."""

from __future__ import annotations

from harness import Interval, Ranking, ScoreMetric, auroc_interval, average_precision_interval


class Auroc(ScoreMetric):
    """Chance that an anomalous image scores above a normal one, ties counting half."""

    name = "auroc"
    title = "AUROC"
    licence = "MIT"
    source = "https://doi.org/10.1148/radiology.143.1.7063747"

    def value(self, ranking: Ranking) -> float:
        """In [0, 1]; one half is what chance scores."""
        return ranking.auroc()

    def interval(self, ranking: Ranking) -> Interval | None:
        """Newcombe's method 5 (Statistics in Medicine 25 (2006) 559)."""
        n_anomalous = int(ranking.labels.sum())
        return auroc_interval(self.value(ranking), len(ranking.labels) - n_anomalous, n_anomalous)


class AveragePrecision(ScoreMetric):
    """Precision averaged over the anomalous images as the limit falls, ties together."""

    name = "average_precision"
    title = "AP"
    licence = "MIT"
    source = "https://scikit-learn.org/stable/modules/generated/sklearn.metrics.average_precision_score.html"

    def value(self, ranking: Ranking) -> float:
        """In [0, 1]; the share of anomalous images is what chance scores."""
        return ranking.average_precision()

    def interval(self, ranking: Ranking) -> Interval | None:
        """As of a share of the anomalous images, which is cautious."""
        return average_precision_interval(self.value(ranking), int(ranking.labels.sum()))
