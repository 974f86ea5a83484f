"""Text from outside (names of files, categories, defects; messages of others) made safe to print."""

from __future__ import annotations

import json
import re
import shlex

_PLAIN = re.compile(r"[\w.+/()-]+(?: [\w.+/()-]+)*")


def printable(text: str) -> str:
    r"""The text in one line; what a terminal would obey, hide or fail to encode is spelt out, as in `\x1b[31m`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def command(*words: object) -> str:
    """A command that can be pasted into a shell: each word is quoted where that is needed."""
    return shlex.join(str(word) for word in words)


def listed(names: list[str]) -> str:
    """Names as a comma list for an option such as --categories: what a list would read otherwise stands in quotes.

    These are names with commas, quotes or blanks at an end, and one called `all`.
    """
    plain = (bool(_PLAIN.fullmatch(name)) and name != "all" for name in names)
    return ",".join(
        name if is_plain else json.dumps(name, ensure_ascii=False) for name, is_plain in zip(names, plain, strict=True)
    )


def counted(count: int, what: str) -> str:
    """`1 epoch`, `3 epochs`; for words that take an s."""
    return f"{count} {what}{'' if count == 1 else 's'}"
