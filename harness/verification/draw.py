"""Which trials of an export are fitted again. Anybody who knows the seed and the rows comes to the same ones.

A trial's weight is 1 over its best rank on any board, so that the first is drawn ten times as readily as the tenth.
Its lot is u ** (1 / weight) with u in (0, 1) from SHA-256 of `seed:trial`; the highest lots are drawn. Source:
Efraimidis and Spirakis, Weighted random sampling with a reservoir, Information Processing Letters 97 (2006) 181.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.errors import UsageError
from harness.verdicts.leaderboard import boards
from harness.verdicts.verdict import Verdict


class Drawn(NamedTuple):
    """The trials that were drawn, and those that could have been."""

    trials: tuple[str, ...]
    """Ids, the highest lot first."""
    of: int
    """How many could have been drawn."""
    in_all: int
    """How many finished trials there are; some were left out where `within` is given."""


def draw(verdicts: Sequence[Verdict], sample: int, seed: int, within: float | None = None) -> Drawn:
    """So many trials, of those that say they were fitted within so many seconds; None takes all.

    Raises UsageError where there is none to draw.
    """
    weights = weights_of(verdicts)
    seconds = {v.outcome.id: v.outcome.record.fit_seconds for v in verdicts}
    able = {
        trial: weight
        for trial, weight in weights.items()
        if within is None or ((took := seconds[trial]) is not None and took <= within)
    }
    if not able:
        quick = f" that says it was fitted within {within:g} s" if weights else ""
        raise UsageError(f"there is no finished trial{quick} to draw: expected some of {len(weights)}")
    ordered = sorted(able, key=lambda trial: (-lot(seed, trial, able[trial]), trial))
    return Drawn(tuple(ordered[:sample]), len(able), len(weights))


def weights_of(verdicts: Iterable[Verdict]) -> Mapping[str, float]:
    """1 over the best rank of each finished trial on any board of one category, by balanced accuracy."""
    best: dict[str, int] = {}
    for board in boards(verdicts):
        for place, line in enumerate(board.lines if board.category is not None else (), 1):
            for verdict in line.verdicts:
                trial, rank = verdict.outcome.id, line.rank or place
                best[trial] = min(best.get(trial, rank), rank)
    return {trial: 1 / rank for trial, rank in sorted(best.items())}


def lot(seed: int, trial: str, weight: float) -> float:
    """A number in (0, 1) that grows with the weight, and is the same everywhere."""
    digits = hashlib.sha256(f"{seed}:{trial}".encode()).hexdigest()[:13]
    uniform = (int(digits, 16) + 0.5) / 16**13
    return math.exp(math.log(uniform) / weight)
