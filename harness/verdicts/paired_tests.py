"""Which methods of a leaderboard differ by more than chance: on the same test images, and over the same categories."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.api import BoolArray
from harness.metrics.significance import (
    CriticalDifference,
    Pair,
    compare_categories,
    compare_decisions,
    critical_difference,
)
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import labels
from harness.verdicts.rows import BoardRow, merit

ALPHA = 0.05
"""A p below it, corrected for the number of pairs, tells two methods apart."""


@dataclass(frozen=True)
class PairedTests:
    """The tests on one board of at least two methods."""

    board: Board
    metric: str
    """`accuracy` on one category, of decisions on single images; over categories what ranked them."""
    lines: Mapping[str, BoardRow]
    """What was tested, by name, best first."""
    n: int
    """Images or categories on which methods are paired."""
    pairs: tuple[Pair, ...] = field(repr=False)
    """On one category seeds by images (McNemar's test for one seed), over several the signed-rank test; after Holm."""
    critical: CriticalDifference | None = None
    """Over categories, of three methods or more."""

    @property
    def needed(self) -> int:
        """The categories on which a signed-rank test of so many pairs can have a corrected p below ALPHA."""
        return math.floor(1 + math.log2(len(self.pairs) / ALPHA)) + 1

    @property
    def too_few(self) -> bool:
        """Whether no difference, however large, can show in the signed-rank test."""
        return self.board.category is None and self.n < self.needed


def paired_tests(boards: Iterable[Board], ranked_by: str) -> list[PairedTests]:
    """Every board's tests, in their order; boards with fewer than two methods to pair have none.

    Two methods are paired on the seeds that both have; the tests over categories take means over the seeds that all
    methods of a category have.
    """
    found = [_over_categories(board, ranked_by) if board.parts else _on_images(board) for board in boards]
    return [tested for tested in found if len(tested.lines) > 1]


def _on_images(board: Board) -> PairedTests:
    known = [(line, right) for line in board.lines if (right := _right(line))]
    lines = _named([line for line, _ in known])
    pairs = compare_decisions(dict(zip(lines, (right for _, right in known), strict=True)))
    return PairedTests(board, "accuracy", lines, board.n_normal + board.n_abnormal, tuple(pairs))


def _right(line: BoardRow) -> dict[int, BoolArray]:
    """Seed to whether its fit judged each test image rightly, where that is known."""
    return {v.trial.seed: right for v in line.verdicts if (right := v.images.right()) is not None}


def _over_categories(board: Board, metric: str) -> PairedTests:
    lines = _named([line for line in board.lines if line.rank is not None and line.worth(metric) is not None])
    values = {name: [merit(part, metric) for part in line.parts] for name, line in lines.items()}
    critical = critical_difference(values, ALPHA) if len(values) > 2 else None
    return PairedTests(board, metric, lines, len(board.parts), tuple(compare_categories(values)), critical)


def _named(lines: list[BoardRow]) -> dict[str, BoardRow]:
    names = labels([line.method for line in lines])
    return {names[line.method]: line for line in lines}
