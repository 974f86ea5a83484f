"""Where trials run. An executor takes trials as fast as it can fit them, and gives outcomes as they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from harness.trials.trial import Outcome, Trial


class Executor(Protocol):
    """Fits trials somewhere. It asks for the next trial only when it can start it."""

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """Outcomes, in any order. Else only interrupts are raised, and that the place itself is lost."""
        ...
