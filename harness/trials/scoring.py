"""Scores images with a fitted model, some at a time, so that error maps of any number and size fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray, Images, Model
from harness.errors import TrainingError
from harness.metrics.pixel import PixelMetrics
from harness.metrics.pools import POOLS
from harness.trials.pictures import Shrinker
from harness.trials.trial import UNUSED


def chunks(pixels: NDArray[np.uint8]) -> Iterator[slice]:
    """Images (N, H, W, 3) as they are scored at a time, so that error maps of any number and size fit into memory.

    64 of 256x256, and never fewer than 16, which networks take at once.
    """
    at_a_time = min(64, max(16, (1 << 22) // (pixels.shape[1] * pixels.shape[2] or 1)))
    return (slice(start, start + at_a_time) for start in range(0, len(pixels), at_a_time))


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


def score(
    model: Model, images: Images, shrinker: Shrinker | None = None
) -> tuple[dict[str, FloatArray], dict[str, float | None] | None]:
    """Image scores by pool, and pixel metrics where there are maps and masks, in one pass. Raises TrainingError.

    The shrinker is given the maps.
    """
    pooled: dict[str, list[FloatArray]] = {}
    pixels = PixelMetrics() if images.masks is not None and images.masks.any() else None
    has_maps = False
    for at in chunks(images.pixels):
        chunk = images.take(at)
        by_pool, maps = pool_scores(model, chunk)
        for pool, values in by_pool.items():
            pooled.setdefault(pool, []).append(values)
        if shrinker is not None and maps is not None:
            shrinker.add(maps)
        if pixels is not None and maps is not None and chunk.masks is not None:
            has_maps = True
            pixels.update(maps, chunk.masks)
    return (
        {pool: np.concatenate(values) for pool, values in pooled.items()},
        pixels.result() if pixels is not None and has_maps else None,
    )
