"""Options of parts: which types they may have, and how a value of each is read from text and written again."""

from __future__ import annotations

import dataclasses
import inspect
import numbers
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from harness.api import Part
from harness.errors import error_text
from harness.plugin.grammar import quoted

SUPPORTED = "bool, int, float, str, Literal, a tuple of these, a kind of part such as Loss, or one of these or None"
"""The types that an option may have, in words."""

MakePart = Callable[[type[Part], str], Part]
"""Makes a part from its kind and its spelling; `Registry.make` is one."""

_PLAIN: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}
_BETWEEN = re.compile(r"(?<=[0-9.])-")
"""A dash that separates two numbers of a tuple. In `1e-05--2` it is the second dash."""


def options_of(cls: type[Part]) -> tuple[dataclasses.Field[Any], ...]:
    """The options of a part, which are its dataclass fields, in order; none if it is not a dataclass."""
    return tuple(f for f in dataclasses.fields(cls) if f.init) if dataclasses.is_dataclass(cls) else ()


def default_of(option: dataclasses.Field[Any]) -> Any:
    """The default of an option; dataclasses.MISSING if it has none."""
    return option.default if option.default_factory is dataclasses.MISSING else option.default_factory()


@cache  # of type hints, which Python compiles anew each time they are asked for
def option_types(cls: type[Part]) -> dict[str, Any]:
    """Option to type. Raises NameError for an annotation that the module of the class cannot resolve."""
    return {option.name: _type_of(cls, option) for option in options_of(cls)}


def fault_of_options(cls: type[Part]) -> str:
    """The reason why an option of a part cannot be used; empty if all can."""
    for option in options_of(cls):
        where = f"whose option {option.name!r}"
        if option.default is dataclasses.MISSING and option.default_factory is dataclasses.MISSING:
            return f"{where} has no default"
        try:
            wanted = _type_of(cls, option)
        except Exception as error:  # an annotation is a program of the plugin
            missing = isinstance(error, NameError)
            advice = ": import it outside of `if TYPE_CHECKING`" if missing else ""
            return f"{where} has the type {option.type!r}, which cannot be looked up ({error_text(error)}){advice}"
        if not is_supported(wanted):
            return f"{where} is of type {describe(wanted)}, expected {SUPPORTED}"
        if not fits(default := default_of(option), wanted):
            return f"{where} has the default {default!r:.60}, expected {describe(wanted)}"
    return ""


def fits(value: Any, wanted: Any) -> bool:
    """Whether a value is of a type that is supported. None fits any type: as a default it is never spelt."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if value is None:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments if argument is not type(None))
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        inner = arguments[:1] * len(value) if isinstance(value, tuple) and arguments[1:] == (Ellipsis,) else arguments
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(fits, value, inner))
    return isinstance(value, {int: numbers.Integral, float: numbers.Real}.get(wanted, wanted))


def is_supported(wanted: Any) -> bool:
    """Whether values of this type can be read from text and written as text."""
    arguments = typing.get_args(wanted)
    origin = typing.get_origin(wanted)
    if origin in (typing.Union, types.UnionType):
        others = [argument for argument in arguments if argument is not type(None)]
        return len(others) == 1 and len(arguments) == 2 and is_supported(others[0])
    if origin is typing.Literal:
        return all(isinstance(choice, str | int) or choice is None for choice in arguments)
    if origin is tuple:
        inner = arguments[:1] if arguments[1:] == (Ellipsis,) else arguments
        return bool(inner) and all(one in _PLAIN or typing.get_origin(one) is typing.Literal for one in inner)
    return wanted in _PLAIN or is_kind(wanted)


def is_kind(wanted: Any) -> bool:
    """Whether a type is a kind of part, such as Loss."""
    return inspect.isclass(wanted) and issubclass(wanted, Part) and isinstance(getattr(wanted, "kind", None), str)


def nested_parts(part: Part) -> Iterator[Part]:
    """The parts among the options of a part, and among their options in turn."""
    for option in options_of(type(part)):
        value = getattr(part, option.name)
        if isinstance(value, Part):
            yield value
            yield from nested_parts(value)


def read(text: str, wanted: Any, make_part: MakePart | None = None) -> Any:
    """Read a value of a supported type from text. The items of a tuple are joined by dashes, as in 32-64-128.

    Raises ValueError, and whatever `make_part` raises.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        if text == "none" and type(None) in arguments:
            return None
        (inner,) = (a for a in arguments if a is not type(None))
        return read(text, inner, make_part)
    if origin is typing.Literal:
        return (
            next((choice for choice in arguments if write(choice) == text), None)
            if text in map(write, arguments)
            else _refuse(text)
        )
    if origin is tuple:
        return _read_tuple(text, arguments)
    if is_kind(wanted):
        return make_part(wanted, text) if make_part else _refuse(text)
    if wanted is bool:
        return {"true": True, "false": False}[text] if text in ("true", "false") else _refuse(text)
    if wanted is float:
        value = float(text)
        return value if value - value == 0 else _refuse(text)  # neither nan nor infinite
    return wanted(text)


def write(value: Any) -> str:
    """Write a value as text that `read` understands; a part becomes its spelling."""
    if isinstance(value, Part):
        return spelling(value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, tuple):
        return "-".join(write(item) for item in value)
    return str(value)


def spelling(part: Part) -> str:
    """The shortest text from which the part can be made again. Options that have their default are left out."""
    said = []
    for option in options_of(type(part)):
        value, default = getattr(part, option.name), default_of(option)
        if not same(value, default):
            said.append(f"{option.name}={write(value) if isinstance(value, Part) else quoted(write(value))}")
    name = type(part).name  # an option may be called `name` too, as in timm[name=resnet18]
    return f"{name}[{','.join(said)}]" if said else name


def same(value: Any, other: Any) -> bool:
    """Whether two values of an option are equal. Parts are equal if they have the same class and the same spelling."""
    if isinstance(value, Part) and isinstance(other, Part):
        return type(value) is type(other) and spelling(value) == spelling(other)
    return bool(value == other)


def describe(wanted: Any) -> str:
    """A type in words for an error message, such as `one of reverse, forward, exact`."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if a is type(None) else describe(a) for a in arguments)
    if origin is typing.Literal:
        return f"one of {', '.join(map(write, arguments))}"
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return f"several of: {describe(arguments[0])}, joined by '-'"
    if origin is tuple:
        return f"{len(arguments)} values joined by '-': {', '.join(map(describe, arguments))}"
    if is_kind(wanted):
        return f"a {wanted.kind}"
    return _PLAIN.get(wanted, str(wanted))


def _read_tuple(text: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    numbers = all(one in (int, float) for one in arguments if one is not Ellipsis)
    items = _BETWEEN.split(text) if numbers else text.split("-")
    if arguments[1:] == (Ellipsis,):
        return tuple(read(item, arguments[0]) for item in items)
    if len(items) != len(arguments):
        _refuse(text)
    return tuple(read(item, one) for item, one in zip(items, arguments, strict=True))


def _type_of(cls: type[Part], option: dataclasses.Field[Any]) -> Any:
    """The type of one option. It is resolved alone, since other annotations of the class may not be resolvable."""
    if not isinstance(option.type, str):
        return option.type
    owner = next(base for base in cls.__mro__ if option.name in vars(base).get("__annotations__", {}))
    module = sys.modules.get(owner.__module__)
    known = vars(module) if module else next((f.__globals__ for f in vars(owner).values() if inspect.isfunction(f)), {})
    alone = type(owner.__name__, (), {"__annotations__": {option.name: option.type}})
    return typing.get_type_hints(alone, globalns=known, localns=dict(vars(owner)))[option.name]


def _refuse(text: str) -> Any:
    raise ValueError(text)
