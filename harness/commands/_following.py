"""Who is told of a run while it goes on: a person at the terminal, a log of events, a tracker."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.api import Dataset
from harness.errors import UsageError
from harness.plugin.spec import spell
from harness.printable import printable
from harness.report.events import Events, Lines
from harness.report.progress import Several, display
from harness.report.timing import TimeLeft
from harness.trials.grid import Cell
from harness.trials.store import Store
from harness.trials.trial import Outcome
from harness.verdicts.judge import Verdict

if TYPE_CHECKING:
    from harness.trackers.mlflow import MLflow

HERE = "-"
"""As the file of the log: standard error, in place of what people read there."""


def open_log(ctx: click.Context, file: str | None) -> Lines | None:
    """Where events go, until the command ends; with `-`, all else said on stderr is an event too. Raises UsageError."""
    if file is None:
        return None
    if file == HERE:
        lines = Lines(sys.stderr)
        ctx.with_resource(redirect_stderr(_Messages(lines)))
        return lines
    try:
        opened = Path(file).open("a", encoding="utf-8")  # noqa: SIM115  closed with the command
    except OSError as error:
        raise UsageError(f"--log-json {file!r} cannot be written: {error.strerror}") from error

    @ctx.call_on_close
    def close() -> None:
        with suppress(OSError):  # a disk that is full has been told of by then
            opened.close()

    return Lines(opened)


class _Messages(io.TextIOBase):
    """A stream whose lines become events."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._begun = ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                self._lines.write("message", text=line)
        return len(text)


class Followers:
    """All who are told of one run."""

    def __init__(
        self,
        *,
        cells: Sequence[Cell],
        dataset: Dataset,
        store: Store,
        judged: Callable[[Outcome], list[Verdict]],
        refits: bool,
        log: Lines | None,
        quiet: bool,
        tracker: str | None,
    ) -> None:
        """`refits` says that what the store holds may be fitted again; `tracker` is MLflow's URI."""
        trials = [cell.trial for cell in cells if not cell.reason]
        stored = {} if refits else store.seconds()
        counts = {category: dataset.train_count(category) for category in {trial.category for trial in trials}}
        images = {category: count for category, count in counts.items() if count}
        left = partial(TimeLeft, trials, stored=stored, images=images)
        self._log = log
        self._events = Events(log, len(cells), str(store.folder), left(), judged) if log else None
        self._tracker = _tracker(tracker, store, judged, dataset) if tracker else None
        watchers = [display(len(cells), left(), quiet=quiet), self._events, self._tracker]
        self.watcher = Several([watcher for watcher in watchers if watcher])

    def catch_up(self, outcomes: Iterable[Outcome]) -> None:
        """Tell of trials that need no fit, while the store is open, whoever was not told of them in an earlier run."""
        if self._tracker:
            self._tracker.catch_up(outcomes)

    def end(self, exit_code: int) -> None:
        """The command ends."""
        if self._events and self._log:
            self._events.summary(exit_code)
            if self._log.fault:
                _warn(f"the log of events ends early: {self._log.fault}. Trials are stored all the same")


def _tracker(uri: str, store: Store, judged: Callable[[Outcome], list[Verdict]], dataset: Dataset) -> MLflow:
    from harness.trackers.mlflow import MLflow

    return MLflow(uri, store, judged, _warn, () if dataset.needs_root else (spell(dataset),))


def _warn(text: str) -> None:
    click.echo(printable(f"harness: {text}"), err=True)
