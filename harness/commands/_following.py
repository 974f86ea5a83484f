"""Who is told of a run while it goes on: a person at the terminal, a log of events, a tracker."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import click

from harness.printable import printable
from harness.report.events import TO_STDERR, Lines, opened_log
from harness.report.wrapping import wrapped


def open_log(ctx: click.Context, file: str | None) -> Lines | None:
    """Where events go, until the command ends; with `-`, all else said on stderr is an event too. Raises UsageError."""
    lines: Lines | None = ctx.with_resource(opened_log(file, "--log-json"))
    if lines is not None and file == TO_STDERR:
        ctx.with_resource(redirect_stderr(_Messages(lines)))
    return lines


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


def warn(text: str) -> None:
    """One line on stderr."""
    click.echo(wrapped(printable(f"harness: {text}")), err=True)
