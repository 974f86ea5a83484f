"""Whether two samples of scores may come from one distribution, on which every limit with a guarantee rests."""

from __future__ import annotations

import numpy as np

from harness.api import FloatArray

METHOD = (
    "Permutation test of two samples by Cramer and von Mises' statistic (Anderson, Annals of Mathematical Statistics "
    "33 (1962) 1148), which sees shifts and changes of spread alike; p is corrected for the number of pairs by Holm."
)
_DRAWS = 9_999
_AT_ONCE = 2_000_000
_IN_ALL = 20_000_000
"""Scores that all permutations together move at most: 9,999 permutations of 2,000 scores."""


def same_distribution(first: FloatArray, second: FloatArray, seed: int = 0) -> float:
    """The p that scores (N,) and (M,) would differ so much by chance. Equal scores may occur. Raises ValueError."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.ndim != 1 or b.ndim != 1 or not len(a) or not len(b) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"scores of shape {a.shape} and {b.shape}: expected finite ones, at least one of each")
    pooled = np.concatenate([a, b])
    order = np.argsort(pooled, kind="stable")
    ends = np.append(np.diff(pooled[order]) > 0, True)  # of each run of equal scores: it is counted once, as a whole
    weights = np.diff(np.flatnonzero(ends), prepend=-1)
    whole = len(pooled)

    def statistic(belongs: FloatArray) -> FloatArray:
        """(B, N + M), 1 for the first sample in order of scores, to (B,)."""
        below = np.cumsum(belongs, axis=1)[:, ends]
        places = np.cumsum(weights)
        gap = below / len(a) - (places - below) / len(b)
        return np.asarray((gap * gap * weights).sum(axis=1))

    observed = (np.arange(whole) < len(a)).astype(np.float64)[order]
    reached_at = float(statistic(observed[None])[0]) * (1 - 1e-9)
    random, reached = np.random.default_rng(seed), 0
    draws = max(999, min(_DRAWS, _IN_ALL // whole))
    at_once = max(1, _AT_ONCE // whole)
    for start in range(0, draws, at_once):
        shape = (min(at_once, draws - start), whole)
        shuffled = random.permuted(np.broadcast_to(observed, shape), axis=1)
        reached += int((statistic(shuffled) >= reached_at).sum())
    return (1 + reached) / (1 + draws)
