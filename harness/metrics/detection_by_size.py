"""From which size on defects are found: the probability of detection of non-destructive testing, with bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, FloatArray

SHARE = 0.9
"""The share of defects that is to be found at the size that is named: a90, as MIL-HDBK-1823A calls it."""
METHOD = (
    "Logistic regression of found or not on the logarithm of size, as for probability of detection in MIL-HDBK-1823A "
    "(2009), with Firth's penalty (Biometrika 80 (1993) 27), which stays finite where every larger defect is found and "
    "every smaller one is not. The interval is the wider one, at either end, of two bootstraps, over photos and over "
    "outcomes drawn from the curve, and never narrower than the step of the ladder in which 90 % is passed. No size is "
    "named where less than 90 % are found at the largest one."
)
DRAWS = 1000
_STEPS = 40
_LONGEST = 2.0
"""No step of Newton's method is longer, in units of the logit."""


@dataclass(frozen=True)
class SizeFound:
    """The size at which nine in ten defects are found."""

    size: float | None
    """None where it lies above the largest that was tried; the smallest one where it lies below that."""
    low: float
    """The lower bound of its 95 % interval, not below the smallest size tried."""
    high: float | None
    """The upper bound; None where that lies above the largest size tried."""
    intercept: float
    slope: float
    """Of the curve: the logit of the chance to be found is intercept + slope * log(size)."""


def size_found(sizes: FloatArray, found: BoolArray, seed: int = 0) -> SizeFound:
    """From S ascending sizes (S,), and for P photos whether the defect of each size was found (P, S).

    Raises ValueError.
    """
    if found.ndim != 2 or found.shape[1] != len(sizes) or not len(found) or len(sizes) < 2:
        raise ValueError(f"{found.shape} outcomes at {len(sizes)} sizes: expected one a photo and size, at two or more")
    if not (np.diff(sizes) > 0).all() or sizes[0] <= 0:
        raise ValueError(f"sizes are {sizes.tolist()}: expected ascending ones above 0")
    photos, random = len(found), np.random.default_rng(seed)
    counts = found.sum(axis=0, dtype=float)
    curve = _curves(sizes, counts[None], photos)
    expected = _chance(sizes, curve)[0]
    over_photos = found[random.integers(photos, size=(DRAWS, photos))].sum(axis=1, dtype=float)
    over_outcomes = random.binomial(photos, expected, size=(DRAWS, len(sizes))).astype(float)
    drawn = [_sizes_found(sizes, some, _curves(sizes, some, photos), photos) for some in (over_photos, over_outcomes)]
    low = min(float(np.quantile(one, 0.025, method="inverted_cdf")) for one in drawn)
    high = max(float(np.quantile(one, 0.975, method="inverted_cdf")) for one in drawn)
    size = float(_sizes_found(sizes, counts[None], curve, photos)[0])
    if counts[-1] >= SHARE * photos:  # the penalty draws the curve a little below what was found
        size = min(size, float(sizes[-1]))
    fewer = np.flatnonzero(counts < SHARE * photos)
    if len(fewer) and fewer[-1] + 1 < len(sizes):
        low, high = min(low, float(sizes[fewer[-1]])), max(high, float(sizes[fewer[-1] + 1]))
    return SizeFound(
        size=_finite(size),
        low=min(low, float(sizes[-1])),
        high=_finite(high),
        intercept=float(curve[0, 0]),
        slope=float(curve[0, 1]),
    )


def _finite(size: float) -> float | None:
    return size if math.isfinite(size) else None


def _sizes_found(
    sizes: FloatArray, counts: NDArray[np.float64], curves: NDArray[np.float64], photos: int
) -> NDArray[np.float64]:
    """(B,), where each curve (B, 2) reaches the share; infinite above the largest size."""
    intercept, slope = curves.T
    goal = math.log(SHARE / (1 - SHARE))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        at = np.exp((goal - intercept) / slope)
    flat = np.where(counts.mean(axis=1) >= SHARE * photos, sizes[0], np.inf)
    at = np.where(slope > 1e-6, at, flat)
    reached = (counts[:, -1] >= SHARE * photos - 1e-9) & (at <= sizes[-1] * (1 + 1e-9))
    return np.where(reached, np.maximum(at, sizes[0]), np.inf)


def _chance(sizes: FloatArray, curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, 2) to (B, S), the chance to be found at each size."""
    logit = curves[:, :1] + curves[:, 1:] * np.log(sizes)
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))), dtype=np.float64)


def _curves(sizes: FloatArray, counts: NDArray[np.float64], photos: int) -> NDArray[np.float64]:
    """Intercept and slope (B, 2) of each row of counts (B, S) of so many photos, by Newton's method, all at once."""
    x = np.log(sizes)
    centre, scale = float(x.mean()), float(x.std())
    z = (x - centre) / scale
    a, b = np.zeros(len(counts)), np.ones(len(counts))
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(a[:, None] + b[:, None] * z, -30, 30)))
        weight = photos * p * (1 - p) + 1e-12
        s0, s1, s2 = weight.sum(axis=1), (weight * z).sum(axis=1), (weight * z * z).sum(axis=1)
        determinant = s0 * s2 - s1 * s1
        leverage = weight * (s2[:, None] - 2 * z * s1[:, None] + z * z * s0[:, None]) / determinant[:, None]
        residual = counts - photos * p + leverage * (0.5 - p)
        u0, u1 = residual.sum(axis=1), (residual * z).sum(axis=1)
        step_a = np.clip((s2 * u0 - s1 * u1) / determinant, -_LONGEST, _LONGEST)
        step_b = np.clip((s0 * u1 - s1 * u0) / determinant, -_LONGEST, _LONGEST)
        a, b = a + step_a, b + step_b
        if max(np.abs(step_a).max(), np.abs(step_b).max()) < 1e-8:
            break
    return np.stack([a - b * centre / scale, b / scale], axis=1)
