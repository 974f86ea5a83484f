"""Whether methods that were tried on the same images, or the same categories, differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from harness.api import FloatArray


@dataclass(frozen=True)
class Pair:
    """Two methods compared."""

    first: str
    second: str
    difference: float
    """Mean of the first less that of the second; positive where the first is better."""
    wins: int
    """Images that the first alone judges rightly, or categories on which it is higher."""
    losses: int
    p: float
    p_holm: float
    """Corrected for all pairs that were compared with this one."""


@dataclass(frozen=True)
class CriticalDifference:
    """What a critical-difference diagram shows."""

    ranks: Mapping[str, float]
    """Mean rank over categories by method, best (lowest) first."""
    distance: float
    """Methods whose mean ranks differ by less are not told apart."""
    groups: tuple[tuple[str, ...], ...]
    """The longest runs of methods that are not told apart; they may overlap, and one told apart from all is alone."""
    p: float
    """Friedman's, that all methods are equal; groups mean little where it is large."""


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided exact p of McNemar's test, from whether each image (N,) was judged rightly. Raises ValueError.

    McNemar, Psychometrika 12 (1947), as a binomial test of the images on which the two differ.
    """
    return _sign_test(*_discordant(*_paired(first, second)))


@cache
def _sign_test(wins: int, losses: int) -> float:
    """Of two hundred methods many pairs differ on as many images."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def wilcoxon(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p of the signed-rank test on one value a category (N,), equal ones split evenly. Raises ValueError.

    Demsar, Journal of Machine Learning Research 7 (2006), 3.1.3. With fewer than six categories it cannot be below .05.
    """
    from scipy.stats import wilcoxon as signed_rank

    a, b = _paired(first, second)
    differences = np.round(a - b, 12)  # 0.3 - 0.2 and 0.2 - 0.1 are a tie, which binary fractions break
    return float(signed_rank(differences, zero_method="zsplit").pvalue) if differences.any() else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p of each of several tests, corrected for their number. Holm, Scandinavian Journal of Statistics 6 (1979)."""
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = least
    return corrected


def compare_decisions(right: Mapping[str, ArrayLike]) -> list[Pair]:
    """McNemar's test of every two methods, from whether each of the same images (N,) was judged rightly."""
    return _pairs(right, mcnemar)


def compare_categories(values: Mapping[str, ArrayLike]) -> list[Pair]:
    """The signed-rank test of every two methods, from one value (higher is better) on each of the categories (N,)."""
    return _pairs(values, wilcoxon)


def critical_difference(values: Mapping[str, ArrayLike], alpha: float = 0.05) -> CriticalDifference:
    """Nemenyi's test of at least three methods on at least two categories (N,), higher is better. Raises ValueError.

    Demsar, Journal of Machine Learning Research 7 (2006), 3.2.2.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    table = [_paired(value, next(iter(values.values())))[0] for value in values.values()]
    methods, categories = len(table), len(table[0]) if table else 0
    if methods < 3 or categories < 2:
        raise ValueError(f"{methods} methods on {categories} categories: expected at least 3 on 2")
    by_category = rankdata(-np.round(table, 12), axis=0)
    ranks = dict(sorted(zip(values, by_category.mean(axis=1).tolist(), strict=True), key=lambda item: item[1]))
    differ = bool((by_category != by_category[0]).any())
    quantile = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    distance = quantile * math.sqrt(methods * (methods + 1) / (6 * categories))
    p = float(friedmanchisquare(*by_category).pvalue) if differ else 1.0
    return CriticalDifference(ranks, distance, _groups(ranks, distance), p)


def _groups(ranks: Mapping[str, float], distance: float) -> tuple[tuple[str, ...], ...]:
    names = list(ranks)
    groups: list[tuple[str, ...]] = []
    end = 0
    for start, name in enumerate(names):
        within = sum(ranks[other] - ranks[name] < distance for other in names[start:])
        if start + within > end:  # else it is part of the run before
            end = start + within
            groups.append(tuple(names[start:end]))
    return tuple(groups)


def _pairs(values: Mapping[str, ArrayLike], test: Callable[[ArrayLike, ArrayLike], float]) -> list[Pair]:
    chosen = list(combinations(values, 2))
    p_values = [test(values[first], values[second]) for first, second in chosen]
    pairs = []
    for (first, second), p, p_holm in zip(chosen, p_values, holm(p_values), strict=True):
        a, b = _paired(values[first], values[second])
        pairs.append(Pair(first, second, float((a - b).mean()), *_discordant(a, b), p, p_holm))
    return pairs


def _discordant(first: FloatArray, second: FloatArray) -> tuple[int, int]:
    return int((first > second).sum()), int((first < second).sum())


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or not len(a) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"values of shape {a.shape} and {b.shape}: expected one finite value each for the same items")
    return a, b
