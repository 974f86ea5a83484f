"""Reads the fields of a table that a person typed. Every fault is one line that names file, row and field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from harness.errors import UsageError, unknown_name
from harness.printable import printable

Reader = Callable[[Any], Any]
"""Turns the typed value of a field into what it means; raises ValueError that says what was expected."""
REQUIRED = object()
"""Stands for the default of a field that must be given."""


def read_fields(given: Mapping[str, Any], spec: Mapping[str, tuple[Reader, Any]], where: str) -> dict[str, Any]:
    """Every field of `spec`, read from what is given or set to its default. Raises UsageError."""
    for field in given:
        if field not in spec:
            raise UsageError(f"{where}: {unknown_name('field', clipped(field), spec)}")
    fields = {}
    for field, (read, default) in spec.items():
        if field not in given:
            if default is REQUIRED:
                raise UsageError(f"{where}: {field!r} is missing")
            fields[field] = default
            continue
        try:
            fields[field] = read(given[field])
        except ValueError as error:
            raise UsageError(f"{where}: {field} is {quoted(given[field])}, expected {error}") from None
    return fields


def quoted(value: Any) -> str:
    """A value as errors quote it: on one line, and not too long."""
    return clipped(repr(value))


def clipped(text: str) -> str:
    """The text in at most 60 characters, all printable."""
    shown = printable(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def misspelt(name: str, known: Iterable[str]) -> bool:
    """Whether a name is so similar to a known one that it must be a misspelling of it."""
    return bool(get_close_matches(name, known, n=1, cutoff=0.85))


def text(value: Any) -> str:
    """One line of text that is not empty."""
    if not (isinstance(value, str) and 0 < len(value.strip()) <= 2000 and value.isprintable()):
        raise ValueError("one line of text")
    return value.strip()


def optional_text(value: Any) -> str:
    """One line of text, or nothing."""
    return text(value) if value != "" else ""


def label(value: Any) -> str:
    """Text, or a whole number as text."""
    return str(value) if type(value) is int else optional_text(value)


def natural(value: Any) -> int:
    """A whole number from 1, written as one or as text."""
    digits = str(value) if type(value) is int else value
    if not (isinstance(digits, str) and digits.isascii() and digits.isdigit() and len(digits) < 10 and int(digits) > 0):
        raise ValueError("a whole number from 1")
    return int(digits)


def count(value: Any) -> int:
    """A whole number from 0."""
    return 0 if value in (0, "0") and value is not False else natural(value)


def positive(value: Any) -> float:
    """A number above 0, such as 1e-4, written as one or as text."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ValueError("a number above 0, such as 1e-4")
    return number


def one_of(*choices: str) -> Reader:
    """One of these and nothing else."""

    def read(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return read


def mapping(value: Any) -> dict[str, Any]:
    """Fields by name."""
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value
