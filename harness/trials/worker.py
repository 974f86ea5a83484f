"""Fits one trial and scores its images; whatever goes wrong becomes the outcome, never a crash of the run."""

from __future__ import annotations

import math
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import Dataset, Encoder, Images, Loss, Model, Pool, Progress, Split, Threshold
from harness.errors import HarnessError, UnavailableError
from harness.metrics.pools import made_pools, usual_pools
from harness.plugin.registry import KINDS, Offer, Registry
from harness.plugin.spec import parse
from harness.trials import hardware, provenance
from harness.trials.observers import Observer
from harness.trials.saved_model import ModelFolder, SavedModel, State, limit_by, write
from harness.trials.scoring import evidence_of
from harness.trials.trial import UNUSED, Evidence, Outcome, Trial

_IN_MEMORY = 1 << 27
"""Bytes of pixels that may be copied."""


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker needs besides the trial itself; plain values, so that it can be sent to another process."""

    device: str = "cpu"
    data_root: Path | None = None
    weights_dir: Path | None = None
    plugin_files: tuple[Path, ...] = ()
    threads: int | None = None
    """Of a fit on the CPU; None leaves it to torch."""
    smaller_batches: bool = False
    """Whether a fit that runs out of memory is tried with half the batch, and half of that, down to one image."""
    pools: tuple[str, ...] = ()
    """As they are spelt: those whose scores are kept beside the usual ones."""
    keep: ModelFolder | None = None
    """Where fitted models are kept; None keeps none."""


@dataclass
class Worker:
    """Fits trials in one process. It keeps the category it loaded last."""

    workplace: WorkerConfig
    registry: Registry
    save: Callable[[SavedModel, State, Path], object] = write
    """Keeps a fitted model in the folder of models. Raises ModelError."""
    _loaded: tuple[tuple[str, str, int], Split] | None = field(default=None, repr=False)

    def split(self, dataset: str, category: str, image_size: int) -> Split:
        """One category of a data set. Raises DataError, UsageError."""
        wanted = (dataset, category, image_size)
        if self._loaded is None or self._loaded[0] != wanted:
            part = open_dataset(self.registry, dataset, self.workplace.data_root)
            self._loaded = (wanted, part.load(category, image_size))
        return self._loaded[1]

    def perform(self, trial: Trial, observer: Observer, split: Split | None = None) -> Outcome:
        """The trial's outcome, on data given or else loaded. Only KeyboardInterrupt and the like pass through."""
        fingerprint, made_of = "", {}
        try:
            if split is None:
                split = self.split(trial.dataset, trial.category, trial.image_size)
            fingerprint = split.fingerprint
            made_of = self.provenance(trial)
            with hardware.limited_to(self.workplace.threads):
                fitted, evidence, record = self._fit_in_memory(trial, split, observer)
        except UnavailableError as error:
            return Outcome(trial, "skipped", str(error), fingerprint, record=made_of)
        except HarnessError as error:
            return Outcome(trial, "error", str(error), fingerprint, record=made_of)
        except Exception as error:  # a plugin may raise anything; the other trials go on
            return Outcome(trial, "error", _where(error) + self._advice(trial, error), fingerprint, record=made_of)
        if split.incomplete:
            record = {**record, "incomplete": split.incomplete}
        if fitted != trial:
            record = {**record, "asked_batch_size": trial.batch_size}
        return Outcome(fitted, "done", "", fingerprint, evidence, {**made_of, **record})

    def variants(self, trial: Trial) -> Iterator[Trial]:
        """What may be fitted for a trial: itself and, where that is allowed, half the batch, down to one image.

        Each is a trial of its own, with its own key: what a store says does not depend on who had how much memory.
        """
        yield trial
        while self.workplace.smaller_batches and trial.batch_size > 1:
            trial = trial._replace(batch_size=trial.batch_size // 2)
            yield trial

    def _fit_in_memory(self, trial: Trial, split: Split, observer: Observer) -> tuple[Trial, Evidence, dict[str, Any]]:
        """The first variant of a trial for which memory suffices."""
        *larger, smallest = self.variants(trial)
        for variant in larger:
            try:
                evidence, record = self._fit(variant, split, observer)
            except Exception as error:
                if not hardware.out_of_memory(error):
                    raise
            else:
                return variant, evidence, record
            hardware.release_memory()  # not before the error is gone, whose frames hold on to it
        return smallest, *self._fit(smallest, split, observer)

    def _fit(self, trial: Trial, split: Split, observer: Observer) -> tuple[Evidence, dict[str, Any]]:
        model = self.registry.make(Model, trial.model)
        encoder = None if trial.encoder == UNUSED else self.registry.make(Encoder, trial.encoder)
        loss = None if trial.loss == UNUSED else self.registry.make(Loss, trial.loss)
        usual, asked = usual_pools(self.registry, model), made_pools(self.registry, self.workplace.pools)
        fitted, calibration = hold_out(split.train, trial.holdout, trial.seed)
        history: list[Progress] = []
        images_seen = 0

        def listen(progress: Progress) -> None:
            nonlocal images_seen
            images_seen += progress.images
            if progress.epoch_done:
                history.append(progress)
            observer.progressed(trial, progress)

        run = trial.run(self.workplace.device, self.workplace.weights_dir)
        started = time.perf_counter()
        model.fit(fitted, encoder=encoder, loss=loss, run=replace(run, report=listen))
        fit_seconds = time.perf_counter() - started
        started = time.perf_counter()
        evidence, pixels, faults = evidence_of(model, calibration, split.test, usual, asked)
        score_seconds = time.perf_counter() - started
        record = {
            "fit_seconds": fit_seconds,
            "score_seconds": score_seconds,
            "train_images_per_second": images_seen / fit_seconds if images_seen else None,
            "n_train": len(fitted),
            "threads": hardware.threads_in_use(),
            "default_pool": model.default_pool,
            "resolved": {str(name): str(value) for name, value in model.resolved(encoder).items()},
            "loss_history": [float(step.loss) for step in history],  # of whatever number a plugin has
            "pixels": pixels,
            **self._pool_record(evidence, faults),
        }
        if self.workplace.keep:
            try:
                self._keep(self.workplace.keep, trial, split, model, evidence)
            except HarnessError as error:  # the scores stand all the same
                record["unkept"] = str(error)
        return evidence, record

    def _pool_record(self, evidence: Evidence, faults: Mapping[str, str]) -> dict[str, Any]:
        """What a record remembers of pools that are not built in: who offers them, and why one has no scores."""
        offers = {text: self.registry.offers(Pool)[parse(text)[0]] for text in evidence.test if text != UNUSED}
        strangers = {text: str(offer.plugin) for text, offer in offers.items() if not offer.plugin.builtin}
        return {**({"pools": strangers} if strangers else {}), **({"pool_faults": dict(faults)} if faults else {})}

    def _keep(self, keep: ModelFolder, trial: Trial, split: Split, model: Model, evidence: Evidence) -> None:
        """Keep a fitted model with its limit. Raises UsageError, ModelError."""
        threshold = self.registry.make(Threshold, keep.threshold)
        pool = UNUSED if UNUSED in evidence.normal else keep.pool or model.default_pool
        saved = SavedModel(
            trial=trial,
            fingerprint=split.fingerprint,
            pool=pool,
            threshold=keep.threshold,
            limit=limit_by(threshold, evidence.normal[pool]),
            calibration=evidence.normal,
            sizes=split.sizes,
            modes=split.modes,
            threads=hardware.threads_in_use(),
            plugins={**self.plugins(trial), **self._maker_of(pool)},
            versions=provenance.versions(),
        )
        self.save(saved, model.state(), keep.folder)

    def _maker_of(self, pool: str) -> dict[str, str]:
        """Who offers a pool, as `plugins` has it."""
        offer = None if pool == UNUSED else self.registry.offers(Pool).get(parse(pool)[0])
        return {"pool": f"{offer.plugin.distribution} {offer.plugin.version}"} if offer else {}

    def _advice(self, trial: Trial, error: Exception) -> str:
        """What may help where memory ran out."""
        if not hardware.out_of_memory(error) or trial.batch_size <= 1:
            return ""
        return "; so it went down to one image a batch" if self.workplace.smaller_batches else "; try --batch-size auto"

    def plugins(self, trial: Trial) -> dict[str, str]:
        """Kind of part to the distribution, with its version, that offers the trial's; what is not here is left out."""
        offers = self._offers(trial).items()
        return {kind: f"{offer.plugin.distribution} {offer.plugin.version}" for kind, offer in offers}

    def provenance(self, trial: Trial) -> dict[str, Any]:
        """What a record remembers of who makes the trial, and on what; known before it is fitted."""
        return {
            **self.makers(trial),
            "versions": provenance.versions(),
            "machine": hardware.machine(self.workplace.device),
        }

    def makers(self, trial: Trial) -> dict[str, dict[str, str]]:
        """The trial's `plugins`, and digests of the `code` of the harness and of their packages."""
        packages = {offer.part.__module__.partition(".")[0] for offer in self._offers(trial).values()}
        code = {name: digest for name in sorted({"harness", *packages}) if (digest := provenance.code_of(name))}
        return {"plugins": self.plugins(trial), "code": code}

    def _offers(self, trial: Trial) -> dict[str, Offer]:
        """By kind of part; what is not here is left out."""
        spelt = {"dataset": trial.dataset, "model": trial.model, "encoder": trial.encoder, "loss": trial.loss}
        named = {kind: parse(text)[0] for kind, text in spelt.items() if text != UNUSED}
        return {kind: offer for kind, name in named.items() if (offer := self.registry.offers(KINDS[kind]).get(name))}


def open_dataset(registry: Registry, text: str, root: Path | None) -> Dataset:
    """The data set that is spelt so, looking at `root`. Raises UsageError."""
    dataset = registry.make(Dataset, text)
    dataset.root = root
    return dataset


def hold_out(normal: Images, share: float, seed: int) -> tuple[Images, Images]:
    """Normal images to fit on, and to calibrate on: the same ones, or a random share of them kept apart."""
    if not share:
        return normal, normal
    order = np.random.default_rng(seed).permutation(len(normal))
    kept = min(max(1, round(share * len(normal))), len(normal) - 1)
    return _taken(normal, np.sort(order[kept:])), _taken(normal, np.sort(order[:kept]))


def _taken(images: Images, at: NDArray[np.intp]) -> Images:
    """The images at indices; where many are large, in a file without a name, for they may not fit into memory."""
    shape = (len(at), *images.pixels.shape[1:])
    if math.prod(shape) < _IN_MEMORY:
        return images.take(at)
    with tempfile.TemporaryFile() as file:
        for index in at:
            file.write(np.ascontiguousarray(images.pixels[index]).data)
        file.flush()
        pixels = np.memmap(file, np.uint8, "r", shape=shape)
    names, kinds = (tuple(values[index] for index in at) for values in (images.paths, images.defects))
    return Images(pixels, names, kinds, None if images.masks is None else images.masks[at])


def _where(error: Exception) -> str:
    """An unforeseen error in one line, with the place that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
