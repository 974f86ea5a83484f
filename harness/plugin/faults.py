"""Checks of what plugins offer as parts."""

from __future__ import annotations

import inspect
import re

from harness.api import Model, OracleThreshold, Part
from harness.errors import error_line, unknown_name
from harness.plugin.options import fault_of_options

AXES = ("encoder", "loss", "pool", "training")
"""The names that are allowed in `Model.uses`."""


def fault_of(part: object, kind: type[Part]) -> str:
    """The reason why an object is not a usable part of this kind; empty if it is. Never raises anything."""
    try:
        return _fault(part, kind)
    except Exception as error:  # a class may answer any question about itself with an exception
        return f"which cannot be looked at: {error_line(error)}"


def named(part: object) -> str:
    """How to call an object in a message, even if its own `repr` fails."""
    try:
        return repr(part)[:200]
    except Exception:
        return f"a {type(part).__name__}"


def needs_options(part: type[Part]) -> bool:
    """Whether a part is useless without options, so that `all` leaves it out. Before 0.2, this was called `generic`."""
    return bool(part.needs_options or getattr(part, "generic", False))


def is_floor(part: type[Part]) -> bool:
    """Whether a part is a model that looks at next to nothing, which runs fit beside those that are asked for."""
    return bool(getattr(part, "floor", False))


def _fault(part: object, kind: type[Part]) -> str:
    if not (inspect.isclass(part) and issubclass(part, kind)):
        return f"expected a subclass of harness.{kind.__name__}"
    if inspect.isabstract(part):
        missing = ", ".join(sorted(part.__abstractmethods__))
        return f"which does not define {missing}"
    name = getattr(part, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_]+", name) or name == "all":
        return f"whose name is {name!r}, expected lower case letters, digits and underscores, and not 'all'"
    if part.kind != kind.kind:
        return f"whose kind is {part.kind!r}, expected {kind.kind!r}, which harness.{kind.__name__} says already"
    if issubclass(part, OracleThreshold) and part.oracle is not True:
        return "an OracleThreshold that says it is no oracle: its rows would not be marked"
    if issubclass(part, Model):
        if isinstance(part.uses, str):
            return f"whose uses is {part.uses!r}, expected a set, as frozenset({{{part.uses!r}}})"
        odd = [axis for axis in part.uses if axis not in AXES]
        if odd:
            return f"whose uses has {unknown_name('axis', str(odd[0]), AXES)}"
    return fault_of_options(part)
