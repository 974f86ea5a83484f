"""What so many images can promise: bounds of a rate, and how many images a bound takes. All hold for any scores."""

from __future__ import annotations

import math

import numpy as np

from harness.api import FloatArray


def at_most(k: int, n: int, confidence: float = 0.95) -> float:
    """The upper bound, in [0, 1], of a rate seen as k of n; 1 where n is 0. Raises ValueError.

    One-sided: Clopper and Pearson, Biometrika 26 (1934). The bound lies below the true rate in at most 1 - confidence
    of all samples.
    """
    from scipy.special import betaincinv

    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n}: expected a count from 0 to {n}")
    _check_share(confidence, "confidence")
    return 1.0 if k == n else float(betaincinv(k + 1, n - k, confidence))


def images_needed(share: float, confidence: float = 0.95) -> int:
    """How many images without an alarm bound the rate of alarms at this share: 59 for 0.05, 299 for 0.01.

    Raises ValueError.
    """
    _check_share(share, "share")
    _check_share(confidence, "confidence")
    return math.ceil(round(math.log1p(-confidence) / math.log1p(-share), 9))


def tolerance_place(n: int, share: float, confidence: float) -> int | None:
    """Which of n ascending scores is the lowest that at most this share of all images exceeds, with this confidence.

    Counted from 1; None where n is too few. Wilks, Annals of Mathematical Statistics 12 (1941) 91. Raises ValueError.
    """
    from scipy.special import bdtr

    _check_share(share, "share")
    _check_share(confidence, "confidence")
    if n < images_needed(share, confidence):
        return None
    places = np.arange(1, n + 1)  # the chance that fewer than k of n scores lie below the quantile, for each k
    found = int(np.searchsorted(bdtr(places - 1.0, n, 1 - share), confidence - 1e-12))
    return found + 1 if found < n else None


def conformal_place(n: int, share: float) -> int | None:
    """Which of n ascending scores a new image exceeds with a chance of at most this share, on average over samples.

    Counted from 1; None where n is too few. Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005.
    """
    place = math.ceil(round((1 - share) * (n + 1), 9))  # 0.95 * 20 is a little above 19 in floating point
    return max(place, 1) if place <= n else None


def p_values(calibration: FloatArray, scores: FloatArray) -> FloatArray:
    """(M,) and (N,) to (N,), the share of M + 1 scores, its own included, that are as high as an image's or higher.

    For a normal image, like those of the calibration but not fitted, it is at most p in a share p of all cases.
    """
    ascending = np.sort(np.asarray(calibration, dtype=np.float64))
    as_high = len(ascending) - np.searchsorted(ascending, scores, side="left")
    return np.asarray((1 + as_high) / (1 + len(ascending)), dtype=np.float64)


def _check_share(value: float, what: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{what} is {value:g}: expected a number between 0 and 1")
