"""Verdicts to ranked rows: over seeds, over categories, with the floors that a constant answer sets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, stdev
from typing import NamedTuple

from harness.intervals import wilson
from harness.judge import METRICS, Verdict
from harness.metrics import Counts
from harness.trial import UNUSED

RANKED_BY = "balanced_accuracy"
"""The default: no constant answer reaches more than one half, however few images are normal."""


class Stat(NamedTuple):
    """A metric over seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation; None for one seed."""
    low: float
    high: float
    n: int


def stat(values: Sequence[float]) -> Stat:
    """Mean, spread and range of at least one value."""
    return Stat(fmean(values), stdev(values) if len(values) > 1 else None, min(values), max(values), len(values))


class Track(NamedTuple):
    """What must be equal for rows to be ranked together."""

    dataset: str
    image_size: int
    oracle: bool


class Method(NamedTuple):
    """What is ranked."""

    model: str
    encoder: str
    loss: str
    weights: str
    pool: str
    threshold: str
    epochs: int
    holdout: float
    precision: str
    batch_size: int
    lr: float

    @property
    def title(self) -> str:
        """`dae + vgg16 + mse`."""
        return " + ".join(part for part in self[:3] if part != UNUSED)


@dataclass(frozen=True)
class Line:
    """One row of a board."""

    method: Method
    stats: Mapping[str, Stat]
    """By metric; over seeds on one category, over categories (of each one's mean over seeds) overall."""
    seeds: int
    categories: int
    rank: int | None = None
    """From 1; ties share; None for a method that lacks categories which others have."""
    beats_floors: bool = True
    """Whether its accuracy is above that of both constant answers."""
    interval: tuple[float, float] | None = None
    """95 % Wilson interval of the accuracy, on one category with one seed."""
    pooled_accuracy: float | None = None
    """Over the images of all categories together, overall only."""
    outlying_seeds: tuple[int, ...] = ()
    """Seeds far from the others."""


@dataclass(frozen=True)
class Board:
    """Rows that may be ranked together: one track, and one category or the mean over all."""

    track: Track
    category: str | None
    """None for the mean over categories."""
    lines: Sequence[Line]
    """Best first."""
    floors: Mapping[str, Mapping[str, float]]
    """`all anomalous` and `all normal` to their metrics."""
    n_normal: int
    n_abnormal: int
    notes: Sequence[str] = ()


def floors_of(n_normal: int, n_abnormal: int) -> Mapping[str, Counts]:
    """The counts of a detector that calls everything anomalous, and of one that calls everything normal."""
    return {
        "all anomalous": Counts(0, n_normal, n_abnormal, n_abnormal),
        "all normal": Counts(n_normal, n_normal, 0, n_abnormal),
    }


def boards(verdicts: Iterable[Verdict], ranked_by: str = RANKED_BY) -> list[Board]:
    """Track by track: the mean over categories where there are several, then each category."""
    tracks: dict[Track, dict[tuple[str, str], list[Verdict]]] = {}
    for verdict in verdicts:
        if verdict.status == "done":
            trial = verdict.trial
            track = Track(trial.dataset, trial.image_size, verdict.oracle)
            tracks.setdefault(track, {}).setdefault((trial.category, verdict.outcome.fingerprint), []).append(verdict)
    found = []
    for track, by_data in sorted(tracks.items()):
        singles = [_category_board(track, category, data, ranked_by) for (category, _), data in sorted(by_data.items())]
        if len({category for category, _ in by_data}) > 1:
            found.append(_overall_board(track, by_data, ranked_by))
        versions = Counter(category for category, _ in by_data)
        for board, (category, fingerprint) in zip(singles, sorted(by_data), strict=True):
            note = f"{category} changed between runs: this is data {fingerprint}, ranked on its own."
            found.append(replace(board, notes=[note]) if versions[category] > 1 else board)
    return found


def unfinished(verdicts: Iterable[Verdict]) -> dict[tuple[str, str], list[str]]:
    """Status and reason to the cells that ended so and were not done by a later run."""
    every = list(verdicts)
    done = {verdict.trial for verdict in every if verdict.status == "done"}
    reasons: dict[tuple[str, str], list[str]] = {}
    for verdict in every:
        if verdict.status != "done" and verdict.trial not in done:
            cell = f"{verdict.trial.category} · {verdict.trial.method} · seed {verdict.trial.seed}"
            cells = reasons.setdefault((verdict.status, verdict.reason), [])
            if cell not in cells:
                cells.append(cell)
    return reasons


def method_of(verdict: Verdict) -> Method:
    """The row that a verdict belongs to: everything but category and seed."""
    t = verdict.trial
    settings = (t.epochs, t.holdout, t.precision, t.batch_size, t.lr)
    return Method(t.model, t.encoder, t.loss, t.weights, verdict.pool, verdict.threshold, *settings)


def _by_method(verdicts: Iterable[Verdict]) -> dict[Method, list[Verdict]]:
    groups: dict[Method, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(method_of(verdict), []).append(verdict)
    return groups


def _category_board(track: Track, category: str, verdicts: Sequence[Verdict], ranked_by: str) -> Board:
    counts = verdicts[0].counts
    assert counts is not None
    floors = _metrics_of(floors_of(counts.n_normal, counts.n_abnormal))
    lines = []
    for method, group in _by_method(verdicts).items():
        stats = _stats(group)
        accuracy = group[0].counts
        assert accuracy is not None
        right, n = accuracy.right_normal + accuracy.right_abnormal, accuracy.n_normal + accuracy.n_abnormal
        lines.append(
            Line(
                method,
                stats,
                seeds=len(group),
                categories=1,
                beats_floors=stats["accuracy"].mean > max(floor["accuracy"] for floor in floors.values()),
                interval=wilson(right, n) if len(group) == 1 else None,
                outlying_seeds=outlying_seeds(group),
            )
        )
    return Board(track, category, _ranked(lines, ranked_by, 1), floors, counts.n_normal, counts.n_abnormal)


def _overall_board(track: Track, by_data: Mapping[tuple[str, str], list[Verdict]], ranked_by: str) -> Board:
    latest: dict[str, list[Verdict]] = {}
    for (category, _), verdicts in sorted(by_data.items(), key=lambda item: _finished_at(item[1])):
        latest[category] = verdicts  # where the data changed, its last version counts
    sizes = [verdicts[0].counts for verdicts in latest.values()]
    n_normal = sum(counts.n_normal for counts in sizes if counts)
    n_abnormal = sum(counts.n_abnormal for counts in sizes if counts)
    each = [_metrics_of(floors_of(counts.n_normal, counts.n_abnormal)) for counts in sizes if counts]
    floors = {
        name: {metric: fmean(floor[name][metric] for floor in each) for metric in METRICS}
        for name in ("all anomalous", "all normal")
    }
    lines = []
    methods: dict[Method, list[list[Verdict]]] = {}
    for verdicts in latest.values():
        for method, group in _by_method(verdicts).items():
            methods.setdefault(method, []).append(group)
    for method, groups in methods.items():
        per_category = [_stats(group) for group in groups]
        stats = {
            metric: stat([found[metric].mean for found in per_category])
            for metric in METRICS
            if all(metric in found for found in per_category)
        }
        every = [verdict.counts for group in groups for verdict in group if verdict.counts]
        right = sum(counts.right_normal + counts.right_abnormal for counts in every)
        lines.append(
            Line(
                method,
                stats,
                seeds=min(len(group) for group in groups),
                categories=len(groups),
                beats_floors=stats["accuracy"].mean > max(floor["accuracy"] for floor in floors.values()),
                pooled_accuracy=right / sum(counts.n_normal + counts.n_abnormal for counts in every),
            )
        )
    return Board(track, None, _ranked(lines, ranked_by, len(latest)), floors, n_normal, n_abnormal)


def _stats(verdicts: Sequence[Verdict]) -> dict[str, Stat]:
    found = {}
    for name in METRICS:
        values = [value for verdict in verdicts if (value := verdict.metric(name)) is not None]
        if values:
            found[name] = stat(values)
    return found


def _metrics_of(floors: Mapping[str, Counts]) -> dict[str, dict[str, float]]:
    """A constant answer ranks nothing, so its AUROC is one half and its average precision the share of anomalies."""
    found = {}
    for name, counts in floors.items():
        rates = {metric: float(getattr(counts, metric)) for metric in METRICS[:5]}
        share = counts.n_abnormal / (counts.n_normal + counts.n_abnormal)
        found[name] = {**rates, "auroc": 0.5, "average_precision": share}
    return found


def _ranked(lines: Sequence[Line], ranked_by: str, categories: int) -> list[Line]:
    """Best first, ties sharing a rank; methods that lack categories come last, unranked."""

    def value(line: Line) -> float:
        return line.stats[ranked_by].mean if ranked_by in line.stats else -math.inf

    ordered = sorted(lines, key=lambda line: (-value(line), line.method))
    whole = [line for line in ordered if line.categories == categories]
    partial = [line for line in ordered if line.categories < categories]
    ranks: dict[float, int] = {}
    for position, line in enumerate(whole, 1):
        ranks.setdefault(value(line), position)
    return [replace(line, rank=ranks[value(line)]) for line in whole] + partial


def outlying_seeds(verdicts: Sequence[Verdict]) -> tuple[int, ...]:
    """Seeds far from the others: over 3 scaled median absolute deviations, and over 0.05, from the median."""
    scored = [(v.trial.seed, value) for v in verdicts if (value := v.metric(RANKED_BY)) is not None]
    if len(scored) < 3:
        return ()
    centre = median(value for _, value in scored)
    spread = 1.4826 * median(abs(value - centre) for _, value in scored)
    return tuple(sorted(seed for seed, value in scored if abs(value - centre) > max(3 * spread, 0.05)))


def _finished_at(verdicts: Sequence[Verdict]) -> str:
    return max(str(verdict.outcome.record.get("finished_at", "")) for verdict in verdicts)
