"""Who is told what happens in a run: displays, logs and trackers are observers, and none of them can cost a trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.api import Finding, Progress
from harness.trials.trial import Outcome, Trial


@dataclass(frozen=True)
class RunStart:
    """What a run is about to do."""

    cells: int
    """How many cells are planned, those included that cannot be fitted."""
    trials: Sequence[Trial]
    """The cells that can be fitted, in their order; the store may have some of them."""
    store: Path
    stored_seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds that the fits of stored trials took, by the trial's key; trials that may be fitted again are left out."""
    train_images: Mapping[str, int] = field(default_factory=dict)
    """Category to its number of images to fit on, where that is known beforehand."""


class Observer:
    """Is told of each event of a run, in the thread that runs it. Override what you need; the others do nothing."""

    def run_started(self, start: RunStart) -> None:
        """The run begins; nothing has been fitted yet."""

    def found(self, trial: Trial, trial_id: str) -> None:
        """A trial needs no fit, because the store has it under this id."""

    def looked_at(self, category: str, findings: Sequence[Finding]) -> None:
        """The images of a category were looked at, before the first fit to them; grave findings come first."""

    def started(self, trial: Trial) -> None:
        """A trial goes to the executor."""

    def progressed(self, trial: Trial, progress: Progress) -> None:
        """A fit reports where it is."""

    def printed(self, plugin: str, line: str) -> None:
        """A plugin has printed a line on another machine. On this one its lines go to stderr by themselves."""

    def ended(self, outcome: Outcome) -> None:
        """A trial has ended, and its outcome is in the store."""

    def run_ended(self, *, stopped: bool) -> None:
        """No more trials will be fitted: all are done, or the run was `stopped` by an interrupt or an error."""


class Observers(Observer):
    """Tells several observers, in their order. One that raises is warned of once and told nothing more."""

    def __init__(self, observers: Sequence[Observer], warn: Callable[[str], None]) -> None:
        self._observers = list(observers)
        self._warn = warn

    @contextmanager
    def following(self, start: RunStart) -> Iterator[Observers]:
        """While this is active, the run goes on. Observers are told of its end however it ends."""
        self.run_started(start)
        try:
            yield self
        except BaseException:
            self.run_ended(stopped=True)
            raise
        self.run_ended(stopped=False)

    def run_started(self, start: RunStart) -> None:
        self._tell("run_started", start)

    def found(self, trial: Trial, trial_id: str) -> None:
        self._tell("found", trial, trial_id)

    def looked_at(self, category: str, findings: Sequence[Finding]) -> None:
        self._tell("looked_at", category, findings)

    def started(self, trial: Trial) -> None:
        self._tell("started", trial)

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self._tell("progressed", trial, progress)

    def printed(self, plugin: str, line: str) -> None:
        self._tell("printed", plugin, line)

    def ended(self, outcome: Outcome) -> None:
        self._tell("ended", outcome)

    def run_ended(self, *, stopped: bool) -> None:
        self._tell("run_ended", stopped=stopped)

    def _tell(self, event: str, *what: Any, **how: Any) -> None:
        for observer in tuple(self._observers):
            try:
                getattr(observer, event)(*what, **how)
            except Exception as error:  # trials go on whatever goes wrong with a display, a disk or a network
                self._observers.remove(observer)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self._warn(f"{type(observer).__name__} failed and is told nothing more of this run: {reason}")
