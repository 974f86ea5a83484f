"""Decides what is still to be fitted, hands it to an executor, and stores each outcome as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.api import Dataset, Executor
from harness.errors import HarnessError
from harness.trials.grid import Cell
from harness.trials.observers import Observer, RunStart
from harness.trials.pictures import thumbnails
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker


@dataclass
class RunSummary:
    """What became of a plan."""

    ids: list[str] = field(default_factory=list)
    """All its trials, whether fitted now or earlier."""
    found: int = 0
    fitted: int = 0
    unfinished: list[Outcome] = field(default_factory=list)
    """Skipped or failed."""
    again: int = 0
    """Of those fitted, how many the store had without their model, or without the scores of a pool."""
    again_for: list[str] = field(default_factory=list)
    """What the store had them without, in words."""
    apart: list[tuple[Trial, float]] = field(default_factory=list)
    """Fitted again for a pool, and its other scores differ by this share of the largest stored one."""
    unkept: list[tuple[Trial, str]] = field(default_factory=list)
    """Done, but their model could not be kept, and why."""


def run_start(cells: Sequence[Cell], dataset: Dataset, store: Store, *, refits: bool = False) -> RunStart:
    """What observers are told of a plan beforehand; `refits` says that stored trials may be fitted again."""
    trials = [cell.trial for cell in cells if not cell.reason]
    counts = {category: dataset.train_count(category) for category in {trial.category for trial in trials}}
    images = {category: count for category, count in counts.items() if count}
    return RunStart(len(cells), trials, store.folder, {} if refits else store.seconds(), images)


def carry_out(
    plan: Iterable[Cell], *, store: Store, worker: Worker, executor: Executor, observer: Observer
) -> RunSummary:
    """Fit what the store lacks. Finished trials are in the store whenever this stops, however it stops."""
    tally = RunSummary()
    known, pictured = store.done(), store.pictured()
    keep = worker.workplace.keep
    lacking = store.lacking(worker.workplace.pools)

    def settle(outcome: Outcome) -> None:
        store.put(outcome)
        if outcome.id in lacking and (share := store.add_pools(outcome)):
            tally.apart.append((outcome.trial, share))
        if keep and outcome.status == "done" and not keep.of(outcome.id):
            why = outcome.unkept or "it was fitted on a machine that does not share the folder of models"
            tally.unkept.append((outcome.trial, why))
        tally.ids.append(outcome.id)
        if outcome.status == "done":
            tally.fitted += 1
        else:
            tally.unfinished.append(outcome)
        observer.ended(outcome)

    def missing() -> Iterator[Trial]:
        unusable: dict[str, str] = {}
        for trial, misfit in plan:
            if misfit:
                settle(Outcome(trial, "skipped", misfit))
                continue
            if trial.category not in unusable:
                try:
                    split = worker.split(trial.dataset, trial.category, trial.image_size)
                    fingerprint = split.fingerprint
                except HarnessError as error:
                    unusable[trial.category] = str(error)
            if trial.category in unusable:
                settle(Outcome(trial, "error", unusable[trial.category]))
                continue
            ids = {variant.identity(fingerprint): variant for variant in worker.variants(trial)}
            trial_id = next((trial_id for trial_id in ids if trial_id in known or store.has_done(trial_id)), None)
            if trial_id and (trial_id in lacking or (keep and not keep.of(trial_id))):
                tally.again += 1
                why = f"pool {', '.join(worker.workplace.pools)}" if trial_id in lacking else "the model"
                tally.again_for += [] if why in tally.again_for else [why]
                trial = ids[trial_id]
            elif trial_id:
                tally.ids.append(trial_id)
                tally.found += 1
                observer.found(trial, trial_id)
                continue
            if fingerprint not in pictured:
                store.put_thumbnails(fingerprint, thumbnails(split.test))
                pictured.add(fingerprint)
            observer.started(trial)
            yield trial

    for outcome in executor.run(missing(), worker, observer):
        settle(outcome)
    return tally
