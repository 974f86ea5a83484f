"""What can go wrong, by who can mend it; every message quotes the value and says what was expected."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from harness.printable import printable


class HarnessError(Exception):
    """Root of all errors that the harness raises on purpose; its text is one line, meant for a person."""

    def __str__(self) -> str:  # a message may quote what a stranger wrote, or a library's words about it
        return printable(super().__str__())


class UsageError(HarnessError):
    """The request cannot be carried out as written: an unknown part, a bad option, a missing folder."""


class DataError(HarnessError):
    """A category's files cannot be used; the trials of that category fail, the others go on."""


class TooFewError(DataError):
    """There are too few images for what is promised of them, as a limit with a guarantee; it says how many it takes."""


class UnavailableError(HarnessError):
    """Something a trial needs is out of reach here (weights, an extra); the trial is skipped, with this reason."""


class TrainingError(HarnessError):
    """A fit went wrong, as with a loss that is not finite; the trial fails, the others go on."""


class StoreError(HarnessError):
    """A store cannot be opened, read or written."""


class ModelError(HarnessError):
    """A kept model cannot be written, read, or used with what is installed here."""


class PackingError(HarnessError):
    """A packed model does not score as its model does, or cannot be run."""


class HarnessWarning(UserWarning):
    """Something to know that stops nothing, as that a plugin cannot be loaded."""


class LeftOutWarning(HarnessWarning):
    """Something stored was left out, because it is damaged; a command that says so ends with exit code 3."""


_MOST_TEXT = 10_000
"""Characters of an error that are kept."""


def where_raised(error: BaseException) -> str:
    """An error that nobody foresaw in one line, with the file and line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{error_line(error)}{place}"


def error_line(error: BaseException) -> str:
    """An error in one line, with its type: `ValueError: no such layer`. Errors of plugins may have no text, or any."""
    return f"{type(error).__name__}: {' '.join(error_text(error).split())}"


def error_text(error: BaseException) -> str:
    """What an error says, cut, and in characters that a store can keep."""
    try:
        said = str(error)[:_MOST_TEXT]
    except Exception:  # of an error that a plugin has made itself
        said = "it cannot say what is wrong"
    return said.encode("utf-8", "backslashreplace").decode()


def unknown_name(kind: str, value: str, known: Iterable[str]) -> str:
    """`no model 'dea'. Did you mean 'dae'? Available: cae, dae.`"""
    names = sorted(known)
    near = get_close_matches(value, names, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"no {kind} {value!r}.{guess} Available: {', '.join(names) or 'none'}."
