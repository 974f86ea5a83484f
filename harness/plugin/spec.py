"""How a part is spelt: `cae[latent_dim=64,penalty=forward]`, the same on the command line, in records and in tables."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from functools import cache
from typing import Any, TypeVar

from harness.api import Part
from harness.errors import UsageError, unknown

P = TypeVar("P", bound=Part)

_NAME = re.compile(r"[A-Za-z0-9_]+")


def split_list(text: str) -> list[str]:
    """The items of a comma list; commas inside brackets belong to the item. Raises UsageError on unequal brackets."""
    items, depth, item = [], 0, ""
    for character in text:
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == "," and depth == 0:
            items.append(item)
            item = ""
        else:
            item += character
    if depth != 0:
        raise UsageError(f"{text!r} has unequal brackets: expected a form such as 'cae[latent_dim=64],dae'")
    return [stripped for stripped in (part.strip() for part in [*items, item]) if stripped]


def parse(text: str) -> tuple[str, dict[str, str]]:
    """`name[option=value,...]` as the name and its options, values still as text. Raises UsageError."""
    name, bracket, rest = text.strip().partition("[")
    if not _NAME.fullmatch(name) or (bracket and not rest.endswith("]")):
        raise UsageError(f"{text!r} is not a part: expected a name, or name[option=value,...]")
    options: dict[str, str] = {}
    for item in split_list(rest[:-1]) if bracket else []:
        option, equals, value = (piece.strip() for piece in item.partition("="))
        if not equals or not _NAME.fullmatch(option) or not value:
            raise UsageError(f"{item!r} in {text!r} is not an option: expected option=value")
        if option in options:
            raise UsageError(f"{text!r} gives {option!r} twice")
        options[option] = value
    return name, options


def make(cls: type[P], options: dict[str, str], where: str) -> P:
    """The part with these options, each read as its field's type. Raises UsageError naming the option."""
    types_of = option_types(cls)
    values = {}
    for option, text in options.items():
        if option not in types_of:
            raise UsageError(f"{where}: {unknown('option', option, types_of)}")
        try:
            values[option] = read(text, types_of[option])
        except ValueError:
            wanted = describe(types_of[option])
            raise UsageError(f"{where}: option {option!r} is {text!r}, expected {wanted}") from None
    try:
        return cls(**values)
    except ValueError as error:  # a part's own __post_init__ may refuse a value
        raise UsageError(f"{where}: {error}") from error


def spell(part: Part) -> str:
    """The shortest text that makes this part again: options at their defaults are left out."""
    said = [
        f"{option.name}={write(value)}"
        for option in options_of(type(part))
        if (value := getattr(part, option.name)) != option.default
    ]
    name = type(part).name  # an option may be called `name` too, as in timm[name=resnet18]
    return f"{name}[{','.join(said)}]" if said else name


def options_of(cls: type[Part]) -> tuple[dataclasses.Field[Any], ...]:
    """The dataclass fields of a part, in order; none where it is no dataclass."""
    return tuple(f for f in dataclasses.fields(cls) if f.init) if dataclasses.is_dataclass(cls) else ()


@cache  # of type hints, which Python compiles anew each time they are asked for
def option_types(cls: type[Part]) -> dict[str, Any]:
    """Each option's type."""
    fields = options_of(cls)
    hints = typing.get_type_hints(cls) if fields else {}
    return {option.name: hints[option.name] for option in fields}


def read(text: str, wanted: Any) -> Any:
    """Text as a bool, int, float, str, Literal, tuple of ints (32-64-128) or one of these or `none`.

    Raises ValueError.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        if text == "none" and type(None) in arguments:
            return None
        (inner,) = (a for a in arguments if a is not type(None))
        return read(text, inner)
    if origin is typing.Literal:
        if text not in arguments:
            raise ValueError(text)
        return text
    if origin is tuple:
        return tuple(read(item, arguments[0]) for item in text.split("-"))
    if wanted is bool:
        return {"true": True, "false": False}[text] if text in ("true", "false") else _refuse(text)
    if wanted is float:
        value = float(text)
        return value if value - value == 0 else _refuse(text)  # neither nan nor infinite
    return wanted(text)


def write(value: Any) -> str:
    """The inverse of `read`."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, tuple):
        return "-".join(write(item) for item in value)
    return str(value)


def describe(wanted: Any) -> str:
    """A type in words, as in `one of reverse, forward, exact`."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if a is type(None) else describe(a) for a in arguments)
    if origin is typing.Literal:
        return f"one of {', '.join(arguments)}"
    if origin is tuple:
        return f"several of: {describe(arguments[0])}, joined by '-'"
    return {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}.get(
        wanted, str(wanted)
    )


def _refuse(text: str) -> Any:
    raise ValueError(text)
