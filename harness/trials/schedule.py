"""Decides what is still to be fitted, hands it to an executor, and stores each outcome as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.api import Corruption, Dataset, Executor, Model, Split
from harness.errors import HarnessError, UnavailableError, where_raised
from harness.plugin.spec import spell
from harness.trials.auditing import Auditor
from harness.trials.corrupting import kept_as
from harness.trials.edits import Edits
from harness.trials.floors import Floors
from harness.trials.folders_left_out import without_folders
from harness.trials.grid import Cell
from harness.trials.models_folder import models_of
from harness.trials.observers import Observer, RunStart
from harness.trials.pictures import thumbnails
from harness.trials.rescoring import kept_of
from harness.trials.store import Store
from harness.trials.together import fit_of
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker


@dataclass
class RunSummary:
    """The results of carrying out a plan."""

    ids: list[str] = field(default_factory=list)
    """The ids of all its trials, whether they were fitted now or earlier."""
    floors: list[str] = field(default_factory=list)
    """The trials of floors beside them, which count as none of them."""
    found: int = 0
    fitted: int = 0
    unfinished: list[Outcome] = field(default_factory=list)
    """Trials that were skipped or failed."""
    again: int = 0
    """How many of the fitted trials were in the store before, but without their model or the scores of a pool."""
    again_for: list[str] = field(default_factory=list)
    """What those trials lacked, in words."""
    apart: list[tuple[Trial, float]] = field(default_factory=list)
    """Fitted again for a pool, and its other scores differ by this share of the largest stored one."""
    rescored: int = 0
    """How many stored trials got scores of changed images from their kept models; they are not among the fitted."""
    kept_faults: list[tuple[Trial, str]] = field(default_factory=list)
    """Trials that were fitted again because their kept models could not be used, with the reason."""
    unkept: list[tuple[Trial, str]] = field(default_factory=list)
    """Finished trials whose model could not be kept, with the reason."""
    changed: dict[tuple[str, str], Trial] = field(default_factory=dict)
    """Method and what its plugins have changed for the whole process, which was put back, with the first such trial."""
    unasked: list[Trial] = field(default_factory=list)
    """Trials of which the executor gave an outcome that nobody waited for, such as a second one: it was left out."""
    alone: list[Trial] = field(default_factory=list)
    """Trials that ran out of memory beside others, and were then fitted alone."""


def run_start(cells: Sequence[Cell], dataset: Dataset, store: Store, *, refits: bool = False) -> RunStart:
    """What observers are told about a plan beforehand. `refits` says that stored trials may be fitted again."""
    trials = [cell.trial for cell in cells if not cell.reason]
    counts = {category: dataset.train_count(category) for category in {trial.category for trial in trials}}
    images = {category: count for category, count in counts.items() if count}
    return RunStart(len(cells), trials, store.folder, {} if refits else store.seconds(), images)


def carry_out(
    plan: Iterable[Cell],
    *,
    store: Store,
    worker: Worker,
    executor: Executor,
    observer: Observer,
    floors: Sequence[Model] = (),
    refit_edited: bool = False,
) -> RunSummary:
    """Fit what the store lacks, and these floors beside it; with `refit_edited` what was fitted by other code too.

    Finished trials are in the store whenever this stops, however it stops.
    """
    schedule = _Schedule(store, worker, observer, floors, Edits(worker.registry) if refit_edited else None)
    for outcome in _outcomes(executor, schedule.missing(plan), worker, observer):
        if schedule.awaits(outcome):
            schedule.settle(outcome)
        else:
            schedule.summary.unasked.append(outcome.trial)
    for trial in schedule.awaited:
        schedule.settle(Outcome(trial, "error", f"executor {spell(executor)} took it and gave no outcome of it"))
    return schedule.summary


def _outcomes(executor: Executor, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
    """The outcomes that an executor yields. Raises UnavailableError if it raises anything, or yields anything else."""
    try:
        for outcome in executor.run(trials, worker, observer):
            if not isinstance(outcome, Outcome) or not isinstance(outcome.trial, Trial):
                raise UnavailableError(f"executor {spell(executor)} gave {outcome!r:.60}, expected an outcome")
            yield outcome
    except (HarnessError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # of a plugin; what was settled is in the store
        raise UnavailableError(f"executor {spell(executor)}: {where_raised(error)}") from error


def _key_of(outcome: Outcome) -> str:
    """The key of the trial as it was given out; it may have been fitted with a smaller batch."""
    asked = outcome.record.asked_batch_size or outcome.trial.batch_size
    return outcome.trial._replace(batch_size=asked).key


def lacking_of(store: Store, worker: Worker) -> dict[str, str]:
    """The stored trials without some of the evidence that a worker is to find, and what that is, in words."""
    config = worker.config
    kept = [kept_as(worker.registry.make(Corruption, spelt)) for spelt in config.corruptions]
    return store.lacking(config.pools, kept, pixels=config.pixels)


class _Schedule:
    """Hands out the trials that the store lacks, and stores their outcomes."""

    def __init__(
        self, store: Store, worker: Worker, observer: Observer, floors: Sequence[Model], edits: Edits | None = None
    ) -> None:
        self._store, self._worker, self._observer = store, worker, observer
        self._edits, self._edited = edits, set[str]()
        self._auditor = Auditor(observer)
        self._floors = Floors(floors, worker, store, self._remembered, edits)
        self._keep = worker.config.keep
        self._known, self._pictured = store.done(), store.pictured()
        self._lacking = lacking_of(store, worker)
        self._use_kept()
        self._awaited: dict[str, Trial] = {}
        self._unusable: dict[tuple[str, str], str] = {}
        """Why the data of a category cannot be loaded, by the way that its images are read."""
        self._planned, self._jointly = set[str](), set[str]()
        """Keys of trials whose model is of several categories, and of those that came of the fit of another."""
        self._waiting: dict[str, list[Trial]] = {}
        """The trials that will come of a fit of several categories which was given out, by `fit_of`."""
        self._failed: dict[str, Outcome] = {}
        self.summary = RunSummary(floors=self._floors.ids)

    def _use_kept(self) -> None:
        """Let the worker score changed images by kept models, where a stored trial lacks nothing else."""
        worker, config = self._worker, self._worker.config
        if not config.corruptions or config.isolate or self._edits:
            return  # a model of strangers is not loaded here, and edited code makes another model
        others = self._store.lacking(config.pools, pixels=config.pixels)
        kept = kept_of(models_of(self._store.folder), self._lacking.keys() - others.keys())
        worker.config = replace(config, kept=kept)

    @property
    def awaited(self) -> list[Trial]:
        """The trials that were handed out and have no outcome yet."""
        return list(self._awaited.values())

    def awaits(self, outcome: Outcome) -> bool:
        """Whether the trial of an outcome was given out and is not settled yet."""
        return _key_of(outcome) in self._awaited

    def settle(self, outcome: Outcome) -> None:
        """Store an outcome, then tell the observer."""
        self._awaited.pop(_key_of(outcome), None)
        if outcome.trial.together and _key_of(outcome) not in self._jointly:
            self._settle_together(outcome)
        outcome = self._remembered(outcome)
        self._store.put(outcome, anew=outcome.id in self._edited)
        more = outcome.id in self._lacking and outcome.id not in self._edited
        if more and (share := self._store.add_evidence(outcome)):
            self.summary.apart.append((outcome.trial, share))
        if self._keep and outcome.status == "done" and not self._keep.of(outcome.id):
            why = outcome.unkept or "it was fitted on a machine that does not share the folder of models"
            self.summary.unkept.append((outcome.trial, why))
        for name in outcome.changed:
            self.summary.changed.setdefault((outcome.trial.method, name), outcome.trial)
        self.summary.alone += [outcome.trial] if outcome.alone else []
        self.summary.ids.append(outcome.id)
        if outcome.kept_fault:
            self.summary.kept_faults.append((outcome.trial, outcome.kept_fault))
        if outcome.rescored:
            self.summary.rescored += 1
            self.summary.again -= 1
        elif outcome.status == "done":
            self.summary.fitted += 1
        else:
            self.summary.unfinished.append(outcome)
        self._observer.ended(outcome)

    def _settle_together(self, outcome: Outcome) -> None:
        """Settle what was to come, or came, of the same fit for other trials of the plan."""
        waiting = self._waiting.pop(fit_of(outcome.trial), [])
        if outcome.status != "done":
            self._failed[fit_of(outcome.trial)] = outcome
            for trial in waiting:
                self.settle(replace(outcome, trial=trial))
        for part in outcome.parts:
            stored = self._store.has_done(part.id)
            why = self._again_for(part.id, part.trial) if stored else ""
            if _key_of(part) in self._planned and (why or not stored):
                if why and part.trial not in waiting:
                    self._count_again(why)
                base = self._split(part.trial)
                if base is not None:
                    self._make_ready(part.trial, base, self._worker.presented(part.trial, base))
                self._jointly.add(_key_of(part))
                self._observer.started(part.trial)
                self.settle(part)

    def _remembered(self, outcome: Outcome) -> Outcome:
        """An outcome with what was found about its images, and without folders, which may name a person."""
        place = self._worker.config
        return without_folders(self._auditor.remembered(outcome), (place.data_root, place.weights_dir))

    def missing(self, plan: Iterable[Cell]) -> Iterator[Trial]:
        """The trials to fit. Those that cannot be fitted, and those that are in the store, are dealt with at once."""
        cells = list(plan)
        self._planned = {trial.key for trial, misfit in cells if trial.together and not misfit}
        for trial, misfit in cells:
            if misfit:
                self.settle(Outcome(trial, "skipped", misfit))
            elif not (trial.together and trial.key in self._jointly) and (wanted := self._to_fit(trial)):
                self._awaited[wanted.key] = wanted
                self._observer.started(wanted)
                yield wanted

    def _to_fit(self, trial: Trial) -> Trial | None:
        """The variant of a trial that is to be fitted; None where it is settled, or will come of another's fit."""
        base = self._split(trial)
        if base is None:
            self.settle(Outcome(trial, "error", self._unusable[trial.category, trial.resize]))
            return None
        try:
            split = self._worker.presented(trial, base)
        except HarnessError as error:
            self.settle(Outcome(trial, "error", str(error), base.fingerprint))
            return None
        wanted = self._wanted(trial, split.fingerprint)
        if wanted is None:
            self._floors.fit_beside(trial, base)
            return None
        self._make_ready(trial, base, split)
        alone = not trial.together or wanted.identity(split.fingerprint) in self._from_kept
        return wanted if alone or self._is_first(wanted, split.fingerprint) else None

    @property
    def _from_kept(self) -> frozenset[str]:
        kept = self._worker.config.kept
        return frozenset() if kept is None else kept.ids

    def _is_first(self, trial: Trial, fingerprint: str) -> bool:
        """Whether nobody fits the trial's model yet, which is of several categories."""
        fit = fit_of(trial)
        if failed := self._failed.get(fit):
            self.settle(replace(failed, trial=trial, fingerprint=fingerprint))
        elif fit in self._waiting:
            self._waiting[fit].append(trial)
        else:
            self._waiting[fit] = []
            return True
        return False

    def _make_ready(self, trial: Trial, base: Split, split: Split) -> None:
        """Look at the images of a trial that is about to be fitted, keep small ones, and fit the floors beside it."""
        self._auditor.look(trial.category, base, split.fingerprint)
        self._floors.fit_beside(trial, base)
        if split.fingerprint not in self._pictured:
            self._store.put_thumbnails(split.fingerprint, thumbnails(split.test))
            self._pictured.add(split.fingerprint)

    def _split(self, trial: Trial) -> Split | None:
        """The data of a trial; None if it cannot be loaded."""
        if (trial.category, trial.resize) not in self._unusable:
            try:
                split = self._worker.split_of(trial)
                split.fingerprint  # noqa: B018  reads all images, which may fail
            except HarnessError as error:
                self._unusable[trial.category, trial.resize] = str(error)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # arrays of a plugin may be of any kind
                self._unusable[trial.category, trial.resize] = f"its images cannot be read: {where_raised(error)}"
            else:
                return split
        return None

    def _wanted(self, trial: Trial, fingerprint: str) -> Trial | None:
        """The variant of a trial that has to be fitted; None if the store has everything that was asked for."""
        ids = {variant.identity(fingerprint): variant for variant in self._worker.variants(trial)}
        trial_id = next((one for one in ids if one in self._known or self._store.has_done(one)), None)
        if trial_id is None:
            return trial
        if why := self._again_for(trial_id, ids[trial_id]):
            self._count_again(why)
            return ids[trial_id]
        self.summary.ids.append(trial_id)
        self.summary.found += 1
        self._observer.found(trial, trial_id)
        return None

    def _count_again(self, why: str) -> None:
        self.summary.again += 1
        self.summary.again_for += [] if why in self.summary.again_for else [why]

    def _again_for(self, trial_id: str, trial: Trial) -> str:
        """What a finished trial lacks, for which it is fitted again; empty where it lacks nothing."""
        record = self._store.record(trial_id) if self._edits else None
        if self._edits and record and self._edits.of(trial, record):
            self._edited.add(trial_id)
            return "the code that its parts have now"
        if trial_id in self._lacking:
            return self._lacking[trial_id]
        return "the model" if self._keep and not self._keep.of(trial_id) else ""
