"""What the library warns of: a line on stderr, and exit code 3 where something was left out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from harness.errors import HarnessWarning, LeftOutWarning
from harness.printable import printable


@contextmanager
def said_and_counted(ctx: click.Context) -> Iterator[None]:
    """Within, each HarnessWarning is a line, once; a command that left something out ends with 3 in place of 0."""
    said: set[str] = set()
    left_out: list[str] = []

    def say(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, HarnessWarning):
            others(message, category, *where, **more)
            return
        if issubclass(category, LeftOutWarning):
            left_out.append(str(message))
        if str(message) not in said:
            said.add(str(message))
            click.echo(printable(f"harness: {message}"), err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", HarnessWarning)
        others, warnings.showwarning = warnings.showwarning, say
        try:
            yield
        except click.exceptions.Exit as stop:
            if stop.exit_code == 0 and left_out:
                ctx.exit(3)
            raise
    if left_out:
        ctx.exit(3)
