"""Fits the floors of a run: models that look at next to nothing, beside whose scores all others are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.api import Model, Split
from harness.plugin.spec import spell
from harness.trials.edits import Edits
from harness.trials.grid import FLOOR_PRECISION
from harness.trials.observers import Observer
from harness.trials.store import Store
from harness.trials.trial import UNUSED, Outcome, Trial
from harness.trials.worker import Worker


def floor_beside(trial: Trial, floor: Model) -> Trial:
    """The trial of a floor that is judged as a trial is: on the same images, and with the same ones held out.

    Where no image is left out by chance the seed decides nothing, and the floor with seed 0 stands for all.
    """
    return trial._replace(
        model=spell(floor),
        encoder=UNUSED,
        loss=UNUSED,
        seed=trial.seed if trial.holdout or trial.calibrate or trial.protocol else 0,
        epochs=0,
        batch_size=0,
        learning_rate=0.0,
        precision=FLOOR_PRECISION,
        weights=UNUSED,
        versions=f"{floor.name} {floor.version}" if floor.version > 1 else "",
    )


@dataclass
class Floors:
    """Fits in this process the floors that a store lacks, and tells nobody: they take a moment."""

    models: Sequence[Model]
    worker: Worker
    store: Store
    remembered: Callable[[Outcome], Outcome]
    """Adds to an outcome what was found about its images."""
    edits: Edits | None = None
    """By what stored floors are fitted again whose code was edited; None leaves them as they are."""
    ids: list[str] = field(default_factory=list)
    """Of all floors of a run, whether fitted now or earlier."""
    _seen: set[Trial] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.worker = Worker(replace(self.worker.config, keep=None, pools=(), corruptions=()), self.worker.registry)

    def fit_beside(self, trial: Trial, split: Split) -> None:
        """Store the floors that a trial on these images is seen beside, unless they are stored."""
        for wanted in self._missing(trial):
            trial_id = wanted.identity(self.worker.presented(wanted, split).fingerprint)
            edited = self._is_edited(trial_id, wanted)
            if edited or not self.store.has_done(trial_id):
                self.store.put(self.remembered(self.worker.perform(wanted, Observer(), split)), anew=edited)
            self.ids.append(trial_id)

    def _is_edited(self, trial_id: str, wanted: Trial) -> bool:
        record = self.store.record(trial_id) if self.edits else None
        return bool(self.edits and record and self.edits.of(wanted, record))

    def _missing(self, trial: Trial) -> Iterator[Trial]:
        for model in self.models:
            wanted = floor_beside(trial, model)
            if wanted not in self._seen and trial.model != wanted.model:
                self._seen.add(wanted)
                yield wanted
