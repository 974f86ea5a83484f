"""Verdicts to ranked rows: over seeds, over categories, with the floors that a constant answer sets."""

from __future__ import annotations

import gc
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from statistics import fmean
from typing import NamedTuple

from harness.api import Counts
from harness.trials.trial import Outcome
from harness.verdicts.methods import Method, Track, method_of
from harness.verdicts.seeds import common_seeds, outlying_seeds
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict

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
    n, first = len(values), values[0]
    if n == 1:
        return Stat(first, None, first, first, 1)
    mean = fmean(values)
    squares = sum((value - mean) ** 2 for value in values)  # statistics.stdev takes 30 times as long
    return Stat(mean, math.sqrt(squares / (n - 1)), min(values), max(values), n)


@dataclass(eq=False)  # and not frozen, which takes three times as long to make, a hundred thousand times
class BoardRow:
    """One row of a board. Its figures are computed when they are asked for, since most rows are never looked at."""

    method: Method
    floor: float
    """The accuracy of the better constant answer."""
    verdicts: Sequence[Verdict] = ()
    """The verdicts behind a row on one category, in the order of seeds."""
    parts: Sequence[BoardRow] = ()
    """The rows behind a mean over categories, one for each."""
    rank: int | None = None
    """From 1; ties share; None for a method that lacks categories which others have."""
    common: frozenset[int] | None = None
    """The seeds that every row of its table has, where rows differ in theirs: it is ranked on these."""
    known: tuple[str, float | None] | None = None
    """A metric and what `worth` found of it: a row is ranked in its category, and again in the mean over categories."""

    @cached_property
    def stats(self) -> Mapping[str, Stat]:
        """Statistics of each metric: over seeds on one category, otherwise over the means of categories."""
        return {
            metric: stat(values)
            for metric in (*METRICS, *PIXEL_METRICS, *self.asked)
            if (values := self._values(metric))
        }

    @property
    def asked(self) -> tuple[str, ...]:
        """The metrics that were asked for beside METRICS."""
        return self.parts[0].asked if self.parts else _asked(self.verdicts[0])

    def mean(self, metric: str) -> float | None:
        """The metric's mean alone; None where it is not defined on every category."""
        return _mean(self._values(metric))

    def worth(self, metric: str) -> float | None:
        """The metric's mean over the seeds that every row of its category has: what rows are ranked by."""
        if self.known is None or self.known[0] != metric:
            self.known = metric, self._worth(metric)
        return self.known[1]

    def _worth(self, metric: str) -> float | None:
        if self.parts:
            means = [part.worth(metric) for part in self.parts]
            known = [mean for mean in means if mean is not None]
            return _mean(known) if len(known) == len(means) else None
        if not self.common:
            return self.mean(metric)
        values = [v.metric(metric) for v in self.verdicts if v.trial.seed in self.common]
        return _mean([value for value in values if value is not None])

    @property
    def seeds(self) -> int:
        """The number of seeds; over categories, the smallest number on any of them."""
        return min(part.seeds for part in self.parts) if self.parts else len(self.verdicts)

    @property
    def categories(self) -> int:
        """The number of categories behind it."""
        return len(self.parts) or 1

    @property
    def beats_floors(self) -> bool:
        """Whether its accuracy is above that of both constant answers."""
        return (self.mean("accuracy") or 0.0) > self.floor

    @property
    def verdict(self) -> Verdict | None:
        """The only verdict behind it, if there is just one; it has the intervals."""
        return self.verdicts[0] if len(self.verdicts) == 1 else None

    @property
    def pooled_accuracy(self) -> float:
        """The accuracy over the images of all categories together."""
        counts = [verdict.counts for part in self.parts or [self] for verdict in part.verdicts if verdict.counts]
        return sum(c.right_normal + c.right_abnormal for c in counts) / sum(c.n_normal + c.n_abnormal for c in counts)

    @property
    def outcomes(self) -> list[Outcome]:
        """The trials behind it, on all its categories."""
        return [verdict.outcome for part in self.parts or [self] for verdict in part.verdicts]

    @property
    def outlying_seeds(self) -> tuple[int, ...]:
        """Seeds far from the others."""
        return outlying_seeds(self.verdicts, RANKED_BY)

    def _values(self, metric: str) -> list[float]:
        if not self.parts:
            return [value for verdict in self.verdicts if (value := verdict.metric(metric)) is not None]
        means = [mean for part in self.parts if (mean := part.mean(metric)) is not None]
        return means if len(means) == len(self.parts) else []


@dataclass(frozen=True)
class Board:
    """Rows that may be ranked together: one track, and one category or the mean over all."""

    track: Track
    category: str | None
    """None for the mean over categories."""
    lines: Sequence[BoardRow]
    """Best first."""
    floors: Mapping[str, Mapping[str, float]]
    """`all anomalous` and `all normal` to their metrics."""
    n_normal: int
    n_abnormal: int
    notes: Sequence[str] = ()
    parts: Sequence[Board] = ()
    """The categories that a mean is over."""

    @property
    def common(self) -> frozenset[int] | None:
        """The seeds that every row has and is ranked on; empty where there is none, None where rows do not differ."""
        return self.lines[0].common if self.lines else None


def _mean(values: Sequence[float]) -> float | None:
    """None of no values; of one value that value, which `fmean` takes far longer to find."""
    return fmean(values) if len(values) > 1 else values[0] if values else None


def floors_of(n_normal: int, n_abnormal: int) -> Mapping[str, Counts]:
    """The counts of a detector that calls everything anomalous, and of one that calls everything normal."""
    return {
        "all anomalous": Counts(0, n_normal, n_abnormal, n_abnormal),
        "all normal": Counts(n_normal, n_normal, 0, n_abnormal),
    }


def boards(verdicts: Iterable[Verdict], ranked_by: str = RANKED_BY) -> list[Board]:
    """Track by track: the mean over categories where there are several, then each category."""
    with _nothing_collected():
        return list(_boards(verdicts, ranked_by))


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Stop garbage collection, which would take half of the time among a hundred thousand verdicts and find nothing."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _boards(verdicts: Iterable[Verdict], ranked_by: str) -> Iterator[Board]:
    tracks: dict[Track, dict[tuple[str, str], list[Verdict]]] = {}
    for verdict in verdicts:
        if verdict.status == "done":
            trial = verdict.trial
            track = Track(trial.dataset, trial.image_size, verdict.oracle)
            tracks.setdefault(track, {}).setdefault((trial.category, verdict.outcome.fingerprint), []).append(verdict)
    for track, by_data in sorted(tracks.items()):
        singles = {data: _category_board(track, data[0], by_data[data], ranked_by) for data in sorted(by_data)}
        newest = {data[0]: data for data in sorted(by_data, key=lambda data: _finished_at(by_data[data]))}
        grave = {data: _grave(by_data[data]) for data in by_data}
        if len(newest) > 1:  # if the data of a category changed, its last version counts
            overall = _overall_board(track, [singles[data] for data in newest.values()], ranked_by)
            named = [f"{data[0]} ({', '.join(grave[data])})" for data in newest.values() if grave[data]]
            yield replace(overall, notes=[f"GRAVE findings on the images of {', '.join(named)}."]) if named else overall
        versions = Counter(category for category, _ in by_data)
        for (category, fingerprint), board in singles.items():
            notes = [f"GRAVE {name}: {sentence}" for name, sentence in grave[category, fingerprint].items()]
            if versions[category] > 1:
                notes.append(f"{category} changed between runs: this is data {fingerprint}, ranked on its own.")
            yield replace(board, notes=notes) if notes else board


def _grave(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """The grave findings on the images behind verdicts of one category, by name; those of the latest trial count."""
    return {name: said for verdict in verdicts for name, said in verdict.outcome.record.grave.items()}


def unfinished(verdicts: Iterable[Verdict]) -> dict[tuple[str, str], list[str]]:
    """Status and reason to the cells that ended so: trials that no later run has done, and what could not be judged."""
    every = list(verdicts)
    done = {verdict.trial for verdict in every if verdict.status == "done"}
    reasons: dict[tuple[str, str], list[str]] = {}
    for verdict in every:
        if verdict.status != "done" and (verdict.outcome.status == "done" or verdict.trial not in done):
            cell = f"{verdict.trial.category} · {verdict.trial.method} · seed {verdict.trial.seed}"
            cells = reasons.setdefault((verdict.status, verdict.reason), [])
            if cell not in cells:
                cells.append(cell)
    return reasons


def _by_method(verdicts: Iterable[Verdict]) -> dict[Method, list[Verdict]]:
    groups: dict[Method, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(method_of(verdict), []).append(verdict)
    return groups


def _category_board(track: Track, category: str, verdicts: Sequence[Verdict], ranked_by: str) -> Board:
    counts = verdicts[0].counts
    assert counts is not None
    constant = floors_of(counts.n_normal, counts.n_abnormal)
    floors = _metrics_of(constant)
    if (measured := verdicts[0].measured) is not None:
        for name, answer in constant.items():
            found = {metric: measured.floor(metric, answer) for metric in measured.names}
            floors[name].update({metric: value for metric, value in found.items() if value is not None})
    floor = _best_accuracy(floors)
    groups = _by_method(verdicts)
    common = common_seeds(groups.values())
    lines = [
        BoardRow(
            method,
            floor,
            verdicts=sorted(group, key=lambda verdict: verdict.trial.seed) if len(group) > 1 else group,
            common=common,
        )
        for method, group in groups.items()
    ]
    return Board(track, category, _ranked(lines, ranked_by, 1), floors, counts.n_normal, counts.n_abnormal)


def _overall_board(track: Track, singles: Sequence[Board], ranked_by: str) -> Board:
    floors = {
        name: {
            metric: fmean(board.floors[name][metric] for board in singles)
            for metric in singles[0].floors[name]
            if all(metric in board.floors[name] for board in singles)
        }
        for name in singles[0].floors
    }
    floor = _best_accuracy(floors)
    methods: dict[Method, list[BoardRow]] = {}
    for board in singles:
        for line in board.lines:
            methods.setdefault(line.method, []).append(line)
    lines = [BoardRow(method, floor, parts=parts) for method, parts in methods.items()]
    n_normal, n_abnormal = sum(board.n_normal for board in singles), sum(board.n_abnormal for board in singles)
    ranked = _ranked(lines, ranked_by, len(singles))
    return Board(track, None, ranked, floors, n_normal, n_abnormal, parts=singles)


def _best_accuracy(floors: Mapping[str, Mapping[str, float]]) -> float:
    return max(floor["accuracy"] for floor in floors.values())


def _metrics_of(floors: Mapping[str, Counts]) -> dict[str, dict[str, float]]:
    """A constant answer ranks nothing, so its AUROC is one half and its average precision the share of anomalies."""
    found = {}
    for name, counts in floors.items():
        rates = {metric: float(getattr(counts, metric)) for metric in METRICS[:5]}
        share = counts.n_abnormal / (counts.n_normal + counts.n_abnormal)
        found[name] = {**rates, "auroc": 0.5, "average_precision": share}
    return found


def _ranked(lines: Sequence[BoardRow], ranked_by: str, categories: int) -> list[BoardRow]:
    """Best first, ties sharing a rank; methods that lack categories come last, unranked."""
    sign = 1 if not lines or higher_is_better(lines[0], ranked_by) else -1

    def worth(line: BoardRow) -> float:
        mean = line.worth(ranked_by)
        return -math.inf if mean is None else sign * mean

    ordered = sorted(((-worth(line), line.method, line) for line in lines), key=itemgetter(0, 1))
    whole = [(key, line) for key, _, line in ordered if line.categories == categories]
    ranks: dict[float, int] = {}
    for position, (key, line) in enumerate(whole, 1):
        line.rank = ranks.setdefault(key, position)
    return [line for _, line in whole] + [line for _, _, line in ordered if line.categories < categories]


def higher_is_better(line: BoardRow, metric: str) -> bool:
    """Whether a higher value of this metric is better."""
    if line.parts:
        return higher_is_better(line.parts[0], metric)
    measured = line.verdicts[0].measured
    return measured is None or metric not in measured.metrics or measured.metrics[metric].higher_is_better


def merit(line: BoardRow, metric: str) -> float:
    """What a row is ranked by, negative where lower is better, so that more is better; 0 where it is not defined."""
    worth = line.worth(metric) or 0.0
    return worth if higher_is_better(line, metric) else -worth


def _asked(verdict: Verdict) -> tuple[str, ...]:
    return verdict.measured.names if verdict.measured else ()


def _finished_at(verdicts: Sequence[Verdict]) -> str:
    return max(verdict.outcome.record.finished_at for verdict in verdicts)
