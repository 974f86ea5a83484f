"""What a person sees while trials run: a live line in a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self, TextIO

from harness.api import Progress
from harness.trial import Outcome, Trial


class Display(Protocol):
    """Follows a run, and is told what happens within a fit too."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None: ...

    def found(self, trial: Trial) -> None: ...

    def started(self, trial: Trial) -> None: ...

    def progressed(self, trial: Trial, progress: Progress) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


def display(total: int, *, quiet: bool = False, stream: TextIO | None = None) -> Display:
    """The display that suits stderr; `total` counts all trials of the plan."""
    stream = stream or sys.stderr
    if quiet:
        return Quiet()
    return Live(total) if stream.isatty() else Plain(total, stream)


def describe(trial: Trial) -> str:
    """`bottle · dae + conv + mse · seed 0`."""
    return f"{trial.category} · {trial.method} · seed {trial.seed}"


def ending(outcome: Outcome) -> str:
    """How a trial ended, in a few words."""
    if outcome.status != "done":
        return f"{outcome.status}: {outcome.reason}"
    speed = outcome.record.get("train_images_per_second")
    return f"done in {outcome.record['fit_seconds']:.1f} s" + (f", {speed:.0f} images/s" if speed else "")


class Quiet:
    """Says nothing."""

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
    """A bar over all trials, with the epoch, loss and images/s of the one that runs, and the time left."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.fields[what]}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[now]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bars.add_task("trials", total=total, what="trials", left="", now="")
        self._total = total
        self._begun: dict[Trial, float] = {}
        self._share = 0.0
        self._costs: list[float] = []
        self._remaining = total

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def found(self, trial: Trial) -> None:
        self._remaining -= 1
        self._bars.advance(self._task)

    def started(self, trial: Trial) -> None:
        self._begun[trial] = time.monotonic()
        self._bars.update(self._task, now=describe(trial))

    def progressed(self, trial: Trial, progress: Progress) -> None:
        begun = self._begun.get(trial)
        elapsed = time.monotonic() - begun if begun else 0.0
        self._share = progress.epoch / progress.epochs
        speed = f" · {progress.images / elapsed:.0f} images/s" if elapsed and progress.epoch == 1 else ""
        self._bars.update(
            self._task,
            now=f"{describe(trial)} · epoch {progress.epoch}/{progress.epochs} · loss {progress.loss:.4g}{speed}",
        )

    def ended(self, outcome: Outcome) -> None:
        begun = self._begun.pop(outcome.trial, None)
        if begun is not None:
            self._costs.append(time.monotonic() - begun)
        self._remaining -= 1
        if self._costs:
            left = self._remaining * sum(self._costs) / len(self._costs)
            minutes, seconds = divmod(round(left), 60)
            self._bars.update(self._task, left=f"{minutes}:{seconds:02} left")
        if outcome.status != "done":
            self._bars.console.print(f"{describe(outcome.trial)} · {ending(outcome)}", markup=False, highlight=False)
        self._bars.advance(self._task)
