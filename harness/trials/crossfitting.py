"""Scores of normal images by models that never saw them, so that every normal image serves to fit and to set limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray, Images, Model, Pool
from harness.audit.duplicates import groups
from harness.errors import TooFewError
from harness.trials.framed import alike
from harness.trials.handed import handed
from harness.trials.scoring import AskedPools, Calibration, chunks, in_pools, score_normal
from harness.trials.subsets import subset
from harness.trials.trial import UNUSED

FOLDS = 5
"""How many models are fitted to score the images that each of them left out."""


def folds_of(group: NDArray[np.intp], seed: int, count: int = FOLDS) -> NDArray[np.intp]:
    """The fold (N,) of each image, from the group (N,) of images that must stay together; folds are about equal.

    Raises TooFewError for fewer than two groups.
    """
    numbers, sizes = np.unique(group, return_counts=True)
    if len(numbers) < 2:
        raise TooFewError(
            f"cross-fitting needs 2 normal images that are not the same: there {_are(len(group))}; "
            "fit without --calibrate crossfit"
        )
    count = min(count, len(numbers))
    drawn = np.random.default_rng(seed).permutation(len(numbers))
    fold, filled = np.empty(len(numbers), dtype=np.intp), np.zeros(count, dtype=np.intp)
    for one in sorted(drawn.tolist(), key=lambda one: -sizes[one]):  # large groups first, else folds are uneven
        fold[one] = filled.argmin()
        filled[fold[one]] += sizes[one]
    return np.asarray(fold[np.searchsorted(numbers, group)])


def _are(n: int) -> str:
    return f"are {n}, all alike" if n > 1 else f"{'is' if n == 1 else 'are'} {n}"


def cross_fitted(
    model: Model,
    fitted_to: Callable[[Images], AbstractContextManager[Model]],
    normal: Images,
    usual: Mapping[str, Pool],
    asked: Mapping[str, Pool],
    seed: int,
    *,
    by_folds: bool = False,
) -> Calibration:
    """The scores of all normal images, each as if the model had been fitted without it and those that are like it.

    The model is fitted to all of them. One that can leave images out by itself does so, one by one, unless all are to
    go `by_folds`; of others `fitted_to` makes five, each fitted to four fifths. Raises TooFewError, TrainingError, and
    what a fit raises.
    """
    group = groups(normal.contents())
    fold = folds_of(group, seed)
    if type(model).score_left_out is not Model.score_left_out and not by_folds:
        return _left_out(model, normal, group, usual, asked)
    at, found = [], []
    for one in range(int(fold.max()) + 1):
        left_out = np.flatnonzero(fold == one)
        with fitted_to(subset(normal, np.flatnonzero(fold != one))) as fitted:
            found.append(score_normal(fitted, subset(normal, left_out), usual, asked, seed))
        at.append(left_out)
    back = np.argsort(np.concatenate(at))
    faults = {name: fault for some in found for name, fault in some.faults.items()}
    names = [name for name in found[0].scores if name not in faults]
    joined: dict[str, FloatArray] = {n: np.concatenate([some.scores[n] for some in found])[back] for n in names}
    return Calibration(joined, faults)


def _left_out(
    model: Model,
    normal: Images,
    group: NDArray[np.intp],
    usual: Mapping[str, Pool],
    asked: Mapping[str, Pool],
) -> Calibration:
    """Scores by a model that leaves the group of each image out of what it has learned."""
    pooled: dict[str, list[FloatArray]] = {}
    scored: list[NDArray[np.intp]] = []
    more = AskedPools({name: pool for name, pool in asked.items() if name not in usual})
    for places, chunk in _alike(normal):
        scored.append(places)
        without = [np.flatnonzero(group == one) for one in group[places]]
        by_pool, maps = in_pools(model, model.score_left_out(handed(chunk), without), chunk, usual)
        for pool, values in by_pool.items():
            pooled.setdefault(pool, []).append(values)
        if maps is not None and UNUSED not in by_pool:
            more.add(maps, chunk.paths, places)
    back = np.argsort(np.concatenate(scored))
    scores = {pool: np.concatenate(values)[back] for pool, values in pooled.items()}
    return Calibration({**scores, **more.scores()}, more.faults)


def _alike(normal: Images) -> Iterator[tuple[NDArray[np.intp], Images]]:
    """Images some at a time, all of one size and without padding, with their places."""
    for at in chunks(normal.pixels):
        for places, some in alike(normal.take(at)):
            yield np.arange(len(normal))[at][places], some
