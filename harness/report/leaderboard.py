"""The leaderboard: ranked tables for people, rows of verdicts for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from harness.printable import counted
from harness.report import verified
from harness.report.alarms import FALSE_ALARMS, FLOOR_RATES, MISSES, false_alarms, misses
from harness.report.board_notes import (
    COMMON,
    HEADINGS,
    POOLED,
    board_notes,
    heading_of,
    is_uneven,
    legends,
    marks_of,
    row_names,
)
from harness.report.corrupted import corruption_table
from harness.report.ranking import ranking_rows
from harness.report.sweeps import sweep_notes
from harness.report.table import Document, Table
from harness.report.verdict_rows import VerdictRows
from harness.trials.latencies import Setting
from harness.trials.trial import UNUSED, spelt
from harness.verdicts.leaderboard import Board, boards, unfinished
from harness.verdicts.margins import margin
from harness.verdicts.methods import RANDOM_FEATURES, Method, Track
from harness.verdicts.rows import RANKED_BY, BoardRow
from harness.verdicts.speed import COLUMN as LATENCY
from harness.verdicts.speed import common_setting, median_latency
from harness.verdicts.sweeps import sweeps_of
from harness.verdicts.verdict import METRICS, Verdict

STATED = "AS STATED: the export has no scores that these ranks follow from"
_DROPPABLE = (
    "normal",
    "abnormal",
    "AP",
    POOLED,
    "seeds",
    "min to max",
    "categories",
    "balanced",
    "F1",
)
_NUMBERS = ("#", FALSE_ALARMS, MISSES, LATENCY, *HEADINGS.values())
_SETTINGS = (
    "weights",
    "pool",
    "threshold",
    "epochs",
    "holdout",
    "calibrate",
    "precision",
    "batch_size",
    "learning_rate",
)


def leaderboard_document(
    verdicts: Iterable[Verdict], ranked_by: str = RANKED_BY, metrics: Sequence[str] = (), *, overall: bool = False
) -> Document:
    """For people, ranked tables with floors; for programs, one row for each verdict, so each seed has its own.

    Tables have columns for these metrics in addition to METRICS. `overall` leaves out those of single categories, where
    there is one of their mean.
    """
    every = list(verdicts)
    reasons = _unfinished(every)

    def shown() -> list[Board]:
        found = boards(every, ranked_by)
        means = [board for board in found if board.category is None]
        return means if overall and means else list(found)

    return Document(
        tables=lambda: [table for board in shown() for table in _tables(board, ranked_by, metrics)],
        rows=lambda: VerdictRows(every),
        frame=lambda: list(ranking_rows(boards(every, ranked_by), metrics, ranked_by)),
        remarks=[reasons] if reasons else [],
    )


def _tables(board: Board, ranked_by: str, metrics: Sequence[str]) -> list[Table]:
    """The table of a board, and apart what corruptions do to its rows, where some were tried."""
    changed, sweeps = corruption_table(board), sweeps_of(board, ranked_by)
    folded = {id(line) for sweep in sweeps for line in sweep.lines[1:]}
    shown = replace(board, lines=[line for line in board.lines if id(line) not in folded]) if sweeps else board
    table = _table(shown, ranked_by, metrics)
    said = sweep_notes(sweeps, row_names(board), ranked_by)
    return [replace(table, notes=[*table.notes, *said]), *([changed] if changed else [])]


def _table(board: Board, ranked_by: str, metrics: Sequence[str]) -> Table:
    shared, varying = _settings([line.method for line in board.lines])
    several = any(line.seeds > 1 for line in board.lines)
    categories = max(line.categories for line in board.lines)
    extra = [POOLED] if board.category is None else ["min to max"] * several
    extra += ["categories"] * any(line.categories < categories for line in board.lines)
    extra += ["seeds"] * several + [COMMON] * is_uneven(board)
    headings = ["#", "method", FALSE_ALARMS, MISSES, *varying, *HEADINGS.values()]
    at = headings.index(HEADINGS["accuracy"]) + 1
    headings[at:at] = extra
    setting = common_setting(outcome for line in board.lines for outcome in line.outcomes)
    more = {metric: heading_of(board, metric) for metric in metrics if metric not in METRICS}
    checked = any(verified.of_line(line) for line in board.lines)
    headings += [*more.values(), *([LATENCY] * (setting is not None)), *[verified.HEADING] * checked]
    names, ranking = row_names(board), heading_of(board, ranked_by)
    rows = []
    for line in (*board.lines, *board.fitted_floors):
        row = [str(line.rank or ""), names[line.method], false_alarms(line), misses(line)]
        row += [_setting(line.method, name) for name in varying]
        row += [figure_of(line, metric, ranked_by) for metric in METRICS]
        row[at:at] = [_extra(line, name, categories, ranked_by) for name in extra]
        row += [figure_of(line, metric, ranked_by) for metric in more]
        row += [_latency(line, setting)] * (setting is not None) + [verified.of_line(line)] * checked
        rows.append(row)
    for name, floor in board.floors.items():
        row = ["", name, *FLOOR_RATES[name], *("" for _ in varying), *(f"{floor[metric]:.3f}" for metric in METRICS)]
        row[at:at] = [""] * len(extra)
        row += [f"{floor[metric]:.3f}" if metric in floor else UNUSED for metric in more]
        rows.append(row + [""] * (len(headings) - len(row)))
    return Table(
        title=_title(board, shared),
        headings=headings,
        rows=rows,
        numbers=frozenset({*_NUMBERS, *more.values(), *extra}),
        notes=board_notes(board, ranked_by, metrics),
        faint=frozenset(range(len(board.lines), len(rows))),
        legends=legends(board, ranked_by, setting),
        droppable=[heading for heading in _DROPPABLE if heading != ranking],
        kept=frozenset({"method", FALSE_ALARMS, MISSES, ranking}),
        stacked=frozenset({FALSE_ALARMS, MISSES, *HEADINGS.values(), *more.values()}),
        folding=frozenset({"method"}),
        full={names[line.method]: line.method.title for line in board.lines},
    )


def _title(board: Board, shared: Sequence[str]) -> str:
    scope = "mean over categories" if board.category is None else board.category
    parts = [board.track.dataset, scope, f"{board.n_normal} normal and {board.n_abnormal} anomalous test images"]
    parts += [f"{board.track.image_size} px", *filter(None, [spelt(board.track.protocol)]), *shared]
    return " · ".join([*parts, *warnings_of(board.track)])


def warnings_of(track: Track) -> list[str]:
    """What must be said of all rows of a track, for its title."""
    return ["ORACLE: thresholds saw test labels"] * track.oracle + [STATED] * track.stated


def _settings(methods: Sequence[Method]) -> tuple[list[str], list[str]]:
    """The settings that all methods share, in words, and the names of those that differ."""
    shared, varying = [], []
    words: dict[str, Callable[[Any], str]] = {
        "weights": "{} weights".format,
        "pool": "pool {}".format,
        "threshold": "threshold {}".format,
        "epochs": lambda count: counted(count, "epoch"),
        "holdout": "holdout {:g}".format,
        "calibrate": "limits by {}".format,
        "precision": "{}".format,
        "batch_size": "batch {}".format,
        "learning_rate": "learning rate {:g}".format,
    }
    if _several_versions(methods):
        varying.append("versions")
    for name in _SETTINGS:
        values = {getattr(method, name) for method in methods if not _is_unused(method, name)}
        if len(values) > 1:
            varying.append(name)
        elif values and values not in ({0}, {""}) and name not in ("precision", "batch_size", "learning_rate"):
            shared.append(RANDOM_FEATURES if values == {RANDOM_FEATURES} else words[name](*values))
    return shared, varying


def _several_versions(methods: Sequence[Method]) -> bool:
    """Whether some method stands there as two versions of its parts made it."""
    found = {(method.title, method.versions) for method in methods}
    return len(found) > len({title for title, _ in found})


def _is_unused(method: Method, name: str) -> bool:
    """Whether a setting has no effect on a method, as epochs on one that is not trained."""
    return getattr(method, name) == UNUSED or (method.epochs == 0 and name in ("epochs", "batch_size", "learning_rate"))


def _setting(method: Method, name: str) -> str:
    value = getattr(method, name)
    return UNUSED if _is_unused(method, name) else f"{value:g}" if isinstance(value, float) else str(value)


def figure_of(line: BoardRow, metric: str, ranked_by: str) -> str:
    """`0.813 ±.04`, marked where an accuracy does not beat constant answers, or what ranks it no fitted floor."""
    found = line.stats.get(metric)
    if found is None:
        return UNUSED
    return f"{marks_of(line, metric, ranked_by)}{found.mean:.3f}{_margin(line, metric)}"


def _margin(line: BoardRow, metric: str) -> str:
    """` ±.04`; empty where nothing is known."""
    half = margin(line, metric)
    return (
        ""
        if half is None
        else f" ±{half:.2f}".replace("±0.", "±.")
        if half >= 0.01
        else f" ±{half:.3f}".replace("±0.", "±.")
    )


def _extra(line: BoardRow, name: str, categories: int, ranked_by: str) -> str:
    """The cell of a column that stands beside the accuracy: its interval or spread, or how many it is a mean of."""
    if name == COMMON:
        worth = line.worth(ranked_by)
        return UNUSED if worth is None else f"{worth:.3f}"
    accuracy = line.stats["accuracy"]
    if name == "min to max":
        return "" if accuracy.sd is None else f"{accuracy.low:.3f} to {accuracy.high:.3f}"
    if name == POOLED:
        return f"{line.pooled_accuracy:.3f}"
    return str(line.seeds) if name == "seeds" else f"{line.categories} of {categories}"


def _latency(line: BoardRow, setting: Setting | None) -> str:
    """`12.3`, in milliseconds; empty where it was not measured."""
    found = median_latency(line.outcomes, setting)
    return "" if found is None else f"{found:.3g}"


def _unfinished(verdicts: Sequence[Verdict]) -> list[str]:
    lines = []
    for (status, reason), cells in sorted(unfinished(verdicts).items()):
        more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        lines.append(f"{status}: {cells[0]}{more}: {reason}")
    return lines
