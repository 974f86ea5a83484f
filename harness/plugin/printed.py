"""Moves what plugins print from stdout to stderr, so that programs can read the tables that the harness prints.

This replaces the standard streams of the whole process. Only the command line and worker processes may do that;
`harness.run` leaves prints alone, and a notebook shows them below the cell.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType
from typing import Any, TextIO, cast

from harness.plugin.plugin_files import FILE_MODULE
from harness.plugin.registry import GROUP
from harness.printable import printable

_OURS = frozenset({"harness", "click", "rich", "__main__"})
"""Top-level packages that are certainly no plugins, so that the installed packages need not be searched."""

Aside = Callable[[str, str], None]
"""Is called with the name of a plugin and a line that it printed."""


def on_stderr(plugin: str, line: str) -> None:
    """Print the line of a plugin to stderr, marked with the plugin's name."""
    print(printable(f"[{plugin}] {line}"), file=sys.stderr, flush=True)


class Apart:
    """A text stream that passes on what the harness writes, and hands the lines of plugins to `aside`."""

    def __init__(self, stream: TextIO, aside: Aside = on_stderr) -> None:
        self._stream, self._aside = stream, aside
        self._begun: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> Any:
        """The stream of bytes. Bytes that a plugin writes go to stderr, without a mark."""
        return sys.stderr.buffer if _plugin_in(sys._getframe(1)) else self._stream.buffer

    def write(self, text: str) -> int:
        """Write text, or put it aside if code of a plugin is writing."""
        plugin = _plugin_in(sys._getframe(1))
        if plugin is None:
            return self._stream.write(text)
        *whole, rest = (self._begun.pop(plugin, "") + text).split("\n")
        if rest:
            self._begun[plugin] = rest
        for line in whole:
            self._aside(plugin, line)
        return len(text)

    def finish(self) -> None:
        """Put aside lines that have no line end yet."""
        while self._begun:
            self._aside(*self._begun.popitem())


@contextmanager
def kept_apart(aside: Aside = on_stderr) -> Iterator[None]:
    """While this is active, lines that plugins print are put aside. Output of C code to descriptor 1 goes to stderr."""
    before, system = sys.stdout, cast("Any", sys)
    named = system.__stdout__
    own = _own_descriptor(before)
    stream = own or before
    apart = Apart(stream, aside)
    system.stdout = apart  # it has all that a text stream has
    if own:
        system.__stdout__ = apart  # whoever asks for the terminal's width asks here
    try:
        yield
    finally:
        apart.finish()
        sys.stdout = before
        if own:
            system.__stdout__ = named
            try:
                own.flush()
            finally:
                os.dup2(own.fileno(), 1)
                with suppress(OSError):
                    own.close()


def _own_descriptor(stream: TextIO) -> TextIO | None:
    """A new stream to the real stdout, with descriptor 1 redirected to stderr; None if `stream` is not descriptor 1."""
    try:
        if stream.fileno() != 1:
            return None
        stream.flush()
        real = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):  # a stream of a notebook or a test, or one that was closed
        return None
    return os.fdopen(real, "w", encoding=stream.encoding, errors=stream.errors, buffering=1 if stream.isatty() else -1)


def _plugin_in(frame: FrameType | None) -> str | None:
    """The name of the plugin whose code is innermost on the call stack; None if there is none."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package.startswith(FILE_MODULE):
            return package.removeprefix(FILE_MODULE)
        if package not in _OURS and package not in sys.stdlib_module_names and package in _packages():
            return package
        frame = frame.f_back
    return None


@cache
def _packages() -> frozenset[str]:
    """The top-level packages of all installed plugins."""
    return frozenset(
        entry.value.partition(":")[0].partition(".")[0] for entry in importlib.metadata.entry_points(group=GROUP)
    )
