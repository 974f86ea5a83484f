"""Prints the API reference: every public name with its signature and docstring.

Use: python .ci/reference.py > plugins/reference.md. A test fails where that page is stale.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import harness
import harness.executors
import harness.testing

HEAD = """# API reference

Made from the docstrings by `python .ci/reference.py > plugins/reference.md`. [README.md](README.md) explains how to
write plugins; this page lists what they may import. Names are stable as [SECURITY.md](../SECURITY.md) says."""


def page() -> str:
    """The whole page."""
    return (
        "\n".join([HEAD, *(line for module in (harness, harness.testing, harness.executors) for line in _of(module))])
        + "\n"
    )


def _of(module: ModuleType) -> Iterator[str]:
    yield f"\n## `{module.__name__}`\n"
    for name in sorted(module.__all__, key=str.lower):
        yield from _entry(name, getattr(module, name))


def _entry(name: str, value: Any) -> Iterator[str]:
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return  # an alias or a marker, which the entries that take it explain
    yield f"### `{name}{_signature(value)}`\n"
    yield f"{_words(value)}\n"
    members = [] if not inspect.isclass(value) else sorted(vars(value).items())
    rows = [(key, member) for key, member in members if not key.startswith("_") and _documented(member)]
    for key, member in rows:
        shown = member.fget if isinstance(member, property) else member
        signature = "" if isinstance(member, property) else _signature(shown)
        yield f"- `{key}{signature}`: {' '.join(_words(shown).split())}"
    if rows:
        yield ""


def _documented(member: Any) -> bool:
    shown = member.fget if isinstance(member, property) else member
    return (inspect.isfunction(shown) or isinstance(member, property)) and bool(inspect.getdoc(shown))


def _signature(value: Any) -> str:
    if inspect.isclass(value) and not dataclasses.is_dataclass(value):
        return ""  # a kind of part is subclassed, and not called
    try:
        shown = str(inspect.signature(value)).replace("'", "").removesuffix(" -> None")
        return re.sub(r"<\w+ (?:\w+\.)*(\w+)[^>]* at 0x\w+>", r"\1", shown)  # a default that has no spelling of its own
    except (TypeError, ValueError):
        return ""


def _words(value: Any) -> str:
    return (inspect.getdoc(value) or "").strip()


if __name__ == "__main__":
    print(page(), end="")
