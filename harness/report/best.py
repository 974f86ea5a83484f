"""A page of very many methods shows the best: all are ranked without their scores, and the best are read anew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from harness.api import Threshold
from harness.plugin import in_process
from harness.plugin.spec import spell
from harness.report.metric_names import in_words
from harness.report.source import Source
from harness.trials.settings import Chosen
from harness.verdicts.asked import AskedMetrics
from harness.verdicts.leaderboard import Board, boards
from harness.verdicts.methods import Method, method_of
from harness.verdicts.verdict import Verdict

MOST_METHODS = 200
"""Methods that a page shows at most: more is neither read by a person nor opened by a browser with ease."""
_USUAL = "mean"


def of_the_best(
    source: Source, thresholds: Chosen, pools: Chosen | None, asked: AskedMetrics, *, verified: bool, most: int
) -> tuple[Source, str]:
    """The trials of the best methods with their scores, and what to say of those left out; empty where none is.

    Floors are always there. Of several boards each gives its best in turn. Raises UsageError.
    """
    if len(source.outcomes) <= most:
        return source.loaded(), ""
    ranking, (ranked_by, *_) = _of_ranking(source, thresholds), asked.names
    verdicts = source.judged((ranking,), pools, asked.parts)
    methods = {_fitted(verdict) for verdict in verdicts if not verdict.outcome.record.floor}
    if len(methods) <= most:
        return source.loaded(), ""
    counted = [verdict for verdict in verdicts if verdict.verified or not verified]
    best = _best(boards(counted, ranked_by), most)
    ids = {one.outcome.id for one in verdicts if one.outcome.record.floor or _fitted(one) in best}
    return source.loaded(ids), (
        f"Shown are the best {len(best)} of {len(methods):,} methods, by {in_words(ranked_by)} at the limit "
        f"{spell(ranking)!r}, with all their trials; `harness leaderboard` ranks every one."
    )


def _of_ranking(source: Source, thresholds: Chosen) -> Threshold:
    """The threshold that methods are ranked by: the mean if it is asked for, else the first that saw no test labels."""
    chosen = in_process.choose(source.registry, Threshold, thresholds)
    return min(chosen, key=lambda one: (spell(one) != _USUAL, one.oracle))


def _fitted(verdict: Verdict) -> Method:
    return method_of(verdict)._replace(threshold="", pool="")


def _best(ranked: Sequence[Board], most: int) -> set[Method]:
    """The best methods of the boards that stand above those of single categories, or else of these."""
    above = {board.track for board in ranked if board.category is None}
    lists = [board.lines for board in ranked if board.category is None or board.track not in above]
    best: dict[Method, None] = {}
    for lines in zip_longest(*lists):
        for line in lines:
            if line is not None and len(best) < most:
                best.setdefault(line.method._replace(threshold="", pool=""))
    return set(best)
