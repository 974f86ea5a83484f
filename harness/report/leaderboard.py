"""The leaderboard: ranked tables for people, rows of verdicts for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report import verified
from harness.report.alarms import FALSE_ALARMS, MISSES, NOTE, defect_rate_of, false_alarms, misses, of_a_day
from harness.report.metric_names import in_words
from harness.report.ranking import ranking_rows
from harness.report.table import Document, Table
from harness.report.verdict_rows import verdict_rows
from harness.trials.latencies import Setting
from harness.trials.trial import UNUSED
from harness.verdicts.leaderboard import Board, boards, unfinished
from harness.verdicts.methods import Method, Track
from harness.verdicts.rows import RANKED_BY, BoardRow
from harness.verdicts.speed import COLUMN as LATENCY
from harness.verdicts.speed import common_setting, median_latency
from harness.verdicts.verdict import METRICS, Verdict

HEADINGS = {
    "normal_rate": "normal",
    "abnormal_rate": "abnormal",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "f1": "F1",
    "auroc": "AUROC",
    "average_precision": "AP",
}
FLOOR_MARK = "▽"
FITTED_FLOOR_MARK = "▼"
MARKS = {
    FLOOR_MARK: "does not beat a constant answer",
    FITTED_FLOOR_MARK: "does not beat a floor that looks at next to nothing, such as global statistics",
}
"""What marks of figures mean."""
AUROC_INTERVAL = "AUROC 95 %"
COMMON = "common seeds"
STATED = "AS STATED: the export has no scores that these ranks follow from"
_DROPPABLE = (
    "normal",
    "abnormal",
    "AP",
    "pooled",
    "seeds",
    AUROC_INTERVAL,
    "95 %",
    "min to max",
    "±",
    "categories",
    "balanced",
    "F1",
)
_FLOOR_RATES = {"all anomalous": ("100 %", "0 %"), "all normal": ("0 %", "100 %")}
_NUMBERS = ("#", FALSE_ALARMS, MISSES, AUROC_INTERVAL, LATENCY, *HEADINGS.values())
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
        tables=lambda: [_table(board, ranked_by, metrics) for board in shown()],
        rows=lambda: verdict_rows(every),
        frame=lambda: list(ranking_rows(boards(every, ranked_by), metrics, ranked_by)),
        remarks=[reasons] if reasons else [],
    )


def _table(board: Board, ranked_by: str, metrics: Sequence[str]) -> Table:
    shared, varying = _settings([line.method for line in board.lines])
    overall = board.category is None
    several = any(line.seeds > 1 for line in board.lines)
    categories = max(line.categories for line in board.lines)
    partial = any(line.categories < categories for line in board.lines)
    extra = ["pooled"] if overall else ["±", "min to max"] if several else ["95 %"]
    uneven = _uneven(board)
    extra += ["categories"] * partial + ["seeds"] * several + [COMMON] * uneven
    headings = ["#", "method", FALSE_ALARMS, MISSES, *varying, *HEADINGS.values()]
    at = headings.index(HEADINGS["accuracy"]) + 1
    headings[at:at] = extra
    bounded = any(line.verdict for line in board.lines)
    at_auroc = headings.index(HEADINGS["auroc"]) + 1
    headings[at_auroc:at_auroc] = [AUROC_INTERVAL] * bounded
    setting = common_setting(outcome for line in board.lines for outcome in line.outcomes)
    more = {metric: heading_of(board, metric) for metric in metrics if metric not in METRICS}
    checked = any(verified.of_line(line) for line in board.lines)
    headings += [*more.values(), *([LATENCY] * (setting is not None)), *[verified.HEADING] * checked]
    rows = []
    for line in (*board.lines, *board.fitted_floors):
        row = [str(line.rank or ""), title_of(line, board), false_alarms(line), misses(line)]
        row += [_setting(line.method, name) for name in varying]
        row += [figure_of(line, metric, ranked_by) for metric in METRICS]
        row[at:at] = [_extra(line, name, categories, ranked_by) for name in extra]
        row[at_auroc:at_auroc] = [_bounds(line, "auroc")] * bounded
        row += [figure_of(line, metric, ranked_by) for metric in more]
        row += [_latency(line, setting)] * (setting is not None) + [verified.of_line(line)] * checked
        rows.append(row)
    for name, floor in board.floors.items():
        row = ["", name, *_FLOOR_RATES[name], *("" for _ in varying), *(f"{floor[metric]:.3f}" for metric in METRICS)]
        row[at:at] = [""] * len(extra)
        row[at_auroc:at_auroc] = [""] * bounded
        row += [f"{floor[metric]:.3f}" if metric in floor else UNUSED for metric in more]
        row += [""] * (setting is not None) + [""] * checked
        rows.append(row)
    return Table(
        title=_title(board, shared),
        headings=headings,
        rows=rows,
        numbers=frozenset(
            {"#", FALSE_ALARMS, MISSES, AUROC_INTERVAL, LATENCY, *HEADINGS.values(), *more.values(), *extra}
        ),
        notes=_notes(board, ranked_by, setting, metrics),
        faint=frozenset(range(len(board.lines), len(rows))),
        droppable=_DROPPABLE,
        kept=frozenset({"method", FALSE_ALARMS, MISSES}),
        folding=frozenset({"method"}),
    )


def heading_of(board: Board | None, metric: str) -> str:
    """A metric's heading in tables, with an arrow where lower is better; None where nothing is ranked."""
    if metric in HEADINGS:
        return HEADINGS[metric]
    if board is None:
        return metric.replace("_", " ")
    line = board.lines[0].parts[0] if board.lines[0].parts else board.lines[0]
    measured = line.verdicts[0].measured
    part = measured.metrics.get(metric) if measured else None
    if part is None:
        return in_words(metric)
    title = part.title if part.title and metric == part.name else in_words(metric)
    return title if part.higher_is_better else f"{title} ↓"


def _title(board: Board, shared: Sequence[str]) -> str:
    scope = "mean over categories" if board.category is None else board.category
    parts = [board.track.dataset, scope, f"{board.n_normal} normal and {board.n_abnormal} anomalous test images"]
    parts += [f"{board.track.image_size} px", *shared]
    return " · ".join([*parts, *warnings_of(board.track)])


def warnings_of(track: Track) -> list[str]:
    """What must be said of all rows of a track, for its title."""
    return ["ORACLE: thresholds saw test labels"] * track.oracle + [STATED] * track.stated


def _settings(methods: Sequence[Method]) -> tuple[list[str], list[str]]:
    """The settings that all methods share, in words, and the names of those that differ."""
    shared, varying = [], []
    words = {
        "weights": "{} weights",
        "pool": "pool {}",
        "threshold": "threshold {}",
        "epochs": "{} epochs",
        "holdout": "holdout {:g}",
        "calibrate": "limits by {}",
        "precision": "{}",
        "batch_size": "batch {}",
        "learning_rate": "learning rate {:g}",
    }
    if _several_versions(methods):
        varying.append("versions")
    for name in _SETTINGS:
        values = {getattr(method, name) for method in methods if not _is_unused(method, name)}
        if len(values) > 1:
            varying.append(name)
        elif values and values not in ({0}, {""}) and name not in ("precision", "batch_size", "learning_rate"):
            shared.append(words[name].format(*values))
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


def title_of(line: BoardRow, board: Board) -> str:
    """What a row is called: `dae + vgg16 + mse`; a fitted floor below others `global statistics`."""
    return line.method.title.replace("_", " ") if line in board.fitted_floors else line.method.title


def figure_of(line: BoardRow, metric: str, ranked_by: str) -> str:
    """`0.813`, marked where an accuracy does not beat constant answers, or what ranks it no fitted floor."""
    found = line.stats.get(metric)
    if found is None:
        return UNUSED
    return f"{marks_of(line, metric, ranked_by)}{found.mean:.3f}"


def marks_of(line: BoardRow, metric: str, ranked_by: str) -> str:
    """Which floors a row does not beat: constant answers by its accuracy, and fitted ones by what it is ranked by."""
    constant = metric == "accuracy" and not line.beats_floors
    fitted = metric == ranked_by and not line.beats_fitted_floors(metric)
    return FLOOR_MARK * constant + FITTED_FLOOR_MARK * fitted


def floor_notes(board: Board, ranked_by: str) -> list[str]:
    """What the marks of a board mean, of those that it has."""
    notes = []
    if any(not line.beats_floors for line in (*board.lines, *board.fitted_floors)):
        notes.append(f"{FLOOR_MARK} accuracy does not beat a constant answer.")
    if any(not line.beats_fitted_floors(ranked_by) for line in board.lines):
        names = " or ".join(dict.fromkeys(title_of(line, board) for line in board.fitted_floors))
        notes.append(f"{FITTED_FLOOR_MARK} {in_words(ranked_by)} does not beat {names}, which sees next to nothing.")
    return notes


def _uneven(board: Board) -> bool:
    """Whether rows have different seeds, but some in common, which they are ranked on."""
    return any(part.common for part in board.parts or [board])


def _extra(line: BoardRow, name: str, categories: int, ranked_by: str) -> str:
    """The cell of a column that stands beside the accuracy: its interval or spread, or how many it is a mean of."""
    if name == COMMON:
        worth = line.worth(ranked_by)
        return UNUSED if worth is None else f"{worth:.3f}"
    accuracy = line.stats["accuracy"]
    if name == "95 %":
        return _bounds(line, "accuracy")
    if name == "±":
        return "" if accuracy.sd is None else f"{accuracy.sd:.3f}"
    if name == "min to max":
        return "" if accuracy.sd is None else f"{accuracy.low:.3f} to {accuracy.high:.3f}"
    if name == "pooled":
        return f"{line.pooled_accuracy:.3f}"
    return str(line.seeds) if name == "seeds" else f"{line.categories} of {categories}"


def _bounds(line: BoardRow, metric: str) -> str:
    """`0.72 to 1.00`; empty for more than one seed."""
    interval = line.verdict and line.verdict.interval(metric)
    return f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else ""


def _latency(line: BoardRow, setting: Setting | None) -> str:
    """`12.3`, in milliseconds; empty where it was not measured."""
    found = median_latency(line.outcomes, setting)
    return "" if found is None else f"{found:.3g}"


def _notes(board: Board, ranked_by: str, setting: Setting | None, metrics: Sequence[str]) -> list[str]:
    notes = [*board.notes, _ranking(board, in_words(ranked_by))]
    more = [metric for metric in metrics if metric not in METRICS]
    if not board.track.stated and (said := [in_words(metric) for metric in more if _is_stated(board, metric)]):
        notes.append(f"As the export states, and not worked out again: {', '.join(said)}.")
    if checked := verified.of_board(board):
        notes.append(checked)
    notes += floor_notes(board, ranked_by)
    if board.category is None:
        notes.append("Means give each category the same weight; pooled gives each image the same weight.")
    several = any(line.seeds > 1 for line in board.lines)
    if several and board.category is not None:
        notes.append("±: standard deviation of the accuracy over seeds.")
    if any(line.verdict for line in board.lines):
        intervals = "AUROC 95 %: Newcombe, for one seed." if several else "95 %: accuracy by Wilson, AUROC by Newcombe."
        notes.append(intervals)
    notes.append(NOTE)
    notes += [_of_a_day(board.lines[0], rate) for rate in map(defect_rate_of, metrics) if rate is not None]
    if setting is not None:
        notes.append(f"{LATENCY}: milliseconds for one image, the median, on {setting}.")
    for line in board.lines:
        if line.outlying_seeds:
            seeds = ", ".join(map(str, line.outlying_seeds))
            notes.append(f"Far from the other seeds: {line.method.title}, seed {seeds}.")
    return [" ".join(notes)]


def _of_a_day(line: BoardRow, defect_rate: float) -> str:
    """What the first row means for a day's parts."""
    normal, abnormal = line.stats.get("normal_rate"), line.stats.get("abnormal_rate")
    if normal is None or abnormal is None:
        return ""
    return f"{line.method.title}: {of_a_day(1 - normal.mean, 1 - abnormal.mean, defect_rate)}."


def _is_stated(board: Board, metric: str) -> bool:
    """Whether some row of a board has a metric that its export merely states."""
    lines = [part for line in board.lines for part in line.parts or [line]]
    return any(metric in line.stats and not v.follows(metric) for line in lines for v in line.verdicts)


def _ranking(board: Board, metric: str) -> str:
    """What rows are ranked by, and on which seeds where they differ in theirs."""
    parts = board.parts or [board]
    if _uneven(board):
        if board.category is not None and board.common:
            seeds = sorted(board.common)
            which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}, which all rows have"
        else:
            which = "the seeds that all rows of a category have"
        return f"Ranked by {metric} over {which} (column {COMMON}); other figures are over all of a row's seeds."
    if any(part.common is not None for part in parts):
        return f"Ranked by {metric}, each row over its own seeds: no seed is common to all."
    return f"Ranked by {metric}."


def _unfinished(verdicts: Sequence[Verdict]) -> list[str]:
    lines = []
    for (status, reason), cells in sorted(unfinished(verdicts).items()):
        more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        lines.append(f"{status}: {cells[0]}{more}: {reason}")
    return lines
