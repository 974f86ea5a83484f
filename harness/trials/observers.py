"""Observers are told what happens in a run. Displays, logs and trackers are observers; none can make a trial fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.api import Finding, Progress
from harness.errors import error_line
from harness.trials.trial import Outcome, Trial


@dataclass(frozen=True)
class RunStart:
    """The plan of a run that is about to begin."""

    cells: int
    """The number of planned cells, including those that cannot be fitted."""
    trials: Sequence[Trial]
    """The trials that can be fitted, in order. Some may be in the store already."""
    store: Path
    stored_seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds that the fits of stored trials took, by the trial's key; trials that may be fitted again are left out."""
    train_images: Mapping[str, int] = field(default_factory=dict)
    """The number of training images by category, as far as it is known beforehand."""


class Observer:
    """Is told of each event of a run, in its thread. Override the methods you need; the others do nothing."""

    def run_started(self, start: RunStart) -> None:
        """The run begins; nothing has been fitted yet."""

    def found(self, trial: Trial, trial_id: str) -> None:
        """A trial needs no fit, since it is in the store under this id."""

    def looked_at(self, category: str, findings: Sequence[Finding]) -> None:
        """The images of a category were checked, before the first fit on them. Grave findings come first."""

    def started(self, trial: Trial) -> None:
        """A trial was handed to the executor."""

    def progressed(self, trial: Trial, progress: Progress) -> None:
        """A fit reports its progress."""

    def printed(self, plugin: str, line: str) -> None:
        """A plugin printed a line on another machine. Lines printed on this machine go to stderr directly."""

    def ended(self, outcome: Outcome) -> None:
        """A trial ended, and its outcome is in the store."""

    def run_ended(self, *, stopped: bool) -> None:
        """No more trials will be fitted: all are done, or the run was `stopped` by an interrupt or an error."""


class Observers(Observer):
    """Tells several observers, in order. One that raises an exception causes a warning, and is told nothing more."""

    def __init__(self, observers: Sequence[Observer], warn: Callable[[str], None]) -> None:
        self._observers = list(observers)
        self._warn = warn

    @contextmanager
    def following(self, start: RunStart) -> Iterator[Observers]:
        """Observers are told of the start of the run here, and of its end, however it ends."""
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
                reason = error_line(error)
                self._warn(f"{type(observer).__name__} failed and is told nothing more of this run: {reason}")
