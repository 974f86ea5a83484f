"""A kept model at work: it reads images as they were read for its training, scores them, and decides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import BoolArray, Dataset, FloatArray, Images, Model, Pool, Threshold
from harness.deployment.engines import Graph
from harness.errors import (
    DataError,
    HarnessError,
    ModelError,
    PackingError,
    UnavailableError,
    UsageError,
    error_line,
    unknown_name,
)
from harness.images.decoding import RESAMPLING, form_of, path_text, read_image
from harness.metrics.guarantees import p_values
from harness.plugin.spec import spell
from harness.trials import hardware
from harness.trials.framed import alike
from harness.trials.saved_model import SavedModel, limit_by
from harness.trials.scoring import chunks, pool_scores
from harness.trials.trial import UNUSED

NEAR = 1e-4
"""A score nearer to the limit than this share of it is computed again, exactly as in the trial."""


@dataclass(frozen=True)
class Decided:
    """Scores, decisions and maps of N images."""

    scores: FloatArray
    """(N,), higher is more anomalous."""
    anomalous: BoolArray
    """(N,), True where the score is above the limit."""
    maps: FloatArray | None
    """(N, H, W), the error at each pixel; None for a model that has none."""
    p_values: FloatArray | None = None
    """(N,), how common so high a score is among normal images; None where the model holds no scores of such."""


@dataclass(frozen=True)
class Detector:
    """A fitted model with everything that is needed to judge images."""

    saved: SavedModel
    model: Model
    dataset: Dataset
    """Reads image files in the same way as for the fit."""
    pool: str
    threshold: str
    limit: float
    device: str = "cpu"
    """Where the model computes, as torch spells it."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """The pools that it can score by, under their spelling; empty for a model that uses none."""
    remarks: tuple[str, ...] = ()
    """Warnings for the user: plugins whose version differs from that of the fit, or a limit of little use."""

    def judging(self, threshold: Threshold | None = None, pool: str | None = None) -> Detector:
        """The same model with another threshold or pool, from its calibration scores. Raises UsageError, ModelError."""
        pool = pool or self.pool
        if pool not in self.saved.calibration:
            raise UsageError(f"this model takes no pool {pool!r}: {unknown_name('pool', pool, self.saved.calibration)}")
        if pool != UNUSED and pool not in self.pools:
            raise UsageError(
                f"pool {pool!r}, which this model has scores of, is offered by no plugin here: give --plugin"
            )
        if threshold is None:
            if pool == self.pool:
                return self
            raise TypeError("another pool needs a threshold, whose limit is of that pool")
        if threshold.oracle:
            raise UsageError(f"threshold {threshold.name!r} needs test labels, which new images do not have")
        limit = limit_by(threshold, self.saved.calibration[pool])
        return replace(self, pool=pool, threshold=spell(threshold), limit=limit)

    def read(self, file: Path) -> NDArray[np.uint8]:
        """The pixels (H, W, 3) of one image file, read and resized as in training. Raises DataError."""
        trial = self.saved.trial
        pixels = self.dataset.read(file, trial.image_size)
        if min(pixels.shape[:2]) < trial.tiles:
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise DataError(f"{path_text(file)} is {size}: expected at least a tile of {trial.tiles}x{trial.tiles}")
        return pixels

    def picture(self, file: Path, longest: int) -> NDArray[np.uint8]:
        """(h, w, 3), the image for people to look at, in its own proportions, at most `longest` pixels a side.

        If its data set reads files in a way of its own, this is what the model sees. Raises DataError.
        """
        if type(self.dataset).read is not Dataset.read:
            return self.read(file)
        width, height, _ = form_of(file)
        scale = min(1, longest / max(width, height))
        shape = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(
            Image.fromarray(read_image(file, max(shape), self.dataset.read_depth).pixels).resize(shape, RESAMPLING)
        )

    def decide(self, pixels: NDArray[np.uint8], names: tuple[str, ...] | None = None) -> Decided:
        """Judge images (N, H, W, 3), each on its own; names appear in errors. Raises TrainingError, ModelError."""
        names = names or tuple(f"image {index}" for index in range(len(pixels)))
        scores, maps = [], []
        with hardware.limited_to(self._threads):
            for chunk in chunks(pixels):
                try:
                    by_pool, some = pool_scores(self.model, Images(pixels[chunk], names[chunk]), self._scorer)
                except HarnessError:
                    raise
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # a plugin may raise anything, above all where its state is incomplete
                    reason = error_line(error)
                    raise ModelError(f"{self.saved.trial.model} cannot score {names[chunk][0]}: {reason}") from error
                scores.append(by_pool[self.pool])
                maps.append(some)
        found = np.concatenate(scores) if scores else np.empty(0)
        whole = [some for some in maps if some is not None]
        return Decided(found, found > self.limit, np.concatenate(whole) if whole else None, self._p_values(found))

    def decide_at_once(self, pixels: NDArray[np.uint8], names: tuple[str, ...] | None = None) -> Decided:
        """Judge images that somebody is waiting for: the same as `decide`, but faster for a few images.

        No batch is filled up, so sums are made in another order, and scores may differ from those of `decide` in their
        last digits. A score so near to the limit that this could change the decision is computed by `decide`.
        Raises TrainingError.
        """
        if self._graph is None:
            return self.decide(pixels, names)
        with hardware.limited_to(self._threads):
            # torch warns about read-only arrays, although nothing is written to them
            found = self._graph({"pixels": np.require(pixels, requirements="W"), **self.model.side_inputs(pixels)})
        scores = found["score"].astype(np.float64)
        if not (
            np.abs(scores - self.limit) > NEAR * abs(self.limit)
        ).all():  # this is also so where a score is no number
            return self.decide(pixels, names)
        return Decided(scores, scores > self.limit, found.get("map"), self._p_values(scores))

    def _p_values(self, scores: FloatArray) -> FloatArray | None:
        calibration = self.saved.calibration[self.pool]
        return p_values(calibration, scores) if len(calibration) else None

    @cached_property
    def _graph(self) -> Graph | None:
        """The model as one module; None where it has none, and on a GPU, which computes a full batch as fast."""
        if self.device != "cpu":
            return None
        from harness.deployment.graph import Decision, TorchGraph

        try:
            return TorchGraph(Decision(self.model, self.scorer, self.limit))
        except (UnavailableError, PackingError):
            return None

    def decide_each(self, images: Images) -> Decided:
        """Judge images of any sizes, in their order; no maps are kept. Raises TrainingError, ModelError."""
        scores = np.empty(len(images))
        for at, some in alike(images):
            scores[at] = self.decide(some.pixels, some.paths).scores
        return Decided(scores, scores > self.limit, None, self._p_values(scores))

    @property
    def scorer(self) -> Pool | None:
        """The pool that turns its maps into scores; None for a model that gives image scores itself."""
        return None if self.pool == UNUSED else self.pools[self.pool]

    @property
    def _scorer(self) -> dict[str, Pool]:
        """The pool that is used, under its spelling; empty where there is none."""
        return {} if self.pool == UNUSED else {self.pool: self.pools[self.pool]}

    @property
    def _threads(self) -> int | None:
        """As many threads as the fit had, since their number changes the last digits; OMP_NUM_THREADS overrides it."""
        return None if os.environ.get("OMP_NUM_THREADS") else self.saved.threads
