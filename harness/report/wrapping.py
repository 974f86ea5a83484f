"""Sentences in a terminal, whose lines end between words."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Collection
from typing import TextIO


def wrapped(text: str, width: int | None = None) -> str:
    """Each line folded between words to a width, by default that of the terminal on stderr; as it is where none is.

    A word that is longer than a line, such as a path, stays whole.
    """
    width = width or _width_of(sys.stderr)
    if width is None:
        return text
    return "\n".join(_folded(line, width) if line.strip() else line for line in text.split("\n"))


def in_columns(text: str, margin: int, commands: Collection[str] = (), width: int | None = None) -> str:
    """The same for lines of a word and, from a margin on, what is said of it, which goes on below itself.

    The width is that of the terminal on stdout. What stands after one of `commands` is to be copied, and stays whole.
    """
    width = width or _width_of(sys.stdout)
    if width is None:
        return text
    folded = [
        line
        if line[:margin].strip() in commands or not line.strip()
        else _folded(line, width, " " * margin if line[:margin].endswith(" ") else "")
        for line in text.split("\n")
    ]
    return "\n".join(folded)


def _folded(line: str, width: int, indent: str = "") -> str:
    word, said = line[: len(indent)], line[len(indent) :]
    lines = textwrap.wrap(said, max(width - len(indent), 20), break_long_words=False, break_on_hyphens=False)
    return word + f"\n{indent}".join(lines)


def _width_of(stream: TextIO) -> int | None:
    """Columns of the terminal that it is; None where it is none."""
    if not stream.isatty():
        return None
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and int(asked) else os.get_terminal_size(stream.fileno()).columns
