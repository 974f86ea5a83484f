"""Published numbers beside fitted floors: how many are better than what a few numbers of a whole image say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from harness.published.printed import Printed
from harness.published.protocol import needs_limit
from harness.published.table import NOT_STATED, PublishedTable, Row
from harness.verdicts.verdict import Verdict

METRICS = ("accuracy", "balanced_accuracy", "f1", "auroc", "average_precision")
"""Those by which more is better; each rate alone may be had for nothing."""


@dataclass(frozen=True)
class BesideFloor:
    """The published rows of one category by one metric, beside a fitted floor that is judged as they are."""

    category: str
    metric: str
    floor: str
    """Its model."""
    value: float
    better: int
    worse: int
    """Rows that are no better."""
    near: int
    """Rows of which the printed digits do not tell."""


def beside_floors(table: PublishedTable, verdicts: Iterable[Verdict]) -> list[BesideFloor]:
    """By category and metric; nothing where no floor was fitted to the same data by the same protocol."""
    floors = {}
    for verdict in sorted(verdicts, key=lambda one: one.outcome.record.finished_at):
        trial = verdict.trial
        plain = not (verdict.oracle or trial.holdout or trial.calibrate or trial.protocol)
        if verdict.outcome.record.floor and verdict.status == "done" and trial.dataset == table.dataset and plain:
            floors[trial.category, trial.model, verdict.threshold, trial.image_size] = verdict
    found = []
    for (category, model, _, _), verdict in floors.items():
        rows = [
            row for row in table.rows if row.category == category and row.image_size in (None, verdict.trial.image_size)
        ]
        for metric in METRICS:
            value, bounds = verdict.metric(metric), list(_bounds(rows, metric, verdict.threshold))
            if value is None or not bounds:
                continue
            better = sum(float(low) > value for low, _ in bounds)
            worse = sum(float(high) <= value for _, high in bounds)
            near = len(bounds) - better - worse
            found.append(BesideFloor(category, metric, model, value, better, worse, near))
    return sorted(found, key=lambda one: (one.category, METRICS.index(one.metric)))


def _bounds(rows: Iterable[Row], metric: str, threshold: str) -> Iterator[tuple[Fraction, Fraction]]:
    """Between what values the printed numbers lie; a balanced accuracy follows from two printed rates."""
    for row in rows:
        if needs_limit(metric) and row.threshold not in (NOT_STATED, threshold):
            continue
        rates = [row.values.get(name) for name in ("normal_rate", "abnormal_rate")]
        printed = row.values.get(metric)
        if printed is not None:
            yield _rounded(printed)
        elif metric == "balanced_accuracy" and rates[0] is not None and rates[1] is not None:
            (low, high), (other_low, other_high) = _rounded(rates[0]), _rounded(rates[1])
            yield (low + other_low) / 2, (high + other_high) / 2


def _rounded(printed: Printed) -> tuple[Fraction, Fraction]:
    return printed.value - printed.unit / 2, printed.value + printed.unit / 2
