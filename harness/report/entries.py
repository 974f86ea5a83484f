"""The leaderboard of the HTML report: one entry a row, each figure with what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from harness.metrics.significance import critical_difference
from harness.published.comparison import Comparison
from harness.report.alarms import FLOOR_RATES, percent, rate_with_interval
from harness.report.board_notes import marks_of, row_names
from harness.report.cases import Json, case_of
from harness.report.protocols import data_of
from harness.report.sweeps import said_of
from harness.report.verified import of_line
from harness.trials.latencies import Setting
from harness.trials.trial import UNUSED
from harness.verdicts.answering import behind
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import Method
from harness.verdicts.rows import BoardRow, merit
from harness.verdicts.speed import median_latency, peak_memory
from harness.verdicts.sweeps import sweeps_of
from harness.verdicts.verdict import PIXEL_METRICS

MEAN = "mean over categories"
_FEWEST_RANKED = 3
"""A critical difference is shown for no fewer methods than these."""


class Figure(NamedTuple):
    """A number of the leaderboard: the value that columns are sorted by, and the text that people read."""

    value: float | None
    text: str
    bounds: str = ""
    """Its 95 % interval, or its range over seeds."""
    published: Sequence[Comparison] = ()
    """Published numbers for the same metric under the same protocol."""
    marks: str = ""
    """Which floors it does not beat."""


class Entry(NamedTuple):
    """A row of the leaderboard."""

    board: int
    category: str
    track: str
    data: str
    method: str
    full: str
    """Its parts as they are typed."""
    threshold: str
    rank: int | None
    floor: bool
    oracle: bool
    cells: Sequence[Figure]
    case: str
    """The name of the case that a click opens; empty for a floor."""
    notes: Sequence[str]


class Shared(NamedTuple):
    """What all boards of a page have in common."""

    names: Mapping[Method, str]
    published: PublishedNumbers
    setting: Setting | None
    """Of the latencies, where any were measured."""
    metrics: Sequence[str]


def entries_of(at: int, board: Board, shared: Shared, ranked_by: str) -> list[Entry]:
    """The rows of one board, which is number `at`: its methods, then its floors."""
    track = "test labels: oracle" if board.track.oracle else "normal images"
    place = (at, board.category or MEAN, track, data_of(board.track))
    names = row_names(board)
    swept = {id(sweep.best): said_of(sweep, ranked_by) for sweep in sweeps_of(board, ranked_by)}
    found = [
        Entry(
            *place,
            method=names[line.method] if floor else shared.names[line.method._replace(threshold="")],
            full=line.method.title,
            threshold=line.method.threshold,
            rank=line.rank,
            floor=floor,
            oracle=board.track.oracle,
            cells=[
                *_wrong(line),
                *(_figure(line, metric, shared.published, ranked_by) for metric in shared.metrics),
                *_measured(line, shared.setting),
            ],
            case=case_of(behind(line)[0]),
            notes=[*_notes(board, line), *filter(None, [swept.get(id(line))])],
        )
        for lines, floor in ((board.lines, False), (board.fitted_floors, True))
        for line in lines
    ]
    for name, floor in board.floors.items():
        known = [floor.get(metric) for metric in shared.metrics]
        cells = [Figure(float(rate == "100 %"), rate) for rate in FLOOR_RATES[name]]
        cells += [Figure(None, "") if value is None else Figure(value, f"{value:.3f}") for value in known]
        cells += [Figure(None, "")] * (2 if shared.setting is None else 4)
        found.append(Entry(*place, name, name, "", None, True, board.track.oracle, cells, "", ()))
    return found


class PublishedNumbers:
    """Finds the published numbers that may stand beside a row's: the same data, settings and protocol."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self._found: dict[tuple[str, str], list[Comparison]] = {}
        for comparison in comparisons:
            if comparison.verdict != "not comparable":
                data = comparison.verdicts[0].outcome.fingerprint
                self._found.setdefault((data, comparison.metric), []).append(comparison)

    def __call__(self, line: BoardRow, metric: str) -> list[Comparison]:
        """The numbers for one metric; none for a row that is a mean over categories."""
        if not line.verdicts:
            return []
        return [
            comparison
            for comparison in self._found.get((line.verdicts[0].outcome.fingerprint, metric), ())
            if all(one in (other, UNUSED) for one, other in zip(comparison.method, line.method, strict=True))
        ]


def _figure(line: BoardRow, metric: str, published: PublishedNumbers, ranked_by: str) -> Figure:
    found = line.stats.get(metric)
    if found is None:
        return Figure(None, "")
    interval = line.verdict.interval(metric) if line.verdict else None
    bounds = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
    if not interval and found.sd is not None:
        bounds = f"{found.low:.2f} to {found.high:.2f}"
    return Figure(found.mean, f"{found.mean:.3f}", bounds, published(line, metric), marks_of(line, metric, ranked_by))


def _wrong(line: BoardRow) -> list[Figure]:
    """False alarms and misses, with their intervals."""
    rates = [rate_with_interval(line, normal=normal) for normal in (True, False)]
    return [
        Figure(None, "")
        if rate is None
        else Figure(rate[0], f"{percent(rate[0])} %", f"{percent(rate[1])} to {percent(rate[2])}")
        for rate in rates
    ]


def _measured(line: BoardRow, setting: Setting | None) -> list[Figure]:
    """The means of AUPRO, of the seconds of a fit, and of latency and memory if any were measured."""
    verdicts = behind(line)
    seconds = [float(s) for verdict in verdicts if (s := verdict.outcome.record.fit_seconds) is not None]
    overlaps = [overlap for verdict in verdicts if (overlap := verdict.metric(PIXEL_METRICS[0])) is not None]
    columns = [(overlaps, "{:.3f}"), (seconds, "{:.1f}")]
    if setting is not None:
        latency = median_latency(line.outcomes, setting)
        columns.append(([] if latency is None else [latency], "{:.3g}"))
        memory = peak_memory(line.outcomes, setting)
        columns.append(([] if memory is None else [memory], "{:.0f}"))
    means = [(fmean(values) if values else None, form) for values, form in columns]
    return [Figure(None, "") if mean is None else Figure(mean, form.format(mean)) for mean, form in means]


def _notes(board: Board, line: BoardRow) -> list[str]:
    notes = []
    if line.categories < len(board.parts):
        notes.append(f"{line.categories} of {len(board.parts)} categories, so not ranked")
    if line.seeds > 1:
        notes.append(f"{line.seeds} seeds")
    if said := of_line(line):
        notes.append(f"verified {said}")
    if line.outlying_seeds:
        notes.append(f"far from the others: seed {', '.join(map(str, line.outlying_seeds))}")
    return notes


def critical_differences(ranked: Sequence[Board], names: Mapping[Method, str], metric: str) -> list[Json]:
    """The mean ranks of methods over categories, for each overall board and threshold."""
    found = []
    for at, board in enumerate(ranked):
        for threshold in dict.fromkeys(line.method.threshold for line in board.lines if board.parts):
            means = [
                {line.method: merit(line, metric) for line in part.lines if metric in line.stats}
                for part in board.parts
            ]
            methods = [
                line.method for line in board.lines if line.rank is not None and line.method.threshold == threshold
            ]
            values = {
                names[m._replace(threshold="")]: [by[m] for by in means]
                for m in methods
                if all(m in by for by in means)
            }
            if len(values) < _FEWEST_RANKED:
                continue
            tested = critical_difference(values)
            found.append(
                {
                    "board": at,
                    "threshold": threshold,
                    "ranks": list(tested.ranks.items()),
                    "groups": [list(group) for group in tested.groups if len(group) > 1],
                    "distance": tested.distance,
                    "p": tested.p,
                    "categories": len(means),
                }
            )
    return found
