"""A stranger's metrics, written against contract 1: one of decisions, where lower is better, and one of scores."""

from __future__ import annotations

from harness import CountMetric, Counts, Interval, Ranking, ScoreMetric, hookimpl, wilson

harness_contract = 1


class StrangerFalseAlarms(CountMetric):
    """Share of the normal images that are called anomalous."""

    name = "stranger_false_alarms"
    title = "false alarms"
    licence = "MIT"
    higher_is_better = False

    def value(self, counts: Counts) -> float:
        return 1 - counts.normal_rate

    def interval(self, counts: Counts) -> Interval | None:
        return wilson(counts.n_normal - counts.right_normal, counts.n_normal)


class StrangerGap(ScoreMetric):
    """How far the means of the two classes are apart, in standard deviations of all scores."""

    name = "stranger_gap"
    licence = "MIT"
    range = (-100.0, 100.0)
    version = 3

    def value(self, ranking: Ranking) -> float:
        if not ranking.labels.any() or ranking.labels.all() or not ranking.scores.std():
            return float("nan")
        apart = ranking.scores[ranking.labels].mean() - ranking.scores[~ranking.labels].mean()
        return float(apart / ranking.scores.std())


@hookimpl
def harness_metrics():
    return [StrangerFalseAlarms, StrangerGap]
