"""Text from outside (names of files, categories, defects; messages of others) made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text in one line; what a terminal would obey, hide or fail to encode is spelt out, as in `\x1b[31m`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
