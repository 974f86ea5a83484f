"""A kept model at work: it reads images as its training did, scores them, and decides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import BoolArray, Dataset, Encoder, FloatArray, Images, Loss, Model, Part, Pool, Threshold
from harness.deployment.engines import Graph
from harness.errors import HarnessError, ModelError, PackingError, UnavailableError, UsageError, unknown
from harness.images.decoding import RESAMPLING, form_of, read_image
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import parse, spell
from harness.trials import hardware
from harness.trials.saved_model import SavedModel, limit_by, read, read_weights
from harness.trials.scoring import chunks, pool_scores
from harness.trials.trial import UNUSED

NEAR = 1e-4
"""Share of the limit within which a score is not left to the order of sums."""

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Decided:
    """What was made of N images."""

    scores: FloatArray
    """(N,), higher is more anomalous."""
    anomalous: BoolArray
    """(N,), True where the score is above the limit."""
    maps: FloatArray | None
    """(N, H, W), the error at each pixel; None for a model that has none."""


@dataclass(frozen=True)
class Detector:
    """A fitted model, and what it takes to use it."""

    saved: SavedModel
    model: Model
    dataset: Dataset
    """Reads files as it did for the fit."""
    pool: str
    threshold: str
    limit: float
    device: str = "cpu"
    """Where the model computes, as torch spells it."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """Those that it can score by, as they are spelt; empty for a model that uses none."""
    remarks: tuple[str, ...] = ()
    """What to know before it is trusted: plugins of other versions than at the fit, and a limit of little use."""

    def judging(self, threshold: Threshold | None = None, pool: str | None = None) -> Detector:
        """The same model deciding otherwise, from its calibration scores. Raises UsageError, ModelError."""
        pool = pool or self.pool
        if pool not in self.saved.calibration:
            raise UsageError(f"this model takes no pool {pool!r}: {unknown('pool', pool, self.saved.calibration)}")
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
        """The pixels (H, W, 3) of one image, as in training. Raises DataError."""
        return self.dataset.read(file, self.saved.trial.image_size)

    def picture(self, file: Path, longest: int) -> NDArray[np.uint8]:
        """(h, w, 3), an image as a person knows it, of at most so many pixels a side; its maps lie over it.

        From a data set that reads files in its own way, it is what the model sees. Raises DataError.
        """
        if type(self.dataset).read is not Dataset.read:
            return self.read(file)
        width, height, _ = form_of(file)
        scale = min(1, longest / max(width, height))
        shape = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(Image.fromarray(read_image(file, max(shape)).pixels).resize(shape, RESAMPLING))

    def decide(self, pixels: NDArray[np.uint8], names: tuple[str, ...] | None = None) -> Decided:
        """Judge images (N, H, W, 3), each on its own; names are for errors. Raises TrainingError, ModelError."""
        names = names or tuple(f"image {index}" for index in range(len(pixels)))
        scores, maps = [], []
        with hardware.limited_to(self._threads):
            for chunk in chunks(pixels):
                try:
                    by_pool, some = pool_scores(self.model, Images(pixels[chunk], names[chunk]), self._scorer)
                except HarnessError:
                    raise
                except Exception as error:  # a plugin may raise anything, above all where its state is not whole
                    reason = " ".join(f"{type(error).__name__}: {error}".split())
                    raise ModelError(f"{self.saved.trial.model} cannot score {names[chunk][0]}: {reason}") from error
                scores.append(by_pool[self.pool])
                maps.append(some)
        found = np.concatenate(scores) if scores else np.empty(0)
        whole = [some for some in maps if some is not None]
        return Decided(found, found > self.limit, np.concatenate(whole) if whole else None)

    def decide_at_once(self, pixels: NDArray[np.uint8], names: tuple[str, ...] | None = None) -> Decided:
        """The same without filling a batch up, for images that a line waits for. Raises TrainingError.

        Sums are then made in another order, so that scores may differ from those of `decide` in their last digits;
        where that could change a decision, they do not.
        """
        if self._graph is None:
            return self.decide(pixels, names)
        with hardware.limited_to(self._threads):
            # torch warns of arrays that it could not write to, though it does not
            found = self._graph({"pixels": np.require(pixels, requirements="W"), **self.model.side_inputs(pixels)})
        scores = found["score"].astype(np.float64)
        if not (np.abs(scores - self.limit) > NEAR * abs(self.limit)).all():  # nor where one is no number
            return self.decide(pixels, names)
        return Decided(scores, scores > self.limit, found.get("map"))

    @cached_property
    def _graph(self) -> Graph | None:
        """The model as one module; None where it has none, and on a GPU, for which a full batch is no burden."""
        if self.device != "cpu":
            return None
        from harness.deployment.graph import Decision, TorchGraph

        try:
            return TorchGraph(Decision(self.model, self.scorer, self.limit))
        except (UnavailableError, PackingError):
            return None

    @property
    def scorer(self) -> Pool | None:
        """What pools its maps; None for a model that gives image scores itself."""
        return None if self.pool == UNUSED else self.pools[self.pool]

    @property
    def _scorer(self) -> dict[str, Pool]:
        """Its one pool by its spelling."""
        return {} if self.pool == UNUSED else {self.pool: self.pools[self.pool]}

    @property
    def _threads(self) -> int | None:
        """As at the fit, for a sum in other shares has other last digits; OMP_NUM_THREADS overrules it."""
        return None if os.environ.get("OMP_NUM_THREADS") else self.saved.threads


def load(directory: Path, registry: Registry, device: str = "cpu", weights_dir: Path | None = None) -> Detector:
    """The model that a directory holds, ready to decide. Raises ModelError, UnavailableError."""
    saved = read(directory)
    trial = saved.trial
    remarks = (*_remarks(saved, registry), *filter(None, [saved.doubt]))
    dataset = _make(registry, Dataset, trial.dataset, saved, directory)
    model = _make(registry, Model, trial.model, saved, directory)
    encoder = None if trial.encoder == UNUSED else _make(registry, Encoder, trial.encoder, saved, directory)
    loss = None if trial.loss == UNUSED else _make(registry, Loss, trial.loss, saved, directory)
    state = read_weights(directory, saved)
    try:
        with hardware.limited_to(saved.threads):
            model.restore(state, encoder=encoder, loss=loss, run=saved.trial.run(device, weights_dir))
    except UnavailableError:
        raise
    except Exception as error:  # the state of one version need not fit another
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        told = "; ".join((reason, *remarks))
        raise ModelError(f"model {str(directory)!r}: {spell(model)} cannot take what it learned: {told}") from error
    pools = _pools(registry, saved, directory)
    return Detector(saved, model, dataset, saved.pool, saved.threshold, saved.limit, device, pools, remarks)


def _pools(registry: Registry, saved: SavedModel, directory: Path) -> dict[str, Pool]:
    """Those of its calibration scores that are offered here. Raises ModelError where its own is not."""
    if saved.pool == UNUSED:
        return {}
    pools = {saved.pool: _make(registry, Pool, saved.pool, saved, directory)}
    for text in saved.calibration.keys() - {saved.pool}:
        with suppress(HarnessError):  # it is asked for only by who chooses another pool
            pools[text] = registry.make(Pool, text)
    return pools


def _make(registry: Registry, kind: type[P], text: str, saved: SavedModel, directory: Path) -> P:
    try:
        return registry.make(kind, text)
    except HarnessError as error:
        source = saved.plugins.get(kind.kind, "a plugin that it does not name")
        raise ModelError(
            f"model {str(directory)!r} needs {kind.kind} {text!r} of {source}: {error} Install it, or give --plugin"
        ) from error


def _remarks(saved: SavedModel, registry: Registry) -> list[str]:
    """Each plugin of another version than at the fit, once."""
    spelt = {"dataset": saved.trial.dataset, "model": saved.trial.model}
    spelt |= {"encoder": saved.trial.encoder, "loss": saved.trial.loss, "pool": saved.pool}
    found = []
    for kind, text in spelt.items():
        offer = None if text == UNUSED else registry.offers(KINDS[kind]).get(parse(text)[0])
        then = saved.plugins.get(kind)
        if offer is None or then is None:
            continue
        distribution, _, version = then.rpartition(" ")
        if version != offer.plugin.version or Path(distribution).name != Path(offer.plugin.distribution).name:
            now = f"{offer.plugin.distribution} {offer.plugin.version}"
            found.append(f"it was fitted with {kind} {text} of {then}, here it is of {now}: scores may differ")
    return found
