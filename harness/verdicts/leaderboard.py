"""Verdicts to ranked rows: over seeds, over categories, with the floors of constant answers and of fitted models."""

from __future__ import annotations

import gc
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter, itemgetter
from statistics import fmean

from harness.api import Counts
from harness.trials.trial import Outcome, Protocol
from harness.verdicts.methods import Method, Track, method_of
from harness.verdicts.rows import RANKED_BY, BoardRow, higher_is_better
from harness.verdicts.seeds import common_seeds
from harness.verdicts.verdict import METRICS, Verdict


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
    fitted_floors: Sequence[BoardRow] = ()
    """Models that look at next to nothing, best first; they have no rank."""

    @property
    def common(self) -> frozenset[int] | None:
        """The seeds that every row has and is ranked on; empty where there is none, None where rows do not differ."""
        return self.lines[0].common if self.lines else None


def floors_of(n_normal: int, n_abnormal: int) -> Mapping[str, Counts]:
    """The counts of a detector that calls everything anomalous, and of one that calls everything normal."""
    return {
        "all anomalous": Counts(0, n_normal, n_abnormal, n_abnormal),
        "all normal": Counts(n_normal, n_normal, 0, n_abnormal),
    }


_ByData = dict[tuple[str, str], list[Verdict]]
"""Category and fingerprint to verdicts."""


def boards(verdicts: Iterable[Verdict], ranked_by: str = RANKED_BY) -> list[Board]:
    """Track by track: the mean over categories where there are several, then each category."""
    with nothing_collected():
        return list(_boards(verdicts, ranked_by))


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Stop garbage collection, which would take half of the time among a hundred thousand verdicts and find nothing."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _boards(verdicts: Iterable[Verdict], ranked_by: str) -> Iterator[Board]:
    tracks: dict[Track, _ByData] = {}
    floors: dict[Track, _ByData] = {}
    last: Outcome | None = None
    lists: dict[tuple[bool, bool], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.status != "done":
            continue
        if verdict.outcome is not last:  # verdicts on one trial lie side by side, and tracks take long to make
            last, lists = verdict.outcome, {}
        judged = verdict.oracle, not verdict.follows(ranked_by)
        if (found := lists.get(judged)) is None:
            trial, among = last.trial, floors if last.record.floor else tracks
            track = Track(trial.dataset, trial.image_size, *judged, trial.protocol)
            by_data = among.setdefault(track, {})
            found = lists[judged] = by_data.setdefault((trial.category, last.fingerprint), [])
        found.append(verdict)
    for track in sorted(floors | tracks, key=_largest_first):
        by_data = tracks.get(track) or floors[track]
        beside = floors.get(track, {}) if track in tracks else {}  # where nothing else was fitted, floors are ranked
        singles = {
            data: _category_board(track, data[0], by_data[data], ranked_by, beside.get(data, ()))
            for data in sorted(by_data)
        }
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


def _largest_first(track: Track) -> tuple[str, int, Protocol, bool, bool]:
    """Of one data set, the boards of the largest images come first: they are what one wants to know."""
    return track.dataset, -track.image_size, track.protocol, track.oracle, track.stated


def _grave(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """The grave findings on the images behind verdicts of one category, by name; those of the latest trial count."""
    return {name: said for verdict in verdicts for name, said in verdict.outcome.record.grave.items()}


def unfinished(verdicts: Iterable[Verdict]) -> dict[tuple[str, str], list[str]]:
    """Status and reason to the cells that ended so: trials that no later run has done, and what could not be judged."""
    every = list(verdicts)
    done = {verdict.trial for verdict in every if verdict.status == "done"}
    reasons: dict[tuple[str, str], list[str]] = {}
    for verdict in every:
        if verdict.outcome.record.floor and verdict.status == "skipped":
            continue  # what the methods beside it say
        if verdict.status != "done" and (verdict.outcome.status == "done" or verdict.trial not in done):
            cell = verdict.trial.title
            cells = reasons.setdefault((verdict.status, verdict.reason), [])
            if cell not in cells:
                cells.append(cell)
    return reasons


def _by_method(verdicts: Iterable[Verdict]) -> dict[Method, list[Verdict]]:
    groups: dict[Method, list[Verdict]] = {}
    alike: dict[Hashable, dict[Hashable, list[Verdict]]] = {}
    last: Outcome | None = None
    lists: dict[Hashable, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome is not last:  # as above: the settings of a trial are those of all verdicts on it
            last = verdict.outcome
            lists = alike.setdefault(last.trial._replace(category="", seed=0), {})
        judged = verdict.pool, verdict.threshold
        if (found := lists.get(judged)) is None:
            found = lists[judged] = groups.setdefault(method_of(verdict), [])
        found.append(verdict)
    return groups


def _category_board(
    track: Track, category: str, verdicts: Sequence[Verdict], ranked_by: str, beside: Sequence[Verdict]
) -> Board:
    """The board of one category; beside its rows, those of fitted floors."""
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
    judged = {_judged_as(method) for method in groups}
    below: dict[tuple[str, float, str], list[BoardRow]] = {}
    for row in _rows(_by_method(beside), floor):
        if _judged_as(row.method) in judged:
            below.setdefault(_judged_as(row.method), []).append(row)
    lines = _rows(groups, floor, common, below)
    fitted = [row for rows in below.values() for row in rows]
    ranked, seen = _ranked(lines, ranked_by, 1), _ranked(fitted, ranked_by, 0)
    return Board(track, category, ranked, floors, counts.n_normal, counts.n_abnormal, fitted_floors=seen)


def _rows(
    groups: Mapping[Method, list[Verdict]],
    floor: float,
    common: frozenset[int] | None = None,
    below: Mapping[tuple[str, float, str], Sequence[BoardRow]] | None = None,
) -> list[BoardRow]:
    """A row for each method on one category, with the fitted floors that are judged as it is."""
    return [
        BoardRow(
            method,
            floor,
            verdicts=sorted(group, key=attrgetter("outcome.trial.seed")) if len(group) > 1 else group,
            common=common,
            below=below.get(_judged_as(method), ()) if below else (),
        )
        for method, group in groups.items()
    ]


def _judged_as(method: Method) -> tuple[str, float, str]:
    """What decides, beside the scores, what a limit is."""
    return method.threshold, method.holdout, method.calibrate


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
    lines = _over([line for board in singles for line in board.lines], floor)
    fitted = _over([line for board in singles for line in board.fitted_floors], floor)
    n_normal, n_abnormal = sum(board.n_normal for board in singles), sum(board.n_abnormal for board in singles)
    ranked = _ranked(lines, ranked_by, len(singles))
    whole = [line for line in _ranked(fitted, ranked_by, 0) if line.categories == len(singles)]
    return Board(track, None, ranked, floors, n_normal, n_abnormal, parts=singles, fitted_floors=whole)


def _over(lines: Iterable[BoardRow], floor: float) -> list[BoardRow]:
    """A row for each method that is the mean of its rows on categories."""
    methods: dict[Method, list[BoardRow]] = {}
    for line in lines:
        methods.setdefault(line.method, []).append(line)
    return [BoardRow(method, floor, parts=parts) for method, parts in methods.items()]


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
    """Best first, ties sharing a rank; those of other than so many categories come last, unranked."""
    sign = 1 if not lines or higher_is_better(lines[0], ranked_by) else -1

    def worth(line: BoardRow) -> float:
        mean = line.worth(ranked_by)
        return -math.inf if mean is None else sign * mean

    ordered = sorted(((-worth(line), line.method, line) for line in lines), key=itemgetter(0, 1))
    whole = [(key, line) for key, _, line in ordered if line.categories == categories]
    ranks: dict[float, int] = {}
    for position, (key, line) in enumerate(whole, 1):
        line.rank = ranks.setdefault(key, position)
    return [line for _, line in whole] + [line for _, _, line in ordered if line.categories != categories]


def _finished_at(verdicts: Sequence[Verdict]) -> str:
    return max(verdict.outcome.record.finished_at for verdict in verdicts)
