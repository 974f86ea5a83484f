"""Many trials judged at once: what a threshold makes of all that share a test set, in operations on whole arrays.

Figures are those of `Judge` to the last bit. What cannot be found so, as by a threshold that has no form for many or
refuses these scores, is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from harness.api import Counts, FloatArray, OracleThreshold, Rankings, Threshold
from harness.trials.trial import Evidence, images_of_kinds, labels_of

AT_ONCE = 256
"""Trials that are judged together: with more, arrays leave the processor's cache."""
Found = tuple[tuple[str, tuple[int, int]], ...]
"""Defect kind, and how many of its images were found, of how many."""


Column = tuple[Sequence[float], Sequence[Counts], Sequence[Found]]
"""What one threshold makes of a group of trials: limits, counts, and what was found of each kind."""


@dataclass(frozen=True, slots=True)
class Group:
    """What is known of the scores of one pool of trials that share a test set, by their places in it."""

    auroc: Sequence[float]
    average_precision: Sequence[float]
    columns: Sequence[Column | None]
    """One for each threshold; None where it has to be asked about each trial alone."""


def known_of(
    evidences: Sequence[Evidence | None], pools: Sequence[Sequence[str]], thresholds: Sequence[Threshold]
) -> dict[tuple[int, str], tuple[Group, int]]:
    """The group of each trial and of each pool that is asked of it, and its place there."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for at, (evidence, asked) in enumerate(zip(evidences, pools, strict=True)):
        for pool in asked if evidence is not None else ():
            assert evidence is not None
            alike = (pool, len(evidence.normal[pool]), evidence.test[pool].shape, evidence.defects)
            groups.setdefault(alike, []).append(at)
    found: dict[tuple[int, str], tuple[Group, int]] = {}
    for (pool, *_, defects), places in groups.items():
        several = [one for at in places if (one := evidences[at]) is not None]
        normal = np.stack([one.normal[pool] for one in several])
        group = _group(normal, np.stack([one.test[pool] for one in several]), defects, thresholds)
        found.update(((at, pool), (group, place)) for place, at in enumerate(places))
    return found


def _group(normal: FloatArray, test: FloatArray, defects: tuple[str, ...], thresholds: Sequence[Threshold]) -> Group:
    """Of scores (T, M) and (T, N): what is known of the T trials."""
    rankings = Rankings(test, labels_of(defects))
    kinds = {kind: test[:, at] for kind, at in images_of_kinds(defects).items()}
    columns = [_column(threshold, normal, rankings, kinds) for threshold in thresholds]
    return Group(rankings.auroc().tolist(), rankings.average_precision().tolist(), columns)


def _column(
    threshold: Threshold, normal: FloatArray, rankings: Rankings, kinds: Mapping[str, FloatArray]
) -> Column | None:
    """What a threshold makes of T trials; None where they are to be asked about one by one."""
    limits = _limits(threshold, normal, rankings)
    if limits is None:
        return None
    right_normal, right_abnormal = (one.tolist() for one in rankings.right(limits))
    n, m = rankings.normal.shape[1], rankings.abnormal.shape[1]
    counts = [_counts(one, n, other, m) for one, other in zip(right_normal, right_abnormal, strict=True)]
    images = tuple((kind, scores.shape[1]) for kind, scores in kinds.items())
    above = [(scores > limits[:, None]).sum(axis=1).tolist() for scores in kinds.values()]
    found = [_found(images, row) for row in zip(*above, strict=True)] if above else [()] * len(limits)
    return limits.tolist(), counts, found


@lru_cache(maxsize=1 << 16)
def _counts(right_normal: int, n_normal: int, right_abnormal: int, n_abnormal: int) -> Counts:
    """Counts that many trials share."""
    return Counts(right_normal, n_normal, right_abnormal, n_abnormal)


@lru_cache(maxsize=1 << 16)
def _found(images: tuple[tuple[str, int], ...], above: tuple[int, ...]) -> Found:
    return tuple((kind, (one, many)) for (kind, many), one in zip(images, above, strict=True))


def _limits(threshold: Threshold, normal: FloatArray, rankings: Rankings) -> FloatArray | None:
    """(T,); None where the threshold has no form for many, or refuses some scores, which it says one by one."""
    if not has_form_for_many(threshold):
        return None
    try:
        with np.errstate(all="ignore"):
            oracle = isinstance(threshold, OracleThreshold)
            given = threshold.fit_oracle_many(rankings) if oracle else threshold.fit_many(normal.copy())  # type: ignore[attr-defined]
            limits = np.asarray(given, dtype=np.float64)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a plugin's threshold may raise anything, and is asked again about each trial
        return None
    return limits if limits.shape == normal.shape[:1] and np.isfinite(limits).all() else None


def has_form_for_many(threshold: Threshold) -> bool:
    """Whether it judges many trials at once, by the class that says how it judges one, or by one derived from it."""
    one, many = ("fit", "fit_many")
    if isinstance(threshold, OracleThreshold):
        one, many = ("fit_oracle", "fit_oracle_many")
    order = type(threshold).__mro__
    by_one, by_many = (next(at for at, base in enumerate(order) if name in vars(base)) for name in (one, many))
    return by_many <= by_one and order[by_many] not in (Threshold, OracleThreshold)
