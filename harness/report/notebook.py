"""Progress in a notebook: one line that is written over, in whichever front end shows it, with no widgets."""

from __future__ import annotations

import sys
import time
from typing import Any

from harness.api import Progress
from harness.printable import printable
from harness.trials.observers import Observer, RunStart
from harness.trials.trial import Outcome, Trial

_EVERY_S = 0.5
"""How often the line is written over, at most: each time is a message to the browser."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. It imports nothing: who is in one has IPython already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class Notebook(Observer):
    """How many cells are done of all, and the epoch and loss of the trial that runs."""

    def __init__(self) -> None:
        self._line: Any = None
        self._total = self._done = self._found = 0
        self._now = ""
        self._shown = 0.0

    def run_started(self, start: RunStart) -> None:
        from IPython.display import display

        self._total = start.cells
        show: Any = display
        self._line = show(self._text(), raw=True, display_id=True)

    def found(self, trial: Trial, trial_id: str) -> None:
        self._done += 1
        self._found += 1
        self._show()

    def started(self, trial: Trial) -> None:
        self._say(_named(trial))

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self._say(f"{_named(trial)} · epoch {progress.epoch}/{progress.epochs} · loss {progress.loss:.4g}")

    def ended(self, outcome: Outcome) -> None:
        self._done += 1
        if outcome.status != "done":
            print(printable(f"{_named(outcome.trial)} · {outcome.status}: {outcome.reason}"), file=sys.stderr)
        self._show()

    def run_ended(self, *, stopped: bool) -> None:
        self._now = "stopped" if stopped else f"{self._found} of them were in the store" if self._found else ""
        self._show(now=True)

    def _say(self, now: str) -> None:
        self._now = now
        self._show()

    def _show(self, *, now: bool = False) -> None:
        if self._line is not None and (now or time.monotonic() >= self._shown + _EVERY_S):
            self._shown = time.monotonic()
            self._line.update(self._text(), raw=True)

    def _text(self) -> dict[str, str]:
        said = f"{self._done} of {self._total} done" + (f" · {self._now}" if self._now else "")
        return {"text/plain": printable(said)}


def _named(trial: Trial) -> str:
    return trial.title
