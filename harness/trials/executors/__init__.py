"""Where trials run. An executor takes trials as fast as it can fit them, and gives outcomes as they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from harness.trials.observers import Observer
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker


class Executor(Protocol):
    """Fits trials somewhere. It asks for the next trial only when it can start it."""

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        """Outcomes, in any order; how far fits are is told to the observer's `progressed`.

        Besides interrupts it raises only that the place itself is lost.
        """
        ...
