"""The leaderboard: ranked tables for people, verdict rows for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.judge import METRICS, Verdict
from harness.leaderboard import RANKED_BY, Board, Line, Method, Stat, boards, unfinished
from harness.report.table import Table, csv_text, json_text, markdown, rich_text
from harness.trial import UNUSED

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
_SETTINGS = ("weights", "pool", "threshold", "epochs", "holdout", "precision", "batch_size", "lr")


def render(verdicts: Iterable[Verdict], style: str, ranked_by: str = RANKED_BY, width: int | None = None) -> str:
    """Rich and md: ranked tables with floors. Csv and json: one row a verdict, seeds apart."""
    every = list(verdicts)
    if style == "json":
        return json_text([verdict.row() for verdict in every])
    if style == "csv":
        rows = [verdict.row() for verdict in every]
        return csv_text(rows, list(rows[0]) if rows else [])
    tables = [_table(board, ranked_by) for board in boards(every, ranked_by)]
    text = markdown(tables) if style == "md" else rich_text(tables, width)
    return text + _unfinished(every)


def _table(board: Board, ranked_by: str) -> Table:
    shared, varying = _settings([line.method for line in board.lines])
    overall = board.category is None
    several = any(line.seeds > 1 for line in board.lines)
    headings = ["#", "method", *varying, *HEADINGS.values()]
    headings += ["pooled", "categories"] if overall else []
    headings += ["seeds"] if several else []
    numbers = frozenset({"#", *HEADINGS.values(), "pooled", "categories", "seeds"})
    categories = max(line.categories for line in board.lines)
    rows, faint = [], set()
    for line in board.lines:
        row = [str(line.rank or ""), line.method.title, *(_setting(line.method, name) for name in varying)]
        row += [_figure(line, metric, overall) for metric in METRICS]
        row += [f"{line.pooled_accuracy:.3f}", f"{line.categories} of {categories}"] if overall else []
        row += [str(line.seeds)] if several else []
        rows.append(row)
    for name, floor in board.floors.items():
        faint.add(len(rows))
        row = ["", name, *("" for _ in varying), *(f"{floor[metric]:.3f}" for metric in METRICS)]
        row += ["", ""] if overall else []
        row += [""] if several else []
        rows.append(row)
    return Table(_title(board, shared), headings, rows, numbers, _notes(board, ranked_by), frozenset(faint))


def _title(board: Board, shared: Sequence[str]) -> str:
    scope = "mean over categories" if board.category is None else board.category
    parts = [board.track.dataset, scope, f"{board.n_normal} normal and {board.n_abnormal} anomalous test images"]
    parts += [f"{board.track.image_size} px", *shared]
    parts += ["ORACLE: thresholds saw test labels"] if board.track.oracle else []
    return " · ".join(parts)


def _settings(methods: Sequence[Method]) -> tuple[list[str], list[str]]:
    """What all methods share, in words, and the names of what differs between them."""
    shared, varying = [], []
    words = {
        "weights": "{} weights",
        "pool": "pool {}",
        "threshold": "threshold {}",
        "epochs": "{} epochs",
        "holdout": "holdout {:g}",
        "precision": "{}",
        "batch_size": "batch {}",
        "lr": "lr {:g}",
    }
    for name in _SETTINGS:
        values = {getattr(method, name) for method in methods}
        if len(values) > 1:
            varying.append(name)
        elif values.isdisjoint({UNUSED, 0}) and name not in ("precision", "batch_size", "lr"):
            shared.append(words[name].format(*values))
    return shared, varying


def _setting(method: Method, name: str) -> str:
    value = getattr(method, name)
    unused = method.epochs == 0 and name in ("epochs", "batch_size", "lr")
    return UNUSED if unused else f"{value:g}" if isinstance(value, float) else str(value)


def _figure(line: Line, metric: str, overall: bool) -> str:
    """`0.81`, with its interval or spread where there is one, and the floor's mark."""
    found = line.stats.get(metric)
    if found is None:
        return UNUSED
    text = f"{found.mean:.3f}"
    if metric == "accuracy" and not line.beats_floors:
        text = f"{FLOOR_MARK} {text}"
    if overall:
        return text
    if metric == "accuracy" and line.interval:
        return f"{text} [{line.interval[0]:.2f}, {line.interval[1]:.2f}]"
    return text + _spread(found)


def _spread(found: Stat) -> str:
    return "" if found.sd is None else f" ± {found.sd:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _notes(board: Board, ranked_by: str) -> list[str]:
    notes = [*board.notes, f"Ranked by {HEADINGS[ranked_by]}."]
    if any(not line.beats_floors for line in board.lines):
        notes.append(f"{FLOOR_MARK} accuracy does not beat a constant answer.")
    if board.category is None:
        notes.append("Means give each category the same weight; pooled gives each image the same weight.")
    elif any(line.interval for line in board.lines):
        notes.append("In brackets: 95 % Wilson interval.")
    if any(line.stats["accuracy"].sd is not None for line in board.lines) and board.category is not None:
        notes.append("± standard deviation over seeds, in brackets minimum and maximum.")
    for line in board.lines:
        if line.outlying_seeds:
            seeds = ", ".join(map(str, line.outlying_seeds))
            notes.append(f"Far from the other seeds: {line.method.title}, seed {seeds}.")
    return [" ".join(notes)]


def _unfinished(verdicts: Sequence[Verdict]) -> str:
    lines = []
    for (status, reason), cells in sorted(unfinished(verdicts).items()):
        more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        lines.append(f"{status}: {cells[0]}{more}: {reason}\n")
    return "".join(lines)
