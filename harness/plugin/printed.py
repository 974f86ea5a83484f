"""Keeps what plugins print apart from what the harness prints, so that a table on stdout stays one that programs read.

This changes the standard streams of the whole process: only the command line, and processes that the harness has
started itself, may do so. `harness.run` lets prints be, for a notebook shows them where they belong.
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

from harness.plugin.registry import FILE_MODULE, GROUP
from harness.printable import printable

_OURS = frozenset({"harness", "click", "rich", "__main__"})
"""No plugins, which is known without asking what is installed."""

Aside = Callable[[str, str], None]
"""Takes a plugin's name and a line that it has printed."""


def on_stderr(plugin: str, line: str) -> None:
    """A plugin's line, marked with its name."""
    print(printable(f"[{plugin}] {line}"), file=sys.stderr, flush=True)


class Apart:
    """A text stream that hands on what is written to it, but for what plugins write: their lines are put aside."""

    def __init__(self, stream: TextIO, aside: Aside = on_stderr) -> None:
        self._stream, self._aside = stream, aside
        self._begun: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> Any:
        """The stream of bytes; what a plugin writes to it goes to stderr without a mark."""
        return sys.stderr.buffer if _plugin_in(sys._getframe(1)) else self._stream.buffer

    def write(self, text: str) -> int:
        """What is said by the harness goes on as it is."""
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
        """Put aside lines that were begun and not ended."""
        while self._begun:
            self._aside(*self._begun.popitem())


@contextmanager
def kept_apart(aside: Aside = on_stderr) -> Iterator[None]:
    """Within, lines that plugins print are put aside; what C code writes to descriptor 1 goes to stderr unmarked."""
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
    """A stream to where stdout leads, while descriptor 1 itself leads to stderr; None where it is not stdout's."""
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
    """The plugin whose code is the innermost on the stack."""
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
    """The packages of installed plugins."""
    return frozenset(
        entry.value.partition(":")[0].partition(".")[0] for entry in importlib.metadata.entry_points(group=GROUP)
    )
