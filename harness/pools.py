"""Pools turn an error map into one image score. They cost no fit, so every trial keeps the score of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray, Images, Model
from harness.errors import TrainingError
from harness.trial import UNUSED

TOP_SHARE = 0.01
"""The share of pixels that `topk` averages: on 256x256 images 656 pixels, a defect of about 26 by 26."""


def chunks(pixels: NDArray[np.uint8]) -> Iterator[slice]:
    """Images (N, H, W, 3) as they are scored at a time, so that error maps of any number and size fit into memory.

    64 of 256x256, and never fewer than 16, which networks take at once.
    """
    at_a_time = min(64, max(16, (1 << 22) // (pixels.shape[1] * pixels.shape[2] or 1)))
    return (slice(start, start + at_a_time) for start in range(0, len(pixels), at_a_time))


def mean(maps: FloatArray) -> FloatArray:
    """(N, H, W) to (N,): the mean error, the paper's score."""
    return np.asarray(maps.mean(axis=(1, 2), dtype=np.float64))


def largest(maps: FloatArray) -> FloatArray:
    """(N, H, W) to (N,): the error of the worst pixel."""
    return np.asarray(maps.max(axis=(1, 2)), dtype=np.float64)


def topk(maps: FloatArray) -> FloatArray:
    """(N, H, W) to (N,): the mean error of the worst 1 % of the pixels."""
    flat = maps.reshape(len(maps), -1)
    k = max(1, round(TOP_SHARE * flat.shape[1]))
    return np.asarray(np.partition(flat, flat.shape[1] - k, axis=1)[:, -k:].mean(axis=1, dtype=np.float64))


POOLS: Mapping[str, Callable[[FloatArray], FloatArray]] = {"mean": mean, "max": largest, "topk": topk}


def pool_scores(model: Model, images: Images) -> tuple[dict[str, FloatArray], FloatArray | None]:
    """Image scores (N,) by pool, and the maps (N, H, W) where there are any.

    A model that takes no pool has the one pool `-`. Raises TrainingError.
    """
    scores = model.score(images)
    if scores.maps is not None and "pool" in model.uses:
        by_pool = {name: pool(scores.maps) for name, pool in POOLS.items()}
    elif scores.images is not None:
        by_pool = {UNUSED: np.asarray(scores.images, dtype=np.float64)}
    else:
        raise TrainingError(f"{model.name} gave no scores: expected maps with 'pool' in its uses, or images")
    for values in by_pool.values():
        if values.shape != (len(images),):
            raise TrainingError(f"{model.name} gave scores of shape {values.shape} for {len(images)} images")
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            name, score = images.paths[bad[0]], values[bad[0]]
            raise TrainingError(f"{model.name} gave {name} the score {score}, which is not finite")
    return by_pool, scores.maps
