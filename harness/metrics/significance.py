"""Whether methods that were tried on the same images, or the same categories, differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from harness.api import FloatArray
from harness.metrics.delong import Placements, better_placed, delong
from harness.metrics.fits_by_images import Spread, between_fits, smallest_p, two_sided
from harness.metrics.paired_bootstrap import paired_bootstrap

_DRAWN = 20_000_000
"""Ranks that a permutation test draws in all: 99,999 permutations of up to 200 ranks."""
_AT_ONCE = 2_000_000  # at most so many of them are in memory at once


@dataclass(frozen=True)
class Pair:
    """Two methods compared."""

    first: str
    second: str
    difference: float
    """Mean of the first less that of the second; positive where the first is better."""
    wins: int
    """Images that the first judges rightly in more seeds, or places better; of bootstrapped figures seeds, and over
    categories categories in which it is better."""
    losses: int
    p: float
    p_holm: float
    """Corrected for all pairs that were compared with this one."""
    seeds: int = 1
    """How many fits of each were compared, from the seeds that both have."""


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
    """Friedman's, that all methods are equal, by permutation; groups mean little where it is large."""
    iman_davenport: float
    """The same by Iman and Davenport's F, which takes no draws; it is an approximation."""


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


def seeds_by_images(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p that two methods are right equally often, from whether each fit judged each image rightly (S, N).

    Images are drawn, and so are fits: the variance of the mean is that over images and that over each method's fits, by
    Welch and Satterthwaite, as readers and cases are treated in radiology. With one fit each it is McNemar's test.
    Raises ValueError.
    """
    a, b = np.atleast_2d(np.asarray(first, dtype=float)), np.atleast_2d(np.asarray(second, dtype=float))
    fits, images = a.shape
    if fits == 1 or images < 2 or a.shape != b.shape:
        return mcnemar(a.ravel(), b.ravel())
    difference = float((a - b).mean())
    by_image = Spread(float((a - b).mean(axis=0).var(ddof=1)) / images, images - 1)
    by_fit = (between_fits(np.asarray(method.mean(axis=1))) for method in (a, b))
    return two_sided(difference, [*by_fit, by_image], smallest_p(images))  # McNemar's smallest, too


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


def compare_decisions(right: Mapping[str, Mapping[int, ArrayLike]]) -> list[Pair]:
    """Every two methods over the seeds that both have, from whether each one's fit judged the same images (N,) rightly.

    `seeds_by_images`, which is McNemar's test where they have one seed in common; pairs that have none are left out.
    """
    found = []
    for first, second, seeds in _with_common_seeds(right):
        a, b = (np.array([right[name][seed] for seed in seeds], dtype=float) for name in (first, second))
        wins = _discordant(a.mean(axis=0), b.mean(axis=0))
        found.append(Pair(first, second, float((a - b).mean()), *wins, seeds_by_images(a, b), 1.0, len(seeds)))
    return _corrected(found)


def compare_aurocs(placed: Mapping[str, Mapping[int, Placements]]) -> list[Pair]:
    """DeLong's test of every two methods over the seeds that both have, from where each fit places the same images."""
    found = []
    for first, second, seeds in _with_common_seeds(placed):
        a, b = (
            Placements(*(np.concatenate(side) for side in zip(*(placed[name][seed] for seed in seeds), strict=True)))
            for name in (first, second)
        )
        difference = float((a.aurocs - b.aurocs).mean())
        found.append(Pair(first, second, difference, *better_placed(a, b), delong(a, b), 1.0, len(seeds)))
    return _corrected(found)


def compare_bootstrapped(figures: Mapping[str, Mapping[int, FloatArray]], images: int) -> list[Pair]:
    """The paired bootstrap of every two methods over the seeds that both have.

    From each fit's figure (higher is better) on all test images and then on the same drawn sets of them, (1 + times,).
    """
    found = []
    for first, second, seeds in _with_common_seeds(figures):
        a, b = (np.array([figures[name][seed] for seed in seeds]) for name in (first, second))
        counted = _discordant(np.round(a[:, 0], 12), np.round(b[:, 0], 12))
        difference = float((a - b)[:, 0].mean())
        found.append(Pair(first, second, difference, *counted, paired_bootstrap(a, b, images), 1.0, len(seeds)))
    return _corrected(found)


def _with_common_seeds(methods: Mapping[str, Mapping[int, object]]) -> Iterator[tuple[str, str, list[int]]]:
    """Every two methods with the seeds that both have; pairs that have none are left out."""
    for first, second in combinations(methods, 2):
        if seeds := sorted(methods[first].keys() & methods[second].keys()):
            yield first, second, seeds


def compare_categories(values: Mapping[str, ArrayLike]) -> list[Pair]:
    """The signed-rank test of every two methods, from one value (higher is better) on each of the categories (N,)."""
    found = []
    for first, second in combinations(values, 2):
        a, b = _paired(values[first], values[second])
        found.append(Pair(first, second, float((a - b).mean()), *_discordant(a, b), wilcoxon(a, b), 1.0))
    return _corrected(found)


def critical_difference(values: Mapping[str, ArrayLike], alpha: float = 0.05) -> CriticalDifference:
    """Nemenyi's test of at least three methods on at least two categories (N,), higher is better. Raises ValueError.

    Demsar, Journal of Machine Learning Research 7 (2006), 3.2.2.
    """
    from scipy.stats import rankdata, studentized_range

    table = [_paired(value, next(iter(values.values())))[0] for value in values.values()]
    methods, categories = len(table), len(table[0]) if table else 0
    if methods < 3 or categories < 2:
        raise ValueError(f"{methods} methods on {categories} categories: expected at least 3 on 2")
    by_category = rankdata(-np.round(table, 12), axis=0)
    ranks = dict(sorted(zip(values, by_category.mean(axis=1).tolist(), strict=True), key=lambda item: item[1]))
    quantile = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    distance = quantile * math.sqrt(methods * (methods + 1) / (6 * categories))
    return CriticalDifference(ranks, distance, _groups(ranks, distance), *_friedman(by_category))


def _friedman(by_category: FloatArray) -> tuple[float, float]:
    """The p that methods (K) are equal by their ranks (K, N) on categories: by permutation, and by an F distribution.

    Not by Friedman's chi-square, which takes many categories: with 14 methods on 2 it rejects a true null at .05 in
    .002 of cases. Iman and Davenport, Communications in Statistics A 9 (1980) 571.
    """
    from scipy.special import fdtrc

    methods, categories = by_category.shape
    centred = by_category - (methods + 1) / 2
    spread = float(np.square(centred).sum())  # what a permutation within categories leaves as it is
    if not spread:
        return 1.0, 1.0
    between = float(np.square(centred.sum(axis=1)).sum()) / categories
    within = spread - between
    f = (categories - 1) * between / within if within > 1e-9 * spread else math.inf
    p_f = float(fdtrc(methods - 1, (methods - 1) * (categories - 1), f)) if math.isfinite(f) else 0.0
    draws = np.random.default_rng(0)
    times = max(1_999, min(99_999, _DRAWN // by_category.size))
    at_once = max(1, _AT_ONCE // by_category.size)
    reached = 0
    for start in range(0, times, at_once):
        shape = (min(at_once, times - start), categories, methods)
        shuffled = draws.permuted(np.broadcast_to(centred.T, shape), axis=2)
        totals = np.square(shuffled.sum(axis=1)).sum(axis=1) / categories
        reached += int((totals >= between * (1 - 1e-9)).sum())
    return (1 + reached) / (1 + times), p_f


def _groups(ranks: Mapping[str, float], distance: float) -> tuple[tuple[str, ...], ...]:
    names = list(ranks)
    groups: list[tuple[str, ...]] = []
    end = 0
    for start, name in enumerate(names):
        within = sum(ranks[other] - ranks[name] < distance for other in names[start:])
        if start + within > end:  # otherwise it is part of the run before
            end = start + within
            groups.append(tuple(names[start:end]))
    return tuple(groups)


def _corrected(pairs: list[Pair]) -> list[Pair]:
    corrected = holm([pair.p for pair in pairs])
    return [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]


def _discordant(first: FloatArray, second: FloatArray) -> tuple[int, int]:
    return int((first > second).sum()), int((first < second).sum())


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or not len(a) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(f"values of shape {a.shape} and {b.shape}: expected one finite value each for the same items")
    return a, b
