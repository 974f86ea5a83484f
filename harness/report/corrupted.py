"""What corruptions do to methods: a table apart, and curves over severity for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.api.corruptions import SEVERITIES
from harness.report.alarms import FALSE_ALARMS, MISSES, percent
from harness.report.board_notes import row_names
from harness.report.table import Table
from harness.trials.trial import spelt
from harness.verdicts.corrupted import rates_of
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import Method

_SHOWN = 6
"""So many methods have curves; more would be hard to tell apart."""
NOTE = (
    f"Per cent without a change, then at severities {SEVERITIES[0]} to {SEVERITIES[-1]}, at the limits that were set "
    "on unchanged images; means over seeds. The part is as it was: only light, camera or mounting differ."
)


def corruption_table(board: Board) -> Table | None:
    """A row for each method and corruption that it was tried with; None where none was."""
    names = row_names(board)
    rows = [
        [names[line.method], corruption, _shares(rates.false_alarms), _shares(rates.misses)]
        for line in board.lines
        for corruption, rates in rates_of(line).items()
    ]
    if not rows:
        return None
    scope = board.category or "mean over categories"
    protocol = spelt(board.track.protocol)
    title = [board.track.dataset, scope, f"{board.track.image_size} px", *filter(None, [protocol]), "on changed images"]
    return Table(
        title=" · ".join(title),
        headings=["method", "corruption", FALSE_ALARMS, MISSES],
        rows=rows,
        numbers=frozenset({FALSE_ALARMS, MISSES}),
        notes=[NOTE],
        kept=frozenset({"method", FALSE_ALARMS, MISSES}),
        folding=frozenset({"method", "corruption"}),
    )


def _shares(shares: Sequence[float]) -> str:
    """`5 · 5 · 10 · 30 · 95 · 100`."""
    return " · ".join(map(percent, shares))


def drawn_changes(boards: Sequence[Board], names: Mapping[Method, str]) -> list[dict[str, Any]]:
    """What the page's script draws: a chart for each board and corruption, with the best methods.

    Each is there at the threshold that ranks it highest; shares are of severity 0, which is no change, to 5.
    """
    charts = []
    for board in boards:
        if board.track.oracle:  # its limits are no production line's
            continue
        best = {line.method._replace(threshold=""): line for line in reversed(board.lines)}  # the highest one stays
        tried = [(line, rates) for line in board.lines if line in best.values() and (rates := rates_of(line))]
        for corruption in dict.fromkeys(name for _, rates in tried for name in rates):
            curves = [
                {
                    "method": f"{names[line.method._replace(threshold='')]} · {line.method.threshold}",
                    "false_alarms": list(rates[corruption].false_alarms),
                    "misses": list(rates[corruption].misses),
                }
                for line, rates in tried
                if corruption in rates
            ]
            scope = " · ".join([board.category or "mean over categories", f"{board.track.image_size} px"])
            more = max(0, len(curves) - _SHOWN)
            charts.append({"scope": scope, "corruption": corruption, "curves": curves[:_SHOWN], "more": more})
    return charts
