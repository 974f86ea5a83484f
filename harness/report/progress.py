"""What a person sees while trials run: a live line in a terminal, plain lines elsewhere. All on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from harness.api import Finding, Progress
from harness.plugin.printed import on_stderr
from harness.printable import printable
from harness.report.audit import finding_line
from harness.report.notebook import Notebook, in_notebook
from harness.report.timing import TimeLeft
from harness.trials.observers import Observer, RunStart
from harness.trials.schedule import RunSummary
from harness.trials.trial import Outcome, Trial


def ending(outcome: Outcome) -> str:
    """How a trial ended, in a few words."""
    if outcome.status != "done":
        return printable(f"{outcome.status}: {outcome.reason}")
    if outcome.rescored:
        return f"scored once more by its kept model in {outcome.record.score_seconds or 0:.1f} s"
    speed = outcome.record.train_images_per_second
    asked = outcome.record.asked_batch_size
    smaller = f", with batches of {outcome.trial.batch_size} for want of memory" if asked else ""
    tiles = outcome.record.tiles_per_second
    cut = f", scored {tiles:.0f} tiles/s" if tiles else ""
    fitted = f"done in {outcome.record.fit_seconds or 0:.1f} s" + (f", {speed:.0f} images/s" if speed else "")
    return fitted + cut + smaller


def planned(outcome: Outcome) -> Trial:
    """The trial as it was started: one that found too little memory ends with a smaller batch."""
    asked = outcome.record.asked_batch_size
    return outcome.trial._replace(batch_size=asked) if asked else outcome.trial


def accounted(summary: RunSummary) -> str:
    """`5 fitted, 7 already there, 1 skipped or failed`."""
    kept = [f"{summary.rescored} scored once more by their kept models"] * bool(summary.rescored)
    again = f" ({summary.again} of them again, for {' and '.join(summary.again_for)})" if summary.again else ""
    said = [f"{summary.fitted} fitted{again}", f"{summary.found} already there"]
    return ", ".join(said + kept + [f"{len(summary.unfinished)} skipped or failed"] * bool(summary.unfinished))


def tell(line: str) -> None:
    """Say something beside the progress, on stderr."""
    if line:
        print(printable(f"harness: {line}"), file=sys.stderr, flush=True)


class PluginLines(Observer):
    """Shows what plugins print on other machines, marked with their names, on stderr."""

    def printed(self, plugin: str, line: str) -> None:
        on_stderr(plugin, line)


def display(stream: TextIO | None = None) -> Observer:
    """The display that suits a notebook, or else a stream, by default stderr."""
    if stream is None and in_notebook():
        return Notebook()
    stream = stream or sys.stderr
    return Live() if stream.isatty() else Plain(stream)


def telling(category: str, findings: Sequence[Finding]) -> list[str]:
    """What a person has to know before a fit: each grave finding, and how many others `harness data` shows."""
    grave = [finding_line(category, finding) for finding in findings if finding.grave]
    others = len(findings) - len(grave)
    if not others:
        return grave
    return [*grave, printable(f"{category}: {others} more finding{'s' * (others > 1)}, which `harness data` shows")]


class Plain(Observer):
    """A line when the run begins to read images, and one when a trial ends, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = 0
        self._count = 0
        self._found = 0

    def run_started(self, start: RunStart) -> None:
        self._total = start.cells
        if start.trials:
            self._say(printable(f"[0/{start.cells}] reading the images of {start.trials[0].category}"))

    def found(self, trial: Trial, trial_id: str) -> None:
        self._count += 1
        self._found += 1

    def looked_at(self, category: str, findings: Sequence[Finding]) -> None:
        for line in telling(category, findings):
            self._say(line)

    def ended(self, outcome: Outcome) -> None:
        self._count += 1
        self._say(f"[{self._count}/{self._total}] {outcome.trial.title} · {ending(outcome)}")

    def run_ended(self, *, stopped: bool) -> None:
        if self._found:
            self._say(f"{self._found} of {self._total} were in the store already")

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class Live(Observer):
    """A bar over all trials, the time left, and the epoch, loss and images/s of the trial that runs."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        whole = Column(no_wrap=True)  # in a narrow terminal what is going on gives way, and never the count
        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self._bars = Bars(
            MofNCompleteColumn(table_column=whole),
            BarColumn(bar_width=20, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[now]}", markup=False, table_column=rest),
            console=Console(stderr=True),
            expand=True,
            transient=True,
            redirect_stdout=False,  # nothing is said there, but by plugins, and the command sees to that
        )
        self._task = self._bars.add_task("trials", total=None, left="", now="")
        self._left = TimeLeft([])
        self._told = 0.0

    def run_started(self, start: RunStart) -> None:
        self._left = TimeLeft(start.trials, stored=start.stored_seconds, images=start.train_images)
        self._bars.update(self._task, total=start.cells)
        self._bars.start()

    def run_ended(self, *, stopped: bool) -> None:
        self._bars.stop()

    def found(self, trial: Trial, trial_id: str) -> None:
        self._left.found(trial)
        self._bars.advance(self._task)

    def looked_at(self, category: str, findings: Sequence[Finding]) -> None:
        for line in telling(category, findings):
            self._bars.console.print(line, markup=False, highlight=False)

    def started(self, trial: Trial) -> None:
        self._left.started(trial)
        self._bars.update(self._task, now=trial.title)
        self._tell()

    def progressed(self, trial: Trial, progress: Progress) -> None:
        speed = self._left.progressed(trial, progress)
        now = f"{trial.title} · epoch {progress.epoch}/{progress.epochs} · loss {progress.loss:.4g}"
        if speed is not None:
            now += f" · {speed:.0f} images/s"
        self._bars.update(self._task, now=now)
        if progress.epoch_done:
            self._tell()

    def ended(self, outcome: Outcome) -> None:
        self._left.ended(planned(outcome), done=outcome.status == "done")
        self._tell()
        if outcome.status != "done":
            self._bars.console.print(f"{outcome.trial.title} · {ending(outcome)}", markup=False, highlight=False)
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
