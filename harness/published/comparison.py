"""Our numbers beside published ones: joined by method and category, and compared where the protocol is the same."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

from harness.api import Interval
from harness.plugin.spec import parse
from harness.published.checks import check
from harness.published.printed import Printed
from harness.published.table import DECIDED, NOT_STATED, RATES, PublishedTable, Row
from harness.trials.trial import UNUSED, Trial
from harness.verdicts.leaderboard import Stat, stat
from harness.verdicts.methods import Method, method_of
from harness.verdicts.verdict import PIXEL_METRICS, Verdict

SYNTHETIC = "synthetic"
"""The data set that the harness draws itself."""


@dataclass(frozen=True)
class Comparison:
    """One published number beside our verdicts on the same method and category."""

    row: Row
    metric: str
    method: Method
    """Our method; `-` stands for a pool or threshold on which the metric does not depend."""
    verdicts: Sequence[Verdict]
    """One for each seed, in the order of seeds."""
    ours: Stat
    interval: Interval | None
    """Where a single run of ours is expected, at 95 %."""
    reasons: tuple[str, ...]
    """Why the two cannot be compared; empty where they can."""
    impossible: bool
    """Whether the published number contradicts others by arithmetic."""

    @property
    def published(self) -> Printed:
        """The number with its digits as printed."""
        return self.row.values[self.metric]

    @property
    def verdict(self) -> Literal["reproduced", "different", "not comparable"]:
        """Reproduced: some number that prints as the published one lies in our interval."""
        if self.reasons or self.interval is None:
            return "not comparable"
        low, high = self.interval
        within = low <= float(self.published.high) and float(self.published.low) <= high
        return "reproduced" if within else "different"

    @property
    def difference(self) -> float | None:
        """Ours minus theirs; None where they cannot be compared."""
        return None if self.verdict == "not comparable" else self.ours.mean - float(self.published.value)


@dataclass(frozen=True)
class Compared:
    """A published table compared with our verdicts."""

    table: PublishedTable
    comparisons: Sequence[Comparison]
    """In the order of the published rows and metrics."""
    lacking: int
    """Published cells (a method on a category) that no finished trial of ours belongs to."""
    tried: int
    """How many of these were skipped or failed here."""
    unpublished: int
    """Cells of ours that the table does not have."""


class _Cell(NamedTuple):
    """A method on a category, under the names that the source uses."""

    model: str
    encoder: str
    loss: str
    category: str


def compare(table: PublishedTable, verdicts: Iterable[Verdict]) -> Compared:
    """Every published number for which we have a verdict, beside ours."""
    done: dict[Trial, list[Verdict]] = {}
    unfinished: set[Trial] = set()
    for verdict in verdicts:
        if verdict.status == "done":
            done.setdefault(verdict.trial, []).append(verdict)
        else:
            unfinished.add(verdict.trial)
    ours: dict[_Cell, list[Verdict]] = {}
    for trial, group in done.items():
        for cell in _cells(trial):
            ours.setdefault(cell, []).extend(group)
    tried = {cell for trial in unfinished for cell in _cells(trial)}
    denied = {(found.place, found.metric) for found in check(table) if found.severity == "impossible"}
    published = [(_Cell(row.model, row.encoder, row.loss, row.category), row) for row in table.rows]
    comparisons = [
        comparison
        for cell, row in published
        for metric in row.values
        for comparison in _comparisons(table, row, metric, ours.get(cell, ()), (row.place, metric) in denied)
    ]
    lacking = [cell for cell, _ in published if cell not in ours]
    known = {cell for cell, _ in published}
    unpublished = {trial._replace(seed=0) for trial in done if known.isdisjoint(_cells(trial))}
    return Compared(table, comparisons, len(lacking), sum(cell in tried for cell in lacking), len(unpublished))


def _cells(trial: Trial) -> Iterator[_Cell]:
    """The names that a source may give a trial's cell: each part as it is spelt, or by its plain name."""
    for model, encoder, loss in product(
        *({part, plain_name(part)} for part in (trial.model, trial.encoder, trial.loss))
    ):
        yield _Cell(model, encoder, loss, trial.category)


def plain_name(spelt: str) -> str:
    """What a source calls a part: `dae` of `dae[level=0.2]`, and `resnet18` of `timm[name=resnet18.a1_in1k]`."""
    if spelt == UNUSED:
        return UNUSED
    name, options = parse(spelt)
    return options["name"].partition(".")[0] if "name" in options else name


def _comparisons(
    table: PublishedTable, row: Row, metric: str, verdicts: Sequence[Verdict], impossible: bool
) -> Iterator[Comparison]:
    groups: dict[tuple[Method, str, int, str], dict[int, Verdict]] = {}
    for verdict in verdicts:
        if verdict.metric(metric) is not None:
            t, method = verdict.trial, method_of(verdict)
            method = method if _needs_limit(metric) else method._replace(threshold=UNUSED)
            method = method._replace(pool=UNUSED) if metric in PIXEL_METRICS else method
            seeds = groups.setdefault((method, t.dataset, t.image_size, verdict.outcome.fingerprint), {})
            seeds.setdefault(t.seed, verdict)
    for (method, *_), seeds in sorted(groups.items(), key=lambda item: item[0]):
        group = [seeds[seed] for seed in sorted(seeds)]
        ours = stat([value for verdict in group if (value := verdict.metric(metric)) is not None])
        interval = interval_of(metric, group, ours)
        reasons = tuple(_differences(table, row, metric, group[0]))
        if interval is None and not reasons:
            reasons = (f"one seed gives no interval for {metric.replace('_', ' ')}: run more --seeds",)
        yield Comparison(row, metric, method, group, ours, interval, reasons, impossible)


def interval_of(metric: str, verdicts: Sequence[Verdict], ours: Stat) -> Interval | None:
    """Where a single run is expected, at 95 %: published numbers are single runs.

    From the lowest to the highest bound of the seeds' own intervals. For a metric that has none, Student's t interval
    of one more run; None for one seed.
    """
    bounds = [bound for verdict in verdicts if (bound := verdict.interval(metric)) is not None]
    if len(bounds) == len(verdicts):
        return min(low for low, _ in bounds), max(high for _, high in bounds)
    if ours.sd is None:
        return None
    from scipy.special import stdtrit

    reach = float(stdtrit(ours.n - 1, 0.975)) * ours.sd * math.sqrt(1 + 1 / ours.n)
    return max(0.0, ours.mean - reach), min(1.0, ours.mean + reach)


def _needs_limit(metric: str) -> bool:
    return metric in (*RATES, *DECIDED)


def _differences(table: PublishedTable, row: Row, metric: str, ours: Verdict) -> Iterator[str]:
    """How our protocol differs from the stated one; what the source does not state is no difference."""
    trial, record = ours.trial, ours.outcome.record
    dataset = parse(trial.dataset)[0]
    if dataset != table.dataset:
        known = f"{table.dataset} published" if table.dataset != NOT_STATED else "the source does not state its own"
        yield "synthetic data" if dataset == SYNTHETIC else f"data set {trial.dataset}, {known}"
    elif record.incomplete:
        yield f"incomplete category: {record.incomplete}"
    elif row.counts and ours.counts and (row.counts.normal, row.counts.abnormal) != _sizes(ours):
        n, a = _sizes(ours)
        yield f"test set of {n} + {a} images, {row.counts.normal} + {row.counts.abnormal} published"
    if row.setting == "multi-class":
        yield "one model a category, one for all published"
    if row.image_size not in (None, trial.image_size):
        yield f"image size {trial.image_size}, {row.image_size} published"
    if trial.weights == "random" and row.weights != "random":
        yield "random weights"
    if row.epochs and trial.epochs and row.epochs != str(trial.epochs):
        yield f"{trial.epochs} epochs, {row.epochs} published"
    if trial.holdout:
        yield f"fitted without {trial.holdout:.0%} of the normal images, held out for the threshold"
    if metric not in PIXEL_METRICS and row.pool not in (NOT_STATED, ours.pool):
        yield f"pool {ours.pool}, {row.pool} published"
    if _needs_limit(metric):
        if ours.oracle != (table.track == "oracle"):
            yield "oracle threshold" if ours.oracle else "oracle threshold published"
        elif row.threshold not in (NOT_STATED, ours.threshold):
            yield f"threshold {ours.threshold}, {row.threshold} published"


def _sizes(verdict: Verdict) -> tuple[int, int]:
    assert verdict.counts is not None
    return verdict.counts.n_normal, verdict.counts.n_abnormal
