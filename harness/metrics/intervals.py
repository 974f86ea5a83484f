"""How far a number from a test set of this size can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from statistics import NormalDist


def wilson(k: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a rate seen as k of n, both in [0, 1]; (0, 1) where n is 0. Raises ValueError.

    Wilson, Journal of the American Statistical Association 22 (1927). k may be a mean over seeds.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n}: expected a count from 0 to {n}")
    z = _z(float(confidence))
    if n == 0:
        return 0.0, 1.0
    rate, step = k / n, z * z / n
    centre = (rate + step / 2) / (1 + step)
    reach = z / (1 + step) * math.sqrt(rate * (1 - rate) / n + step / n / 4)
    return (0.0 if k == 0 else centre - reach), (1.0 if k == n else centre + reach)


def mean_of_rates_interval(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """Bounds, at 95 %, of the mean of two rates, each k of n: Newcombe, Statistics in Medicine 17 (1998) 873.

    Raises ValueError.
    """
    (low, high), (other_low, other_high) = wilson(*first), wilson(*second)
    rate, other = first[0] / first[1], second[0] / second[1]
    mean = (rate + other) / 2
    below, above = math.hypot(rate - low, other - other_low), math.hypot(high - rate, other_high - other)
    return mean - below / 2, mean + above / 2


def mean_with_interval(rates: Sequence[tuple[float, int]]) -> tuple[float, float, float]:
    """Mean of several rates, each k of n, with its bounds at 95 %: Newcombe's square-and-add of Wilson's bounds.

    Raises ValueError for none, and for a rate of no images.
    """
    if not rates or any(n < 1 for _, n in rates):
        raise ValueError(f"{len(rates)} rates: expected at least one, each of one image or more")
    means = [k / n for k, n in rates]
    bounds = [wilson(k, n) for k, n in rates]
    mean = sum(means) / len(means)
    below = math.hypot(*(one - low for one, (low, _) in zip(means, bounds, strict=True))) / len(means)
    above = math.hypot(*(high - one for one, (_, high) in zip(means, bounds, strict=True))) / len(means)
    return mean, mean - below, mean + above


def f1_interval(found: tuple[int, int], passed: tuple[int, int]) -> tuple[float, float]:
    """Bounds at 95 % of an F1 from how many anomalous and how many normal images are judged rightly, each k of n.

    F1 rises with either rate; how far it moves up to the Wilson bound of each is added as squares, after Zou, Donner,
    Statistics in Medicine 27 (2008) 1693. Raises ValueError without anomalous images.
    """
    bounds = [wilson(*found), wilson(*passed) if passed[1] else (1.0, 1.0)]
    rates = [found[0] / found[1], passed[0] / passed[1] if passed[1] else 1.0]

    def f1(detected: float, normal: float) -> float:
        hits, alarms = detected * found[1], (1 - normal) * passed[1]
        return 2 * hits / (hits + alarms + found[1])

    here = f1(*rates)
    below = math.hypot(here - f1(bounds[0][0], rates[1]), here - f1(rates[0], bounds[1][0]))
    above = math.hypot(f1(bounds[0][1], rates[1]) - here, f1(rates[0], bounds[1][1]) - here)
    return max(0.0, here - below), min(1.0, here + above)


def average_precision_interval(value: float, n_abnormal: int) -> tuple[float, float]:
    """Bounds at 95 % of an average precision, as of a share of the anomalous images: Wilson's.

    Boyd, Eng and Page, ECML PKDD 2013, take the normal approximation, which has no width at 1. Raises ValueError.
    """
    return wilson(value * n_abnormal, n_abnormal)


def auroc_interval(auroc: float, n_normal: int, n_abnormal: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of an AUROC in [0, 1] seen on so many images of each class. Raises ValueError.

    Newcombe, Statistics in Medicine 25 (2006) 559, method 5: the values that lie z of their own standard errors away.
    It needs no scores, rises with the AUROC, and has a width at 0 and at 1, where bootstrap and DeLong have none.
    """
    if not 0 <= auroc <= 1 or n_normal < 1 or n_abnormal < 1:
        raise ValueError(
            f"an AUROC of {auroc} on {n_normal} normal and {n_abnormal} abnormal images: "
            "expected a number from 0 to 1, and at least one image of each"
        )
    return _auroc_bounds(float(auroc), int(n_normal), int(n_abnormal), _z(float(confidence)))


@lru_cache(maxsize=4096)  # all thresholds of a trial ask for the same one; numpy's number would be kept for Python's
def _auroc_bounds(auroc: float, n_normal: int, n_abnormal: int, z: float) -> tuple[float, float]:
    pairs, spread = n_normal * n_abnormal, (n_normal + n_abnormal) / 2 - 1

    def explains(value: float) -> bool:
        variance = value * (1 - value) * (1 + spread * ((1 - value) / (2 - value) + value / (1 + value))) / pairs
        return (auroc - value) ** 2 <= z * z * variance

    def search(outside: float) -> float:
        inside = auroc
        while abs(inside - outside) > 1e-9:
            value = (inside + outside) / 2
            inside, outside = (value, outside) if explains(value) else (inside, value)
        return outside

    return search(0.0) if auroc > 0 else 0.0, search(1.0) if auroc < 1 else 1.0


def _confidence(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: expected a number between 0 and 1")
    return confidence


@cache
def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + _confidence(confidence) / 2)
