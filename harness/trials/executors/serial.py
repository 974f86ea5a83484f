"""Fits trials one after another in this process, each with all cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.trials.observers import Observer
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker


@dataclass(frozen=True)
class Serial:
    """Fits in this process."""

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        """The outcome of each trial, in order."""
        for trial in trials:
            yield worker.perform(trial, observer)
