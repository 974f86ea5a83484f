"""How far a number from a test set of this size can be trusted."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

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

    Classes that do not overlap give (1, 1): resampling cannot show what such a small test set has not shown.
    """
    scores, labels = np.asarray(scores), np.asarray(labels, dtype=bool)
    n_abnormal, n_normal = int(labels.sum()), int((~labels).sum())
    if scores.shape != labels.shape or not n_abnormal or not n_normal or not np.isfinite(scores).all():
        raise ValueError(
            f"{n_normal} normal and {n_abnormal} abnormal scores: expected both, all finite, and a label for each"
        )
    tail = 50 * (1 - _confidence(confidence))
    values, place = np.unique(scores, return_inverse=True)
    draws = np.random.default_rng(seed)
    drawn = []
    step = max(1, _AT_ONCE // len(values))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        normal = _resample(place[~labels], size, len(values), draws)
        abnormal = _resample(place[labels], size, len(values), draws)
        beaten = np.cumsum(normal, axis=1) - normal / 2  # a tie is half a win
        drawn.append((abnormal * beaten).sum(axis=1) / (n_normal * n_abnormal))
    low, high = np.percentile(np.concatenate(drawn), [tail, 100 - tail])
    return float(low), float(high)


def _resample(place: np.ndarray, size: int, values: int, draws: np.random.Generator) -> np.ndarray:
    """(size, values), how often each value comes when `place` is drawn with replacement."""
    picked = place[draws.integers(len(place), size=(size, len(place)))]
    picked += values * np.arange(size)[:, None]
    return np.bincount(picked.ravel(), minlength=size * values).reshape(size, values)


def _confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: expected a number between 0 and 1")
    return confidence


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + _confidence(confidence) / 2)
