"""How boards say that trials were fitted again by somebody who is trusted, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.verdicts.leaderboard import Board
from harness.verdicts.rows import BoardRow
from harness.verdicts.verdict import Verdict

HEADING = "verified"


def count(verdicts: Iterable[Verdict]) -> str:
    """`3 of 48`, in trials, and how many were found to be different; empty where none was fitted again."""
    trials = {verdict.outcome.id: verdict for verdict in verdicts if verdict.status == "done"}.values()
    if not any(verdict.checked for verdict in trials):
        return ""
    differ = sum(verdict.checked is not None and not verdict.verified for verdict in trials)
    said = f"{sum(verdict.verified for verdict in trials)} of {len(trials)}"
    return f"{said}, {differ} different" if differ else said


def of_line(line: BoardRow) -> str:
    """The same of one row of a board."""
    return count(_behind(line))


def of_board(board: Board) -> str:
    """`Verified 3 of 48 trials, by anna.`; empty where none was fitted again."""
    verdicts = [verdict for line in board.lines for verdict in _behind(line)]
    said = count(verdicts)
    names = sorted({verdict.checked.by for verdict in verdicts if verdict.checked})
    return f"Verified {said} trials, by {' and '.join(names)}." if said else ""


def cell(verdict: Verdict) -> str:
    """What a row for programs says: `equal`, `within tolerance`, `different`, or nothing."""
    return verdict.checked.result if verdict.checked else ""


def _behind(line: BoardRow) -> list[Verdict]:
    return [verdict for part in line.parts or [line] for verdict in part.verdicts]
