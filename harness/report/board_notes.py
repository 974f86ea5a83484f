"""What is said below a board: what ranks it, what its marks and columns mean, and what is odd about its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.report import verified
from harness.report.alarms import FALSE_ALARMS, NOTE, defect_rate_of, of_a_day
from harness.report.metric_names import in_words
from harness.trials.latencies import Setting
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import Method, short_names
from harness.verdicts.rows import BoardRow
from harness.verdicts.speed import COLUMN as LATENCY
from harness.verdicts.verdict import METRICS

FLOOR_MARK = "▽"
FITTED_FLOOR_MARK = "▼"
MARKS = {
    FLOOR_MARK: "does not beat a constant answer",
    FITTED_FLOOR_MARK: "does not beat a floor that looks at next to nothing, such as global statistics",
}
"""What marks of figures mean."""
COMMON = "common seeds"
MARGINS = (
    "±: half a 95 % interval, for other test images and, of several seeds, for other fits (of pixel metrics for these "
    "alone). Near 0 and 1 all of the interval lies on one side, so that 1.000 ±.09 is from .82."
)
POOLED = "pooled"
HEADINGS = {
    "normal_rate": "normal",
    "abnormal_rate": "abnormal",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "f1": "F1",
    "auroc": "AUROC",
    "average_precision": "AP",
}
"""Of the columns of METRICS."""
_TIES = 3
"""So many shared ranks are told at most."""


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


def row_names(board: Board) -> dict[Method, str]:
    """What the rows of a board are called: `dae · vgg16 · mse`, and a fitted floor below them `global statistics`."""
    floors = {line.method: line.method.title.replace("_", " ") for line in board.fitted_floors}
    return short_names(line.method for line in board.lines) | floors


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
        known = row_names(board)
        names = " or ".join(dict.fromkeys(known[line.method] for line in board.fitted_floors))
        notes.append(f"{FITTED_FLOOR_MARK} {in_words(ranked_by)} does not beat {names}, which sees next to nothing.")
    return notes


def board_notes(board: Board, ranked_by: str, metrics: Sequence[str]) -> list[str]:
    """A paragraph on the whole board: its findings, what ranks it, who ties, and what is odd about its rows."""
    notes = [*board.notes, _ranking(board, in_words(ranked_by)), *_ties(board)]
    more = [metric for metric in metrics if metric not in METRICS]
    if not board.track.stated and (said := [in_words(metric) for metric in more if _is_stated(board, metric)]):
        notes.append(f"As the export states, and not worked out again: {', '.join(said)}.")
    if checked := verified.of_board(board):
        notes.append(checked)
    names = row_names(board)
    rates = [rate for rate in map(defect_rate_of, metrics) if rate is not None]
    notes += [day for rate in rates if (day := _of_a_day(board.lines[0], names, rate))]
    for line in board.lines:
        if line.outlying_seeds:
            seeds = ", ".join(map(str, line.outlying_seeds))
            notes.append(f"Far from the other seeds: {names[line.method]}, seed {seeds}.")
    return [" ".join(notes)]


def legends(board: Board, ranked_by: str, setting: Setting | None) -> list[tuple[str, str]]:
    """What columns mean, each sentence under the heading without which it need not be said."""
    marks = floor_notes(board, ranked_by)
    found = [(HEADINGS["accuracy"], said) for said in marks if said.startswith(FLOOR_MARK)]
    found += [(heading_of(board, ranked_by), said) for said in marks if said.startswith(FITTED_FLOOR_MARK)]
    if board.category is None:
        found.append((POOLED, "Means give each category the same weight; pooled gives each image the same weight."))
    found += [("method", MARGINS), (FALSE_ALARMS, NOTE)]
    if setting is not None:
        found.append((LATENCY, f"{LATENCY}: milliseconds for one image, the median, on {setting}."))
    return found


def _ties(board: Board) -> list[str]:
    """Which ranks several rows share."""
    counts = Counter(line.rank for line in board.lines if line.rank is not None)
    tied = [f"{n} at rank {rank}" for rank, n in sorted(counts.items()) if n > 1]
    more = f" and {len(tied) - _TIES} more" if len(tied) > _TIES else ""
    return [f"Tied: {', '.join(tied[:_TIES])}{more}; these images do not tell them apart."] if tied else []


def _of_a_day(line: BoardRow, names: Mapping[Method, str], defect_rate: float) -> str:
    """What the first row means for a day's parts."""
    normal, abnormal = line.stats.get("normal_rate"), line.stats.get("abnormal_rate")
    if normal is None or abnormal is None:
        return ""
    return f"{names[line.method]}: {of_a_day(1 - normal.mean, 1 - abnormal.mean, defect_rate)}."


def _is_stated(board: Board, metric: str) -> bool:
    """Whether some row of a board has a metric that its export merely states."""
    lines = [part for line in board.lines for part in line.parts or [line]]
    return any(metric in line.stats and not v.follows(metric) for line in lines for v in line.verdicts)


def _ranking(board: Board, metric: str) -> str:
    """What rows are ranked by, and on which seeds where they differ in theirs."""
    parts = board.parts or [board]
    if is_uneven(board):
        if board.category is not None and board.common:
            seeds = sorted(board.common)
            which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}, which all rows have"
        else:
            which = "the seeds that all rows of a category have"
        return f"Ranked by {metric} over {which} (column {COMMON}); other figures are over all of a row's seeds."
    if any(part.common is not None for part in parts):
        return f"Ranked by {metric}, each row over its own seeds: no seed is common to all."
    return f"Ranked by {metric}."


def is_uneven(board: Board) -> bool:
    """Whether rows have different seeds, but some in common, which they are ranked on."""
    return any(part.common for part in board.parts or [board])
