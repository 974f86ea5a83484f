"""Fits a trial and scores its images. Whatever goes wrong becomes the outcome of the trial, and the run goes on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.api import Split
from harness.errors import HarnessError, UnavailableError, where_raised
from harness.images.framing import STRETCH
from harness.plugin.registry import Registry
from harness.trials import hardware, provenance
from harness.trials.datasets import load, open_dataset
from harness.trials.device_memory import measured_memory
from harness.trials.fitting import Fitted, Fitting, Save
from harness.trials.isolation.model import Isolation
from harness.trials.isolation.registry import IsolatedRegistry
from harness.trials.observers import Observer
from harness.trials.protocols.axes import presented
from harness.trials.record import Record
from harness.trials.rescoring import Kept, rescored
from harness.trials.saved_model import ModelFolder, write
from harness.trials.surroundings import put_back
from harness.trials.together import fingerprint_of, names_of
from harness.trials.trial import Outcome, Protocol, Trial


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker needs to know besides the trial: plain values, so that they can be sent to another process."""

    device: str = "cpu"
    data_root: Path | None = None
    weights_dir: Path | None = None
    plugin_files: tuple[Path, ...] = ()
    threads: int | None = None
    """The number of threads of a fit on the CPU; None leaves it to torch."""
    side_by_side: int = 1
    """How many trials share the cores of this machine, as the executor says."""
    smaller_batches: bool = False
    """Whether a fit that runs out of memory is tried with half the batch, and half of that, down to one image."""
    pools: tuple[str, ...] = ()
    """The spellings of pools whose scores are kept in addition to the usual ones."""
    keep: ModelFolder | None = None
    """Where fitted models are kept; None keeps none."""
    isolate: bool = False
    """Whether models are fitted and scored in processes of their own; the registry has to be an `isolated_registry`."""
    skip_unreadable: bool = False
    """Whether images that cannot be read are left out."""
    corruptions: tuple[str, ...] = ()
    """The spellings of corruptions under which test images are scored as well."""
    kept: Kept | None = None
    """Models that score changed test images in place of another fit."""
    pixels: bool = False
    """Whether a stored trial without the counts behind its pixel metrics is fitted again for them."""
    trial_minutes: float | None = None
    """How long a trial may take; None sets no limit. Only one in a process of its own can be ended."""
    imports: tuple[str, ...] = ()
    """Modules that its trials need: a process imports them before it is given a trial."""


@dataclass
class Worker:
    """Fits trials in one process. It keeps the images of the category that it loaded last."""

    config: WorkerConfig
    registry: Registry
    save: Save = write
    _loaded: dict[tuple[str, str, int, str], Split] = field(default_factory=dict, repr=False)
    _presented: tuple[Split, Protocol, int, str, Split] | None = field(default=None, repr=False)

    @property
    def workplace(self) -> WorkerConfig:
        """The old name of `config`, for executors that were written for it."""
        warnings.warn("Worker.workplace is Worker.config since 0.1; the old name goes in 0.3", DeprecationWarning, 2)
        return self.config

    def split(self, dataset: str, category: str, image_size: int, resize: str = STRETCH) -> Split:
        """One category of a data set, as it is there. Raises DataError, UsageError."""
        wanted = (dataset, category, image_size, resize)
        if wanted not in self._loaded:
            self._loaded.clear()
            self._load(*wanted)
        return self._loaded[wanted]

    def _load(self, dataset: str, category: str, image_size: int, resize: str) -> None:
        part = open_dataset(self.registry, dataset, self.config.data_root, resize)
        part.skip_unreadable = self.config.skip_unreadable
        self._loaded[dataset, category, image_size, resize] = load(part, category, image_size)

    def split_of(self, trial: Trial) -> Split:
        """The category of a trial, as it is there and read as the trial asks. Raises DataError, UsageError."""
        return self.split(trial.dataset, trial.category, trial.image_size, trial.resize)

    def presented(self, trial: Trial, base: Split) -> Split:
        """A category as the trial's protocol presents it; the last one is kept, for many trials share it.

        Raises DataError where its images do not suffice.
        """
        known, how = self._presented, (trial.protocol, trial.seed, trial.calibrate)
        if known is None or known[0] is not base or known[1:4] != how:
            split = presented(base, trial)
            if trial.together:  # its model, and so its scores, follow from the images of all
                split = replace(split)
                vars(split)["fingerprint"] = fingerprint_of(trial.category, self._beside(trial, base))
            known = self._presented = (base, *how, split)
        return known[4]

    def _beside(self, trial: Trial, base: Split) -> dict[str, Split]:
        """The categories that a trial's model is fitted to, as its protocol presents them. Raises DataError."""
        found = {}
        for name in names_of(trial):
            wanted = (trial.dataset, name, trial.image_size, trial.resize)
            if name != trial.category and wanted not in self._loaded:
                self._load(*wanted)
            found[name] = presented(base if name == trial.category else self._loaded[wanted], trial)
        return found

    def perform(self, trial: Trial, observer: Observer, split: Split | None = None) -> Outcome:
        """Fit a trial on the given category, or else load it. Nothing but KeyboardInterrupt is raised."""
        on = "" if self.config.isolate else self.config.device  # an isolated model takes memory of another process
        with hardware.limited_to(self.config.threads), put_back() as changed, measured_memory(on) as memory:
            outcome = self._performed(trial, observer, split)
        if outcome.out_of_memory:
            hardware.release_memory()
        known = replace(outcome.record, device_memory=memory) if memory else outcome.record
        return replace(outcome, changed=tuple(changed), record=known)

    def _performed(self, trial: Trial, observer: Observer, split: Split | None) -> Outcome:
        fingerprint, known = "", Record()
        try:
            if split is None:
                split = self.split_of(trial)
            base, split = split, self.presented(trial, split)
            fingerprint = split.fingerprint
            known = self.known_before(trial)
            again = self._from_kept(trial, split)
            if again.rescored:
                return again
            splits = self._beside(trial, base) if trial.together else {trial.category: split}
            fingerprints = {name: fingerprint_of(name, splits) if trial.together else fingerprint for name in splits}
            variant, fitted = self._fit_in_memory(trial, splits, observer)
        except UnavailableError as error:
            return Outcome(trial, "skipped", str(error), fingerprint, record=known)
        except HarnessError as error:
            short = hardware.out_of_memory(error)
            return Outcome(trial, "error", str(error), fingerprint, record=known, out_of_memory=short)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may raise anything, sys.exit included; the other trials go on
            why, short = where_raised(error) + self._advice(trial, error), hardware.out_of_memory(error)
            return Outcome(trial, "error", why, fingerprint, record=known, out_of_memory=short)

        def of(one: Trial, result: Fitted) -> Outcome:
            record = replace(
                result.record,
                plugins=known.plugins,
                code=known.code,
                versions=known.versions,
                machine=known.machine,
                asked_batch_size=None if variant == trial else trial.batch_size,
            )
            return Outcome(one, "done", "", fingerprints[one.category], result.evidence, record, result.unkept)

        parts = tuple(of(*part) for part in fitted.parts)
        return replace(of(variant, fitted), parts=parts, kept_fault=again.kept_fault)

    def _from_kept(self, trial: Trial, split: Split) -> Outcome:
        """What a trial's kept model adds to its evidence; `rescored` where it is all that the trial lacks."""
        config, found = self.config, Outcome(trial, "done", "", split.fingerprint)
        if config.kept is None or found.id not in config.kept.ids:
            return found
        where = (self.registry, config.corruptions, config.device, config.weights_dir)
        try:
            evidence, record = rescored(config.kept, found.id, trial, split.test, *where)
        except HarnessError as error:
            return replace(found, kept_fault=str(error))
        return replace(found, evidence=evidence, record=record, rescored=True)

    def variants(self, trial: Trial) -> Iterator[Trial]:
        """What may be fitted for a trial: itself and, where that is allowed, half the batch, down to one image.

        Each is a trial of its own, with its own key: what a store says does not depend on who had how much memory.
        """
        yield trial
        while self.config.smaller_batches and trial.batch_size > 1:
            trial = trial._replace(batch_size=trial.batch_size // 2)
            yield trial

    def _fit_in_memory(self, trial: Trial, splits: Mapping[str, Split], observer: Observer) -> tuple[Trial, Fitted]:
        """The first variant of a trial for which memory suffices."""
        config = self.config
        fitting = Fitting(
            self.registry, config.device, config.weights_dir, config.pools, config.keep, self.save, self._isolation()
        )
        fitting = replace(fitting, corruptions=config.corruptions)
        *larger, smallest = self.variants(trial)
        for variant in larger:
            try:
                return variant, fitting.fit(variant, splits, observer)
            except Exception as error:
                if not hardware.out_of_memory(error):
                    raise
            hardware.release_memory()  # not before the error is gone, whose frames hold on to it
        return smallest, fitting.fit(smallest, splits, observer)

    def _isolation(self) -> Isolation | None:
        """Where models are at work; None is this process."""
        config = self.config
        if not config.isolate:
            return None
        assert isinstance(self.registry, IsolatedRegistry), "an isolated worker has an isolated_registry"
        return Isolation(self.registry, config.threads, config.trial_minutes)

    def _advice(self, trial: Trial, error: BaseException) -> str:
        """What may help if memory ran out."""
        if not hardware.out_of_memory(error) or trial.batch_size <= 1:
            return ""
        return "; so it went down to one image a batch" if self.config.smaller_batches else "; try --batch-size auto"

    def known_before(self, trial: Trial) -> Record:
        """The parts of a record that are known before the fit: plugins, code, versions and machine."""
        plugins, code = provenance.makers(trial, self.registry)
        machine = hardware.machine(self.config.device)
        return Record(plugins=plugins, code=code, versions=provenance.versions(), machine=machine)
