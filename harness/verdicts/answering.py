"""Which row of a leaderboard to use: the rule by which `recommend` chooses, on what is stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from harness.api import BoolArray
from harness.metrics.significance import Pair, compare_decisions
from harness.verdicts.choosing import cheapest_of_the_best, keeps_a_promise, worth_of
from harness.verdicts.leaderboard import Board
from harness.verdicts.rows import BoardRow, merit
from harness.verdicts.verdict import Verdict

_FITTED = "fitted"


@dataclass(frozen=True)
class Answered:
    """The row of a board that is to be used, and what it was chosen from."""

    board: Board
    line: BoardRow
    promised: bool
    """Whether its limit keeps a rate of false alarms, so that rows are compared at the same one."""
    rows: int
    """Among how many it was chosen."""
    methods: int
    """And how many methods these are: several rows may judge the same fit."""
    next_best: BoardRow | None
    """The best row of another method."""
    test: Pair | None
    """Whether the two judge the same images rightly, where that is known of both."""

    @property
    def tied(self) -> bool:
        """Whether the paired test shows no difference to the next best."""
        return self.test is not None and self.test.p >= 0.05


def answered(board: Board, ranked_by: str) -> Answered | None:
    """What the rule comes to on one board; None where no row has a rank, or thresholds saw test labels.

    Rows are compared at limits that keep the same promise, where there are some: by AUROC and the share of defects
    found. Else by what ranks the board. Of rows that are as good the one that is fitted fastest is taken.
    """
    ranked = [line for line in board.lines if line.rank is not None and line.worth(ranked_by) is not None]
    if board.track.oracle or not ranked:
        return None
    promising = _at_one_promise(ranked)
    lines = promising or ranked
    worths = [_worth(line) if promising else merit(line, ranked_by) for line in lines]
    chosen = lines[cheapest_of_the_best(worths, [_seconds(line) for line in lines])]
    order = sorted(range(len(lines)), key=lambda at: -worths[at])
    others = [lines[at] for at in order if lines[at].method[:3] != chosen.method[:3]]
    next_best = others[0] if others else None
    methods = len({line.method._replace(threshold="", pool="") for line in lines})
    test = _tested(chosen, next_best) if next_best else None
    return Answered(board, chosen, bool(promising), len(lines), methods, next_best, test)


def behind(line: BoardRow) -> list[Verdict]:
    """All verdicts behind a row, of each of its categories and seeds."""
    return [verdict for part in line.parts or [line] for verdict in part.verdicts]


def _at_one_promise(lines: Sequence[BoardRow]) -> list[BoardRow]:
    """The rows at the threshold that keeps a promise for most of them, on images that were not fitted."""
    by_threshold: dict[str, list[BoardRow]] = {}
    for line in lines:
        if keeps_a_promise(line.method.threshold) and not any(_seen(verdict) for verdict in behind(line)):
            by_threshold.setdefault(line.method.threshold, []).append(line)
    return max(by_threshold.values(), key=len, default=[])


def _seen(verdict: Verdict) -> bool:
    """Whether its limit was set on images that its model was fitted to; of old records the settings tell."""
    on = verdict.outcome.record.calibrated_on
    return on == _FITTED if on else not (verdict.trial.holdout or verdict.trial.calibrate)


def _worth(line: BoardRow) -> float:
    auroc, found = line.mean("auroc"), line.mean("abnormal_rate")
    return math.nan if auroc is None or found is None else worth_of(auroc, found)


def _seconds(line: BoardRow) -> float:
    """The mean seconds of a fit; infinite where some are not known."""
    seconds = [outcome.record.fit_seconds for outcome in line.outcomes]
    known = [one for one in seconds if one is not None]
    return fmean(known) if known and len(known) == len(seconds) else math.inf


def _tested(line: BoardRow, other: BoardRow) -> Pair | None:
    pairs = compare_decisions({"chosen": _right(line), "other": _right(other)})
    return pairs[0] if pairs else None


def _right(line: BoardRow) -> dict[int, BoolArray]:
    """Seed to whether each test image was judged rightly, one category behind the other; seeds that all have."""
    parts = line.parts or [line]
    known: list[dict[int, BoolArray]] = []
    for part in sorted(parts, key=lambda part: part.verdicts[0].trial.category):
        found = {v.trial.seed: right for v in part.verdicts if (right := v.images.right()) is not None}
        known.append(found)
    common = set.intersection(*(set(found) for found in known))
    return {seed: np.concatenate([found[seed] for found in known]) for seed in sorted(common)}
