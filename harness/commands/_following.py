"""Who is told of a run while it goes on: a person at the terminal, a log of events, a tracker."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path

import click

from harness.api import Dataset, Tracker
from harness.errors import UsageError
from harness.plugin.printed import on_stderr
from harness.plugin.spec import spell
from harness.printable import printable
from harness.report.events import Events, Lines
from harness.report.progress import display
from harness.trackers.tracking import Tracking
from harness.trials.observers import Observer, Observers
from harness.trials.trial import Outcome
from harness.verdicts.verdict import Verdict

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
        with suppress(OSError):  # if the disk is full, that was reported already
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


def observers(
    *,
    dataset: Dataset,
    judged: Callable[[Outcome], list[Verdict]],
    log: Lines | None,
    quiet: bool,
    trackers: Sequence[Tracker],
) -> tuple[Observers, Events | None]:
    """All who are told of one run, and the log of events among them. Raises UsageError."""
    events = Events(log, judged) if log else None
    rootless = () if dataset.needs_root else (spell(dataset),)
    told = [
        None if quiet else display(),
        PluginLines(),
        events,
        *(Tracking(one, judged, warn, rootless) for one in trackers),
    ]
    return Observers([observer for observer in told if observer], warn), events


class PluginLines(Observer):
    """Shows what plugins print on other machines as it is shown on this one."""

    def printed(self, plugin: str, line: str) -> None:
        on_stderr(plugin, line)


def end_log(log: Lines | None, events: Events | None, exit_code: int) -> None:
    """Write the last line of the log, and warn if the log could not be written."""
    if events and log:
        events.summary(exit_code)
        if log.fault:
            warn(f"the log of events ends early: {log.fault}. Trials are stored all the same")


def warn(text: str) -> None:
    """One line on stderr."""
    click.echo(printable(f"harness: {text}"), err=True)
