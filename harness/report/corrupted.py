"""What corruptions do to methods: a table apart, and curves over severity for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
_WIDTH, _HEIGHT = 240.0, 120.0
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


class Curve(NamedTuple):
    """One method under one corruption, as the points of two lines."""

    method: str
    colour: int
    false_alarms: str
    misses: str


class Chart(NamedTuple):
    """One corruption on one board."""

    scope: str
    corruption: str
    curves: Sequence[Curve]
    more: int
    """Methods that are not drawn."""


def corruption_charts(boards: Sequence[Board], names: Mapping[Method, str]) -> list[Chart]:
    """A chart for each board and corruption, with the best methods, each at the threshold that ranks it highest."""
    charts = []
    for board in boards:
        if board.track.oracle:  # its limits are no production line's
            continue
        best = {line.method._replace(threshold=""): line for line in reversed(board.lines)}  # the highest one stays
        tried = [(line, rates) for line in board.lines if line in best.values() and (rates := rates_of(line))]
        for corruption in dict.fromkeys(name for _, rates in tried for name in rates):
            having = [(line, rates[corruption]) for line, rates in tried if corruption in rates]
            called = [f"{names[line.method._replace(threshold='')]} · {line.method.threshold}" for line, _ in having]
            curves = [
                Curve(name, at, _points(rates.false_alarms), _points(rates.misses))
                for at, (name, (_, rates)) in enumerate(zip(called, having, strict=True))
            ]
            scope = " · ".join([board.category or "mean over categories", f"{board.track.image_size} px"])
            charts.append(Chart(scope, corruption, curves[:_SHOWN], max(0, len(curves) - _SHOWN)))
    return charts


def _points(shares: Sequence[float]) -> str:
    steps = len(shares) - 1
    places = ((_WIDTH * at / steps, _HEIGHT * (1 - share)) for at, share in enumerate(shares))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
