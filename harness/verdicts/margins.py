"""How far each figure of a leaderboard can be trusted: half the width of its 95 % interval."""

from __future__ import annotations

import math
from functools import cache
from statistics import fmean

from harness.verdicts.rows import BoardRow
from harness.verdicts.verdict import Verdict

_Z = 1.959963984540054
"""Standard errors in half a 95 % interval where the error is known."""


def margin(line: BoardRow, metric: str) -> float | None:
    """Half a 95 % interval of a row's mean; None where nothing is known, as of a pixel metric of one seed.

    For other test images, and where there are several seeds for other fits: all seeds judge the same images, so their
    mean has the interval of one, and the variance between seeds is added (Welch and Satterthwaite). Categories have
    images of their own. Pixel metrics have no interval for images, so their margin is that of fits alone.
    """
    if line.parts:
        margins = [margin(part, metric) for part in line.parts]
        known = [one for one in margins if one is not None]
        return math.hypot(*known) / len(known) if known and len(known) == len(margins) else None
    found = line.stats.get(metric)
    if found is None:
        return None
    halves = [half for verdict in line.verdicts if (half := _half(verdict, metric)) is not None]
    of_images = (fmean(halves) / _Z) ** 2 if halves else None
    if found.sd is None:
        return None if of_images is None else _Z * math.sqrt(of_images)
    of_fits = found.sd**2 / found.n
    variance = of_fits + (of_images or 0.0)
    if not variance:
        return 0.0
    return (_quantile(round(variance**2 / (of_fits**2 / (found.n - 1)), 2)) if of_fits else _Z) * math.sqrt(variance)


def _half(verdict: Verdict, metric: str) -> float | None:
    bounds = verdict.interval(metric)
    return None if bounds is None else (bounds[1] - bounds[0]) / 2


@cache
def _quantile(freedom: float) -> float:
    """Of Student's t, for half a 95 % interval."""
    if freedom > 1e6:
        return _Z
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
