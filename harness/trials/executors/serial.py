"""Trials one after another in this process: all cores serve the one that runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Report, Worker


@dataclass(frozen=True)
class Serial:
    """Fits in this process."""

    worker: Worker
    report: Report

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """The outcome of each trial, in order."""
        for trial in trials:
            yield self.worker.perform(trial, self.report)
