"""Which methods of a leaderboard differ by more than chance: on the same test images, and over the same categories."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.metrics.bayesian_signed_rank import Practical, bayesian_signed_rank
from harness.metrics.significance import CriticalDifference, Pair, compare_categories, critical_difference
from harness.verdicts.image_tests import by_image
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
    """What ranked them; on one category `accuracy` where decisions on single images were tested."""
    lines: Mapping[str, BoardRow]
    """What was tested, by name, best first."""
    n: int
    """Images or categories on which methods are paired."""
    pairs: tuple[Pair, ...] = field(repr=False)
    """After Holm's correction."""
    test: str
    """`signed-rank` over categories; on one `decisions` (McNemar's test for one seed), `delong` or `bootstrap`."""
    critical: CriticalDifference | None = None
    """Over categories, of three methods or more."""
    practical: Mapping[tuple[str, str], Practical] = field(default_factory=dict)
    """Over categories, by the names of a pair, where a region of practical equivalence was asked for."""

    @property
    def needed(self) -> int:
        """The categories on which a signed-rank test of so many pairs can have a corrected p below ALPHA."""
        return math.floor(1 + math.log2(len(self.pairs) / ALPHA)) + 1

    @property
    def too_few(self) -> bool:
        """Whether no difference, however large, can show in the signed-rank test."""
        return self.board.category is None and self.n < self.needed


def paired_tests(boards: Iterable[Board], ranked_by: str, rope: float | None = None) -> list[PairedTests]:
    """Every board's tests, in their order; boards with fewer than two methods to pair have none.

    Two methods are paired on the seeds that both have; the tests over categories take means over the seeds that all
    methods of a category have, and say how likely two methods differ by more than `rope` if it is given.
    """
    found = [
        _over_categories(board, ranked_by, rope) if board.parts else _on_images(board, ranked_by) for board in boards
    ]
    return [tested for tested in found if len(tested.lines) > 1]


def _on_images(board: Board, metric: str) -> PairedTests:
    known = by_image(board.lines, metric, board.n_normal + board.n_abnormal)
    lines = _named(known.lines)
    return PairedTests(board, known.metric, lines, known.images, tuple(known.pairs(list(lines))), known.test)


def _over_categories(board: Board, metric: str, rope: float | None) -> PairedTests:
    lines = _named([line for line in board.lines if line.rank is not None and line.worth(metric) is not None])
    values = {name: [merit(part, metric) for part in line.parts] for name, line in lines.items()}
    critical = critical_difference(values, ALPHA) if len(values) > 2 else None
    pairs = tuple(compare_categories(values))
    practical = {} if rope is None else {
        (pair.first, pair.second): bayesian_signed_rank(values[pair.first], values[pair.second], rope) for pair in pairs
    }  # fmt: skip
    return PairedTests(board, metric, lines, len(board.parts), pairs, "signed-rank", critical, practical)


def _named(lines: Sequence[BoardRow]) -> dict[str, BoardRow]:
    names = labels([line.method for line in lines])
    return {names[line.method]: line for line in lines}
