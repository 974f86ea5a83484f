"""The rows of a leaderboard's tables for programs: one for each method on each board, with its rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.trials.trial import named
from harness.verdicts.leaderboard import Board
from harness.verdicts.rows import BoardRow
from harness.verdicts.verdict import METRICS

OVERALL = "mean over categories"
"""What stands for the category in rows that are a mean over several."""


def ranking_rows(boards: Sequence[Board], metrics: Sequence[str], ranked_by: str) -> Iterator[dict[str, Any]]:
    """The tables' rows from the first to the last, without constant answers; a mean that is not defined is None."""
    shown = [*METRICS, *(name for name in metrics if name not in METRICS)]
    for board in boards:
        for line in (*board.lines, *board.fitted_floors):
            yield {
                "dataset": board.track.dataset,
                "category": board.category or OVERALL,
                "image_size": board.track.image_size,
                **named(board.track.protocol),
                "oracle": board.track.oracle,
                "rank": line.rank,
                **line.method._asdict(),
                "categories": line.categories,
                "seeds": line.seeds,
                **_means(line, shown),
                "beats_floors": line.beats_floors,
                "floor": line in board.fitted_floors,
                "beats_fitted_floors": line.beats_fitted_floors(ranked_by),
            }


def _means(line: BoardRow, metrics: Sequence[str]) -> dict[str, float | None]:
    """Each metric's mean and, where there is more than one seed or category, the accuracy's standard deviation."""
    found: dict[str, float | None] = {}
    for name in metrics:
        stat = line.stats.get(name)
        found[name] = stat.mean if stat else None
        if name == "accuracy":
            found["accuracy_sd"] = stat.sd if stat else None
    return found
