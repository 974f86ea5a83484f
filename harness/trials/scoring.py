"""Scores images with a fitted model, some at a time, so that error maps of any number and size fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray, Images, Model, Pool, Scores
from harness.errors import TrainingError, error_line
from harness.metrics.pixel import PixelEvidence, PixelMetrics
from harness.printable import counted
from harness.trials.framed import alike
from harness.trials.handed import handed
from harness.trials.pictures import Shrinker
from harness.trials.trial import UNUSED, Evidence


def chunks(pixels: NDArray[np.uint8]) -> Iterator[slice]:
    """Images (N, H, W, 3) as they are scored at a time, so that error maps of any number and size fit into memory.

    These are 64 images of 256x256, and never fewer than 16, which networks take at once, up to 1024x1024; of images of
    millions of pixels it is one.
    """
    each = pixels.shape[1] * pixels.shape[2] or 1
    at_a_time = min(64, max((1 << 22) // each, min(16, max(1, (1 << 24) // each))))
    return (slice(start, start + at_a_time) for start in range(0, len(pixels), at_a_time))


def pool_scores(
    model: Model, images: Images, pools: Mapping[str, Pool]
) -> tuple[dict[str, FloatArray], FloatArray | None]:
    """Image scores (N,) by pool, and the maps (N, H, W) where there are any, in the order of the images.

    The model is handed pixels alone. A model that takes no pool has the one pool `-`. Raises TrainingError.
    """
    return in_pools(model, model.score(handed(images)), images, pools)


def in_pools(
    model: Model, scores: Scores, images: Images, pools: Mapping[str, Pool]
) -> tuple[dict[str, FloatArray], FloatArray | None]:
    """What a model made of some images as scores (N,) by pool, and maps (N, H, W) if any. Raises TrainingError."""
    if not isinstance(scores, Scores):
        raise TrainingError(f"{model.name} gave {scores!r:.60} as scores: expected harness.Scores")
    maps = None if scores.maps is None else np.asarray(scores.maps).view()
    if maps is not None:
        if len(maps) != len(images):
            raise TrainingError(f"{model.name} gave {counted(len(maps), 'map')} for {counted(len(images), 'image')}")
        maps.flags.writeable = False  # the next pool is given the same
    if maps is not None and "pool" in model.uses:
        by_pool = {name: _pooled(pool, name, maps) for name, pool in pools.items()}
    elif scores.images is not None:
        by_pool = {UNUSED: _plain(scores.images, model.name)}
    else:
        raise TrainingError(f"{model.name} gave no scores: expected maps with 'pool' in its uses, or images")
    for values in by_pool.values():
        if fault := _fault(values, images.paths):
            raise TrainingError(f"{model.name} gave {fault}")
    return by_pool, maps


def _pooled(pool: Pool, name: str, maps: FloatArray) -> FloatArray:
    """Maps (N, H, W) to scores (N,). Raises TrainingError, for a plugin's pool may raise anything."""
    try:
        return _plain(pool.score(maps), f"pool {name}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise TrainingError(f"pool {name}: {error_line(error)}") from error


def _plain(values: Any, giver: str) -> FloatArray:
    """Scores as numbers of 64 bits. Raises TrainingError for what numpy would make some number of."""
    if np.iscomplexobj(values):
        raise TrainingError(f"{giver} gave complex numbers as scores, expected real ones")
    if np.ma.is_masked(values):
        raise TrainingError(
            f"{giver} gave {int(np.count_nonzero(np.ma.getmaskarray(values)))} masked scores, expected all of them"
        )
    return np.asarray(values, dtype=np.float64)


def _fault(values: FloatArray, paths: Sequence[str]) -> str:
    """What is wrong with the scores of these images; empty where nothing is."""
    if values.shape != (len(paths),):
        return f"scores of shape {values.shape} for {counted(len(paths), 'image')}"
    bad = np.flatnonzero(~np.isfinite(values)).tolist()
    if not bad:
        return ""
    first = min(bad, key=lambda index: paths[index])  # whatever the order that images were scored in
    return f"{paths[first]} the score {values[first]}, which is not finite"


class AskedPools:
    """Scores by the pools that were asked for beside those that are always kept; one that fails costs no trial."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools
        self._scores: dict[str, list[FloatArray]] = {name: [] for name in pools}
        self._order: list[NDArray[np.intp]] = []
        self.faults: dict[str, str] = {}
        """Pool to why it has no scores."""

    def add(self, maps: FloatArray, paths: Sequence[str], order: NDArray[np.intp] | None = None) -> None:
        """Score the images at these places by their maps (N, H, W); None is those that come next."""
        self._order.append(np.arange(len(maps)) + sum(map(len, self._order)) if order is None else order)
        for name in self._pools.keys() - self.faults.keys():
            try:
                values = _pooled(self._pools[name], name, maps)
                fault = f"pool {name} gave {wrong}" if (wrong := _fault(values, paths)) else ""
            except TrainingError as error:
                fault = str(error)
            if fault:
                self.faults[name] = fault
            else:
                self._scores[name].append(values)

    def scores(self) -> dict[str, FloatArray]:
        """Pool to the scores of all images that were added, in their order, for the pools without a fault."""
        back = np.argsort(np.concatenate(self._order)) if self._order else np.empty(0, np.intp)
        return {
            name: np.concatenate(found)[back]
            for name, found in self._scores.items()
            if found and name not in self.faults
        }


def score(
    model: Model,
    images: Images,
    pools: Mapping[str, Pool],
    shrinker: Shrinker | None = None,
    asked: AskedPools | None = None,
    seed: int = 0,
) -> tuple[dict[str, FloatArray], PixelEvidence | None]:
    """Image scores by pool, and, where there are maps and masks, what pixel metrics follow from; in one pass.

    The shrinker and the pools that were asked for are given the maps. The model sees all images in an order that the
    seed draws, for data sets put the good ones first, and a model might count. Raises TrainingError.
    """
    drawn = np.random.default_rng(seed).permutation(len(images))
    pooled: dict[str, list[FloatArray]] = {}
    scored: list[NDArray[np.intp]] = []
    pixels = PixelMetrics() if images.masks is not None and images.masks.any() else None
    has_maps = False
    for order, chunk in _drawn_alike(images, drawn):
        scored.append(order)
        by_pool, maps = pool_scores(model, chunk, pools)
        for pool, values in by_pool.items():
            pooled.setdefault(pool, []).append(values)
        if asked is not None and maps is not None and UNUSED not in by_pool:
            asked.add(maps, chunk.paths, order)
        if shrinker is not None and maps is not None:
            shrinker.add(maps, order)
        if pixels is not None and maps is not None and chunk.masks is not None:
            has_maps = True
            pixels.update(maps, chunk.masks, chunk.defects)
    back = np.argsort(np.concatenate(scored)) if scored else drawn
    return (
        {pool: np.concatenate(values)[back] for pool, values in pooled.items()},
        pixels.evidence() if pixels is not None and has_maps else None,
    )


def _drawn_alike(images: Images, drawn: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], Images]]:
    """Images in the order that was drawn, some at a time, all of one size and without padding, with their places."""
    for at in chunks(images.pixels):
        for places, some in alike(images.take(drawn[at])):
            yield drawn[at][places], some


class Calibration(NamedTuple):
    """What limits are set on."""

    scores: Mapping[str, FloatArray]
    """Pool to the scores (M,) of normal images."""
    faults: Mapping[str, str]
    """Why pools that were asked for have none."""


def score_normal(
    model: Model, images: Images, usual: Mapping[str, Pool], asked: Mapping[str, Pool], seed: int = 0
) -> Calibration:
    """The scores of normal images, by the usual pools and those that are asked for. Raises TrainingError."""
    more = AskedPools({name: pool for name, pool in asked.items() if name not in usual})
    scores, _ = score(model, images, usual, asked=more, seed=seed)
    return Calibration({**scores, **more.scores()}, more.faults)


def evidence_of(
    model: Model,
    calibration: Calibration,
    test: Images,
    usual: Mapping[str, Pool],
    asked: Mapping[str, Pool],
    seed: int = 0,
) -> tuple[Evidence, dict[str, str]]:
    """What is kept of a fitted model: evidence, and why pools that were asked for have no scores.

    Raises TrainingError.
    """
    of_test, shrinker = (
        AskedPools({name: pool for name, pool in asked.items() if name not in usual}),
        Shrinker(len(test)),
    )
    tested, pixels = score(model, test, usual, shrinker, of_test, seed)
    if not len(test):
        tested = {pool: np.empty(0) for pool in calibration.scores}
    faults = {**of_test.faults, **calibration.faults}
    tested.update((name, values) for name, values in of_test.scores().items() if name not in faults)
    normal = {name: values for name, values in calibration.scores.items() if name not in faults}
    return Evidence(normal, tested, test.defects, test.paths, shrinker.result(), pixels), faults
