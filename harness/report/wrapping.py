"""Sentences in a terminal, whose lines end between words."""

from __future__ import annotations

import os
import sys
import textwrap


def wrapped(text: str, width: int | None = None) -> str:
    """Each line folded between words to a width, by default that of the terminal on stderr; as it is where none is.

    A word that is longer than a line, such as a path, stays whole.
    """
    if width is None:
        if not sys.stderr.isatty():
            return text
        asked = os.environ.get("COLUMNS", "")
        width = int(asked) if asked.isdecimal() and int(asked) else os.get_terminal_size(sys.stderr.fileno()).columns
    return "\n".join(
        textwrap.fill(line, max(width, 20), break_long_words=False, break_on_hyphens=False) if line.strip() else line
        for line in text.split("\n")
    )
