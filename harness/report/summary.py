"""A summary for a pull request: the best methods with intervals, the winner of each category, and the data."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

from harness.printable import counted, printable
from harness.published.comparison import Compared
from harness.report.board_notes import floor_notes, heading_of, marks_of, row_names
from harness.report.comparison import comparison_tables
from harness.report.formats.markdown import markdown_tables
from harness.report.leaderboard import warnings_of
from harness.report.table import Table
from harness.report.verified import of_board
from harness.trials.repeat import command_of
from harness.trials.trial import UNUSED, Trial, spelt
from harness.verdicts.leaderboard import Board, boards, unfinished
from harness.verdicts.methods import labels
from harness.verdicts.rows import RANKED_BY, BoardRow
from harness.verdicts.verdict import Verdict

MOST = 10
"""How many methods a table shows."""
_METRICS = ("balanced_accuracy", "accuracy", "auroc")


def summary(
    verdicts: Sequence[Verdict],
    *,
    ranked_by: str = RANKED_BY,
    metrics: Sequence[str] = (),
    rootless: Collection[str] = (),
    title: str = "Anomaly detectors compared",
    compared: Compared | None = None,
) -> str:
    """Markdown with at most two tables for each track, and those of a comparison. Names cannot become markup."""
    ranked = boards(verdicts, ranked_by)
    overall = {board.track for board in ranked if board.category is None}
    metrics = list(dict.fromkeys((ranked_by, *_METRICS, *metrics)))
    tables = []
    for board in ranked:
        if board.category is None:
            tables += [_best(board, metrics, ranked_by), _winners(board, ranked_by)]
        elif board.track not in overall:
            tables.append(_best(board, metrics, ranked_by))
    tables += comparison_tables(compared)[0] if compared else []
    missing = [
        f"- {status}: {len(cells)} cell{'s' if len(cells) > 1 else ''}, such as {cells[0]}: {reason}"
        for (status, reason), cells in sorted(unfinished(verdicts).items())
    ]
    parts = [f"## {html.escape(title, quote=False)}", markdown_tables(tables).rstrip()]
    parts += [html.escape("\n".join(map(printable, missing)), quote=False)] if missing else []
    return "\n\n".join([*parts, _made(verdicts, rootless)]) + "\n"


def _best(board: Board, metrics: Sequence[str], ranked_by: str) -> Table:
    names = labels(line.method for line in board.lines)
    rows = [
        [str(line.rank or ""), names[line.method], *(_figure(line, metric, ranked_by) for metric in metrics)]
        for line in board.lines[:MOST]
    ]
    rows += [
        ["", row_names(board)[line.method], *(_figure(line, metric, ranked_by) for metric in metrics)]
        for line in board.fitted_floors
    ]
    rows += [
        ["", name, *(f"{floor[metric]:.3f}" if metric in floor else UNUSED for metric in metrics)]
        for name, floor in board.floors.items()
    ]
    notes = [note for note in board.notes if note.startswith("GRAVE")]
    notes += ["The last two rows are constant answers.", *floor_notes(board, ranked_by)]
    notes += [said] if (said := of_board(board)) else []
    notes += [f"{len(board.lines) - MOST} more methods are not shown."] if len(board.lines) > MOST else []
    headings = ["#", "method", *(heading_of(board, metric) for metric in metrics)]
    return Table(_title(board), headings, rows, frozenset(headings) - {"method"}, [" ".join(notes)])


def _winners(board: Board, ranked_by: str) -> Table:
    """The best method of each category, which need not be the best of all."""
    rows = []
    for part in board.parts:
        best, floor = part.lines[0], max(floor["accuracy"] for floor in part.floors.values())
        name = labels(line.method for line in part.lines)[best.method]
        tied = sum(line.rank == best.rank for line in part.lines) - 1
        name += f", and {tied} more" if tied else ""
        rows.append(
            [
                part.category or "",
                name,
                _figure(best, ranked_by, ranked_by),
                _figure(best, "accuracy", ranked_by),
                f"{floor:.3f}",
            ]
        )
    headings = ["category", "best", heading_of(board, ranked_by), "its accuracy", "floor"]
    return Table("Best of each category", headings, rows, frozenset(headings[2:]))


def _title(board: Board) -> str:
    scope = f"mean over {len(board.parts)} categories" if board.category is None else board.category
    parts = [board.track.dataset, scope, f"{board.n_normal} normal and {board.n_abnormal} anomalous test images"]
    return " · ".join(
        [
            *parts,
            f"{board.track.image_size} px",
            *filter(None, [spelt(board.track.protocol)]),
            *warnings_of(board.track),
        ]
    )


def _figure(line: BoardRow, metric: str, ranked_by: str) -> str:
    """`▽0.813 (0.72 to 0.88)`."""
    found = line.stats.get(metric)
    if found is None:
        return "-"
    mark = marks_of(line, metric, ranked_by)
    interval = line.verdict and line.verdict.interval(metric)
    return f"{mark}{found.mean:.3f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def _made(verdicts: Sequence[Verdict], rootless: Collection[str]) -> str:
    """A folded list of data, versions, machines and commands."""
    done = {verdict.outcome.id: verdict for verdict in verdicts if verdict.status == "done"}.values()
    lines = []
    data = sorted({(v.trial.dataset, v.trial.category, v.outcome.fingerprint) for v in done})
    lines += [f"data {dataset} {category}: {fingerprint}" for dataset, category, fingerprint in data]
    for name in ("versions", "machine"):
        found = {", ".join(f"{key} {value}" for key, value in getattr(v.outcome.record, name).items()) for v in done}
        lines += [f"{name}: {text}" for text in sorted(found) if text]
    by_method: dict[Trial, list[str]] = {}
    for verdict in done:
        by_method.setdefault(verdict.trial._replace(category=""), []).append(verdict.trial.category)
    for trial, categories in by_method.items():
        lines.append(command_of(trial, rootless, list(dict.fromkeys(categories))))
    text = html.escape("\n".join(map(printable, lines)), quote=False)
    trials = counted(len(done), "trial")
    return f"<details><summary>{trials}: data, versions, commands</summary>\n\n<pre>\n{text}\n</pre>\n</details>"
