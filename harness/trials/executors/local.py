"""Fits trials on this machine: one after another in this process, or side by side in several processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.api import Executor
from harness.trials import hardware
from harness.trials.executors.processes import Processes
from harness.trials.executors.serial import Serial
from harness.trials.observers import Observer
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker


@dataclass(frozen=True)
class Local(Executor):
    """Fits on this machine, whose cores are shared out among `jobs` trials; by default up to 4.

    By default a GPU has as many as its memory holds, by what the trials before them took; Apple's has one.
    """

    name = "local"
    licence = "MIT"
    source = "concurrent.futures of Python"

    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}: expected a whole number from 1")

    def side_by_side(self, device: str, trials: int) -> int:
        most = hardware.MOST_JOBS if device.startswith("cuda") else hardware.jobs(device)
        return self.jobs or max(1, min(most, trials))

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        config = worker.config
        jobs = config.side_by_side
        here = jobs == 1 and (config.trial_minutes is None or config.isolate)  # what is in this process cannot be ended
        by_memory = self.jobs is None and config.device.startswith("cuda")
        return (Serial() if here else Processes(jobs, by_memory)).run(trials, worker, observer)
