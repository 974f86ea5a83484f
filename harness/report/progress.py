"""What a person sees while trials run: a live line in a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Self, TextIO

from harness.api import Progress
from harness.report.visible import visible
from harness.trial import Outcome, Trial


def describe(trial: Trial) -> str:
    """`bottle · dae + conv + mse · seed 0`."""
    return visible(f"{trial.category} · {trial.method} · seed {trial.seed}")


def ending(outcome: Outcome) -> str:
    """How a trial ended, in a few words."""
    if outcome.status != "done":
        return visible(f"{outcome.status}: {outcome.reason}")
    speed = outcome.record.get("train_images_per_second")
    asked = outcome.record.get("asked_batch_size")
    smaller = f", with batches of {outcome.trial.batch_size} for want of memory" if asked else ""
    return f"done in {outcome.record['fit_seconds']:.1f} s" + (f", {speed:.0f} images/s" if speed else "") + smaller


def display(trials: Sequence[Trial], *, quiet: bool = False, stream: TextIO | None = None) -> Quiet:
    """The display that suits stderr, for a plan of these trials."""
    stream = stream or sys.stderr
    if quiet:
        return Quiet()
    return Live(trials) if stream.isatty() else Plain(len(trials), stream)


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


class TimeLeft:
    """Estimates the seconds that remain: a method costs what it has cost so far, an unseen one what others did."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._waiting: dict[str, int] = {}
        for trial in trials:
            self._waiting[trial.method] = self._waiting.get(trial.method, 0) + 1
        self._costs: dict[str, list[float]] = {}

    def ended(self, trial: Trial, seconds: float | None) -> None:
        """A trial is off the list; None where it cost nothing worth counting."""
        self._waiting[trial.method] -= 1
        if seconds is not None:
            self._costs.setdefault(trial.method, []).append(seconds)

    def seconds(self) -> float | None:
        """None while nothing is known."""
        if not self._costs:
            return None
        means = {method: sum(costs) / len(costs) for method, costs in self._costs.items()}
        unseen = sum(means.values()) / len(means)
        return sum(count * means.get(method, unseen) for method, count in self._waiting.items())


class Live(Quiet):
    """A bar over all trials, the time left, and the epoch, loss and images/s of the trial that runs."""

    def __init__(self, trials: Sequence[Trial]) -> None:
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
        self._task = self._bars.add_task("trials", total=len(trials), left="", now="")
        self._left = TimeLeft(trials)
        self._begun: dict[Trial, float] = {}
        self._images: dict[Trial, int] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def found(self, trial: Trial) -> None:
        self._left.ended(trial, None)
        self._bars.advance(self._task)

    def started(self, trial: Trial) -> None:
        self._begun[trial] = time.monotonic()
        self._images[trial] = 0
        self._bars.update(self._task, now=describe(trial))

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self._images[trial] = self._images.get(trial, 0) + progress.images
        elapsed = time.monotonic() - self._begun.get(trial, time.monotonic())
        now = f"{describe(trial)} · epoch {progress.epoch}/{progress.epochs} · loss {progress.loss:.4g}"
        if elapsed > 0:
            now += f" · {self._images[trial] / elapsed:.0f} images/s"
        self._bars.update(self._task, now=now)

    def ended(self, outcome: Outcome) -> None:
        begun = self._begun.pop(outcome.trial, None)
        self._left.ended(outcome.trial, None if begun is None else time.monotonic() - begun)
        seconds = self._left.seconds()
        if seconds is not None:
            self._bars.update(self._task, left=f"{round(seconds) // 60}:{round(seconds) % 60:02} left")
        if outcome.status != "done":
            self._bars.console.print(f"{describe(outcome.trial)} · {ending(outcome)}", markup=False, highlight=False)
        self._bars.advance(self._task)
