"""Seeds that methods have in common, and seeds whose result is far from the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from harness.verdicts.verdict import Verdict


def common_seeds(groups: Iterable[Sequence[Verdict]]) -> frozenset[int] | None:
    """The seeds that all groups have; None where all have the same."""
    in_order = {tuple([verdict.outcome.trial.seed for verdict in group]) for group in groups}
    seeds = {frozenset(one) for one in in_order}
    return frozenset.intersection(*seeds) if len(seeds) > 1 else None


def outlying_seeds(verdicts: Sequence[Verdict], metric: str) -> tuple[int, ...]:
    """Seeds far from the others: over 3 scaled median absolute deviations, and over 0.05, from the median."""
    scored = [(v.trial.seed, value) for v in verdicts if (value := v.metric(metric)) is not None]
    if len(scored) < 3:  # with two seeds nobody can say which one is far off
        return ()
    centre = median(value for _, value in scored)
    spread = 1.4826 * median(abs(value - centre) for _, value in scored)
    return tuple(sorted(seed for seed, value in scored if abs(value - centre) > max(3 * spread, 0.05)))
