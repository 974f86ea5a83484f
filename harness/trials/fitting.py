"""Fits the model of one trial, scores its images, and keeps the model where that is asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.api import Encoder, Images, Loss, Model, Pool, Progress, Split, Threshold
from harness.audit.statistics import usual_statistics
from harness.errors import HarnessError, TrainingError
from harness.images.tiles import Tiling
from harness.metrics.pixel import curves
from harness.metrics.pools import made_pools, usual_pools
from harness.plugin.registry import Registry
from harness.trials import hardware, provenance
from harness.trials.crossfitting import cross_fitted
from harness.trials.framed import FramedModel, framed, unframed
from harness.trials.handed import handed
from harness.trials.holdout import NormalImages, normal_images
from harness.trials.isolation.model import IsolatedModel, Isolation
from harness.trials.observers import Observer
from harness.trials.protocols.augmentation import augmented
from harness.trials.record import Record
from harness.trials.rescoring import with_corrupted
from harness.trials.saved_model import ModelFolder, SavedModel, State, digest_of_pixels, limit_by
from harness.trials.scoring import Calibration, evidence_of, score_normal
from harness.trials.together import JOINT_ONE_LIMIT, joined, merged, of_one_fit, parted
from harness.trials.trial import CROSSFIT, UNUSED, Evidence, Trial

Save = Callable[[SavedModel, State, Path], object]
"""Keeps a fitted model in a folder of models. Raises ModelError."""


@dataclass(frozen=True)
class Fitted:
    """The result of a fit."""

    evidence: Evidence
    record: Record
    """What the fit itself adds to the record."""
    unkept: str = ""
    """Why the model could not be kept; empty if it was, or if nobody asked for it."""
    parts: tuple[tuple[Trial, Fitted], ...] = ()
    """What came of the same fit for other trials."""


@dataclass(frozen=True)
class _Tested:
    """How one category came out."""

    evidence: Evidence
    faults: Mapping[str, str]
    """Why pools that were asked for have no scores."""
    of_corruptions: Mapping[str, str]
    """Why corruptions that were asked for have none."""
    seconds: float


@dataclass(frozen=True)
class Fitting:
    """Fits trials, each from a model that is made anew."""

    registry: Registry
    device: str
    weights_dir: Path | None
    pools: tuple[str, ...]
    """Pools whose scores are kept in addition to the usual ones."""
    keep: ModelFolder | None
    save: Save
    isolation: Isolation | None = None
    """Where models are fitted and scored; None is this process."""
    corruptions: tuple[str, ...] = ()
    """Corruptions under which the test images are scored as well."""

    def fit(self, trial: Trial, splits: Mapping[str, Split], observer: Observer) -> Fitted:
        """Fit a trial on the normal images of these categories, and score their test images.

        Raises whatever a plugin raises.
        """
        with self._at_work(trial) as model:
            return self._fit(model, trial, splits, observer)

    @contextmanager
    def _at_work(self, trial: Trial) -> Iterator[Model]:
        """A new model of the trial, in this process or in one of strangers, which ends with this."""
        model = self.registry.make(Model, trial.model)
        if self.isolation is None:
            yield framed(model, trial)
            return
        with self.isolation.at_work(model, trial) as elsewhere:
            yield framed(elsewhere, trial)

    def _fit(self, model: Model, trial: Trial, splits: Mapping[str, Split], observer: Observer) -> Fitted:
        normal = {name: normal_images(one, trial.holdout, trial.seed, trial.calibrate) for name, one in splits.items()}
        fitted = joined({name: images.fitted for name, images in normal.items()})
        history: list[float] = []
        images_seen = 0

        def listen(progress: Progress) -> None:
            nonlocal images_seen
            loss = float(progress.loss)  # a plugin may report any kind of number
            if (images := int(progress.images)) < 0:
                raise TrainingError(f"{model.name} reported {images} images in epoch {progress.epoch}")
            images_seen += images
            observer.progressed(trial, progress)
            if not math.isfinite(loss):
                raise TrainingError(f"{model.name} reported a loss of {loss} in epoch {progress.epoch}")
            if progress.epoch_done:
                history.append(loss)

        started = time.perf_counter()
        encoder = self._learn(model, trial, fitted, listen)
        fit_seconds, seen = time.perf_counter() - started, images_seen
        losses = tuple(history)  # of the model that is kept, not of those that leave some images out
        started = time.perf_counter()
        calibrated = self._calibrated(model, trial, normal, fitted, listen)
        told = Record(
            fit_seconds=fit_seconds,
            score_seconds=(time.perf_counter() - started) / len(splits),
            train_images_per_second=seen / fit_seconds if seen else None,
            n_train=len(fitted),
            loss_history=losses,
            resolved={str(name): str(value) for name, value in model.resolved(encoder).items()},
        )
        own, *others = of_one_fit(trial)
        judged = {name: self._tested(model, trial, split, calibrated[name]) for name, split in splits.items()}
        every = merged(list(calibrated.values()))

        def of(one: Trial) -> Fitted:
            tested, split = judged[one.category], splits[one.category]
            if one.setting == JOINT_ONE_LIMIT:
                tested = replace(tested, evidence=replace(tested.evidence, normal=every.scores))
            return self._fitted(model, one, split, tested, normal[one.category].where, told)

        return replace(of(own), parts=tuple((one, of(one)) for one in others))

    def _calibrated(
        self,
        model: Model,
        trial: Trial,
        normal: Mapping[str, NormalImages],
        fitted: Images,
        listen: Callable[[Progress], None],
    ) -> dict[str, Calibration]:
        """The scores that limits are set on, by category."""
        usual, asked = self._pools_of(model)
        if trial.calibrate == CROSSFIT:
            fitted_to = partial(self._fitted_to, trial, listen)
            scores = cross_fitted(model, fitted_to, fitted, usual, asked, trial.seed, by_folds=bool(trial.augment))
            return parted(scores, {name: len(images.fitted) for name, images in normal.items()})
        return {
            name: score_normal(model, images.calibration, usual, asked, trial.seed) for name, images in normal.items()
        }

    def _tested(self, model: Model, trial: Trial, split: Split, calibration: Calibration) -> _Tested:
        started, (usual, asked) = time.perf_counter(), self._pools_of(model)
        evidence, faults = evidence_of(model, calibration, split.test, usual, asked, trial.seed)
        seconds = time.perf_counter() - started
        changed = (self.registry, self.corruptions, model, split.test, evidence, trial.seed)
        evidence, of_corruptions = with_corrupted(*changed)
        return _Tested(evidence, faults, of_corruptions, seconds)

    def _pools_of(self, model: Model) -> tuple[Mapping[str, Pool], Mapping[str, Pool]]:
        return usual_pools(self.registry, model), made_pools(self.registry, self.pools)

    def _fitted(self, model: Model, trial: Trial, split: Split, tested: _Tested, where: str, told: Record) -> Fitted:
        """What is remembered of a trial, and why its model could not be kept."""
        evidence = tested.evidence
        record = replace(
            told,
            score_seconds=(told.score_seconds or 0.0) + tested.seconds,
            n_calibration=max((len(scores) for scores in evidence.normal.values()), default=0),
            calibrated_on=where,
            tiles_per_second=_tiles_of(trial, split.test) / tested.seconds if trial.tiles and tested.seconds else None,
            threads=_threads(model),
            default_pool=model.default_pool,
            floor=bool(model.floor),
            pools=provenance.strange_pools(evidence.test, self.registry),
            pool_faults=tested.faults,
            corruption_faults=tested.of_corruptions,
            pixels=None if evidence.pixels is None else curves.summary(evidence.pixels.counts()),
            pixel_versions={} if evidence.pixels is None else curves.VERSIONS,
            incomplete=split.incomplete,
        )
        return Fitted(evidence, record, self._unkept(trial, split, model, evidence, where))

    @contextmanager
    def _fitted_to(self, trial: Trial, listen: Callable[[Progress], None], images: Images) -> Iterator[Model]:
        """Another model of the trial, fitted to these images, to be scored with while this lasts."""
        with self._at_work(trial) as model:
            self._learn(model, trial, images, listen)
            yield model

    def _learn(self, model: Model, trial: Trial, images: Images, listen: Callable[[Progress], None]) -> Encoder | None:
        """Fit a model of the trial to these images; its encoder. Raises whatever a plugin raises."""
        encoder = None if trial.encoder == UNUSED else self.registry.make(Encoder, trial.encoder)
        loss = None if trial.loss == UNUSED else self.registry.make(Loss, trial.loss)
        run = replace(trial.run(self.device, self.weights_dir), report=listen)
        shown = handed(augmented(images, trial, self.registry), framed=isinstance(model, FramedModel))
        model.fit(shown, encoder=encoder, loss=loss, run=run)
        return encoder

    def _unkept(self, trial: Trial, split: Split, model: Model, evidence: Evidence, where: str) -> str:
        """Keep the model if that is asked for. Returns why it could not be kept; its scores are valid anyway."""
        if self.keep is None:
            return ""
        try:
            saved = replace(self._described(self.keep, trial, split, model, evidence), calibrated_on=where)
            self.save(saved, model.state(), self.keep.folder)
        except HarnessError as error:
            return str(error)
        return ""

    def _described(self, keep: ModelFolder, trial: Trial, split: Split, model: Model, evidence: Evidence) -> SavedModel:
        """What is kept of the model beside its weights, with its limit. Raises UsageError, ModelError."""
        threshold = self.registry.make(Threshold, keep.threshold)
        pool = UNUSED if UNUSED in evidence.normal else keep.pool or model.default_pool
        makers = provenance.makers(trial, self.registry)
        return SavedModel(
            trial=trial,
            fingerprint=split.fingerprint,
            pool=pool,
            threshold=keep.threshold,
            limit=limit_by(threshold, evidence.normal[pool]),
            calibration=evidence.normal,
            sizes=split.sizes,
            modes=split.modes,
            depth=split.depth,
            threads=_threads(model),
            plugins={**makers.plugins, **provenance.pool_maker(pool, self.registry)},
            versions=provenance.versions(),
            known=frozenset(_known(split)),
            statistics=usual_statistics(split.train.contents()),
        )


def _known(split: Split) -> Iterator[str]:
    """The images that a model knows of a category: those that it may be fitted on, or that set its limit."""
    for images in (split.train, split.calibration):
        for pixels in images.contents() if images is not None else ():
            yield digest_of_pixels(pixels)


def _tiles_of(trial: Trial, images: Images) -> int:
    """How many tiles images are scored in."""
    tiling = Tiling(trial.tiles, trial.overlap)
    return sum(tiling.count(*image.shape[:2]) for image in images.contents())


def _threads(model: Model) -> int | None:
    """How many threads torch computes in, where the model is at work."""
    at_work = unframed(model)
    return at_work.threads if isinstance(at_work, IsolatedModel) else hardware.threads_in_use()
