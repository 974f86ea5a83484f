"""How far a number from a test set of this size can be trusted."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, FloatArray

_AT_ONCE = 2_000_000  # resampled counts held in memory


def wilson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a rate seen as k of n, both in [0, 1]; (0, 1) where n is 0. Raises ValueError.

    Wilson, Journal of the American Statistical Association 22 (1927).
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n}: expected a count from 0 to {n}")
    z = _z(confidence)
    if n == 0:
        return 0.0, 1.0
    rate, step = k / n, z * z / n
    centre = (rate + step / 2) / (1 + step)
    reach = z / (1 + step) * math.sqrt(rate * (1 - rate) / n + step / n / 4)
    return (0.0 if k == 0 else centre - reach), (1.0 if k == n else centre + reach)


def auroc_interval(
    scores: FloatArray, labels: BoolArray, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Lower and upper bound of the AUROC of scores (N,) by a percentile bootstrap within each class. Raises ValueError.

    Classes that do not overlap are not resampled, which would give (1, 1) or (0, 0): `separated` says how far they go.
    """
    scores, labels = np.asarray(scores), np.asarray(labels, dtype=bool)
    n_abnormal, n_normal = int(labels.sum()), int((~labels).sum())
    if scores.shape != labels.shape or not n_abnormal or not n_normal or not np.isfinite(scores).all():
        raise ValueError(
            f"{n_normal} normal and {n_abnormal} abnormal scores: expected both, all finite, and a label for each"
        )
    tail = 50 * (1 - _confidence(confidence))
    normal, abnormal = np.sort(scores[~labels]), scores[labels]
    if normal[-1] < abnormal.min():
        return separated(n_normal, n_abnormal, confidence), 1.0
    if abnormal.max() < normal[0]:
        return 0.0, 1 - separated(n_normal, n_abnormal, confidence)
    below, not_above = normal.searchsorted(abnormal, side="left"), normal.searchsorted(abnormal, side="right")
    won = []
    step = max(1, _AT_ONCE // len(scores))
    for start in range(0, resamples, step):
        beaten, times = _resamples(n_normal, n_abnormal, min(step, resamples - start), seed, start)
        won.append(np.einsum("ij,ij->j", beaten[below] + beaten[not_above], times))  # a tie is half a win
    low, high = np.percentile(np.concatenate(won) / (2 * n_normal * n_abnormal), [tail, 100 - tail])
    return float(low), float(high)


def separated(n_normal: int, n_abnormal: int, confidence: float = 0.95) -> float:
    """Lower bound of the AUROC where every abnormal score is above every normal one.

    Newcombe, Statistics in Medicine 25 (2006) 559, method 5: the value that lies z of its own standard errors below 1.
    """
    z, spread = _z(confidence), (n_normal + n_abnormal) / 2 - 1
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        value = (low + high) / 2
        variance = value * (1 + spread * ((1 - value) / (2 - value) + value / (1 + value))) / (n_normal * n_abnormal)
        low, high = (value, high) if 1 - value > z * z * variance else (low, value)
    return low


@lru_cache(maxsize=4)
def _resamples(
    n_normal: int, n_abnormal: int, resamples: int, seed: int, start: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """How many of the k lowest normal images each resample holds (n_normal + 1, resamples), and how often it holds each
    abnormal image (n_abnormal, resamples): the same for all scores, so that many trials on one test set share them.
    """
    draws = np.random.default_rng([seed, start])
    exact = np.int32 if 2 * n_normal * n_abnormal < 2**31 else np.float64
    drawn = []
    for n in (n_normal, n_abnormal):
        picked = draws.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
        times = np.bincount(picked.ravel(), minlength=n * resamples).reshape(resamples, n)
        drawn.append(np.ascontiguousarray(times.T, dtype=exact))
    return np.vstack([np.zeros_like(drawn[0][:1]), drawn[0].cumsum(axis=0, dtype=exact)]), drawn[1]


def _confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: expected a number between 0 and 1")
    return confidence


@cache
def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + _confidence(confidence) / 2)
