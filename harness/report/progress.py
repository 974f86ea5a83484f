"""What a person sees while trials run: a live line in a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self, TextIO

from harness.api import Progress
from harness.printable import printable
from harness.report.timing import TimeLeft
from harness.trials.trial import Outcome, Trial


def describe(trial: Trial) -> str:
    """`bottle · dae + conv + mse · seed 0`."""
    return printable(f"{trial.category} · {trial.method} · seed {trial.seed}")


def ending(outcome: Outcome) -> str:
    """How a trial ended, in a few words."""
    if outcome.status != "done":
        return printable(f"{outcome.status}: {outcome.reason}")
    speed = outcome.record.get("train_images_per_second")
    asked = outcome.record.get("asked_batch_size")
    smaller = f", with batches of {outcome.trial.batch_size} for want of memory" if asked else ""
    return f"done in {outcome.record['fit_seconds']:.1f} s" + (f", {speed:.0f} images/s" if speed else "") + smaller


def planned(outcome: Outcome) -> Trial:
    """The trial as it was started: one that found too little memory ends with a smaller batch."""
    asked = outcome.record.get("asked_batch_size")
    return outcome.trial._replace(batch_size=asked) if asked else outcome.trial


def display(total: int, left: TimeLeft, *, quiet: bool = False, stream: TextIO | None = None) -> Quiet:
    """The display that suits stderr, for a plan of so many trials."""
    stream = stream or sys.stderr
    if quiet:
        return Quiet()
    return Live(total, left) if stream.isatty() else Plain(total, stream)


class Quiet:
    """Says nothing. It follows a run from outside (found, started, ended) and a fit from within (progressed)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def found(self, trial: Trial) -> None:
        """A trial needs no fit."""

    def started(self, trial: Trial) -> None:
        """A fit begins."""

    def progressed(self, trial: Trial, progress: Progress) -> None:
        """A fit goes on."""

    def ended(self, outcome: Outcome) -> None:
        """A trial has ended and is stored."""


class Plain(Quiet):
    """A line when a trial ends, for logs."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = total
        self._stream = stream
        self._count = 0
        self._found = 0

    def __exit__(self, *_: object) -> None:
        if self._found:
            self._say(f"{self._found} of {self._total} were in the store already")

    def found(self, trial: Trial) -> None:
        self._count += 1
        self._found += 1

    def ended(self, outcome: Outcome) -> None:
        self._count += 1
        self._say(f"[{self._count}/{self._total}] {describe(outcome.trial)} · {ending(outcome)}")

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class Live(Quiet):
    """A bar over all trials, the time left, and the epoch, loss and images/s of the trial that runs."""

    def __init__(self, total: int, left: TimeLeft) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[now]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bars.add_task("trials", total=total, left="", now="")
        self._left = left
        self._told = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def found(self, trial: Trial) -> None:
        self._left.found(trial)
        self._bars.advance(self._task)

    def started(self, trial: Trial) -> None:
        self._left.started(trial)
        self._bars.update(self._task, now=describe(trial))
        self._tell()

    def progressed(self, trial: Trial, progress: Progress) -> None:
        speed = self._left.progressed(trial, progress)
        now = f"{describe(trial)} · epoch {progress.epoch}/{progress.epochs} · loss {progress.loss:.4g}"
        if speed is not None:
            now += f" · {speed:.0f} images/s"
        self._bars.update(self._task, now=now)
        if progress.epoch_done:
            self._tell()

    def ended(self, outcome: Outcome) -> None:
        self._left.ended(planned(outcome), done=outcome.status == "done")
        self._tell()
        if outcome.status != "done":
            self._bars.console.print(f"{describe(outcome.trial)} · {ending(outcome)}", markup=False, highlight=False)
        self._bars.advance(self._task)

    def _tell(self) -> None:
        """Write the time left anew, at most twice a second: nobody reads faster, and it is work to foretell."""
        if time.monotonic() < self._told + 0.5:
            return
        seconds = self._left.seconds()
        self._told = time.monotonic()
        if seconds is not None:
            minutes = round(seconds) // 60
            hours = f"{minutes // 60}:{minutes % 60:02}" if minutes >= 60 else str(minutes)
            self._bars.update(self._task, left=f"{hours}:{round(seconds) % 60:02} left")


class Several(Quiet):
    """Tells several watchers, in their order."""

    def __init__(self, watchers: Sequence[Quiet]) -> None:
        self._watchers = watchers
        self._entered = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            for watcher in self._watchers:
                entered.enter_context(watcher)
            self._entered = entered.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def found(self, trial: Trial) -> None:
        for watcher in self._watchers:
            watcher.found(trial)

    def started(self, trial: Trial) -> None:
        for watcher in self._watchers:
            watcher.started(trial)

    def progressed(self, trial: Trial, progress: Progress) -> None:
        for watcher in self._watchers:
            watcher.progressed(trial, progress)

    def ended(self, outcome: Outcome) -> None:
        for watcher in self._watchers:
            watcher.ended(outcome)
