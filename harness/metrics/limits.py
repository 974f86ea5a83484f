"""From the scores of normal images to a limit that a detector can be run with."""

from __future__ import annotations

import math

from harness.api import FloatArray, Threshold


def limit_of(threshold: Threshold, normal: FloatArray) -> float:
    """What a threshold makes of the scores (M,) of normal images. Raises ValueError, and what the threshold raises."""
    return finite(threshold.fit(normal.copy()))


def finite(limit: float) -> float:
    """The given limit. Raises ValueError if it is not finite."""
    if not math.isfinite(limit):
        raise ValueError(f"the limit is {limit}")
    return float(limit)
