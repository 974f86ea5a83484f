"""Converts JSON objects to dataclasses and back. Errors are one line: the value, and what was expected.

Files outlive the harness that wrote them. A field that an older file lacks gets its default. An unknown field of a
newer file goes into the field `unread` of the class, from which it is written again.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Union, cast, get_args, get_origin

from harness.plugin.options import describe

UNREAD = "unread"
"""The name of the field for unknown values of a newer harness."""

Reader = Callable[[Any, str], Any]
"""Converts a JSON value; the second argument names it in errors. Raises ValueError."""

_SCALARS: Mapping[Any, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), bool: (bool,), None: ()}


def read(value: Any, kind: Any, name: str = "") -> Any:
    """Convert a JSON value to this type: lists become tuples, and objects become dataclasses.

    Types are str, int, float, bool, Any, `X | None`, Mapping[str, X], tuple[X, ...] and dataclasses of these. A whole
    number will do for a float, and stays one. Raises ValueError, as in `epochs is '3', expected a whole number`.
    """
    return _reader(kind)(value, name)


def written(value: Any) -> dict[str, Any]:
    """A dataclass as a JSON object, which `read` converts back. Fields with their default are left out."""
    found, cls = {}, cast("Any", type(value))
    for name, default in _defaults(cls).items():
        if name != UNREAD and (given := getattr(value, name)) != default:
            found[name] = [_plain(item) for item in given] if isinstance(given, tuple) else _plain(given)
    return {**getattr(value, UNREAD, {}), **found}


def hints(cls: Any) -> dict[str, Any]:
    """The types of a class's fields."""
    return _hints(cls)


@cache  # for Python works them out anew each time that it is asked
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@cache
def _reader(kind: Any) -> Reader:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value, name: value
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _or_none(_reader(inner), kind)
    if origin is tuple:
        return _several(_reader(arguments[0]), _SCALARS.get(arguments[0], ()))
    if origin is Mapping:
        return _named(_reader(arguments[1]), _SCALARS.get(arguments[1], ()))
    if is_dataclass(kind):
        return _object(kind)
    return _scalar(_SCALARS[kind], describe(kind))


def _scalar(wanted: tuple[type, ...], expected: str) -> Reader:
    def read_scalar(value: Any, name: str) -> Any:
        if type(value) in wanted:
            return value
        raise ValueError(f"{name} is {value!r:.60}, expected {expected}")

    return read_scalar


def _or_none(inner: Reader, kind: Any) -> Reader:
    return lambda value, name: None if value is None else inner(value, name)


def _several(inner: Reader, plain: tuple[type, ...] = ()) -> Reader:
    kinds = {*plain}

    def read_several(value: Any, name: str) -> Any:
        if isinstance(value, list | tuple):
            if plain and kinds.issuperset(map(type, value)):  # as nearly always, in a tenth of the time
                return tuple(value)
            place = f"an item of {name}"
            return tuple(inner(item, place) for item in value)
        raise ValueError(f"{name} is {value!r:.60}, expected a list")

    return read_several


def _named(inner: Reader, plain: tuple[type, ...] = ()) -> Reader:
    kinds = {*plain}

    def read_named(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            if plain and kinds.issuperset(map(type, value.values())):
                return dict(value)
            return {key: inner(item, f"{name}: {key}") for key, item in value.items()}
        raise ValueError(f"{name} is {value!r:.60}, expected values by name")

    return read_named


def _object(cls: Any) -> Reader:
    readers = {name: _reader(kind) for name, kind in hints(cls).items() if name != UNREAD}
    # What is nearly always of its type is taken without a name that only an error would show.
    plain = {name: {*_SCALARS.get(kind, ())} for name, kind in hints(cls).items() if name != UNREAD}
    required = [name for name, default in _defaults(cls).items() if default is MISSING]

    def read_object(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{name or 'it'} is {value!r:.60}, expected fields by name")
        of = f" of {name}" if name else ""
        given = {
            key: item if type(item) in plain[key] else readers[key](item, f"{key}{of}")
            for key, item in value.items()
            if key in readers
        }
        for key in required:
            if key not in given:
                raise ValueError(f"{name or 'it'} lacks {key!r}")
        unread = {} if len(given) == len(value) else {key: value[key] for key in value if key not in readers}
        return cls(**given, unread=unread)

    return read_object


@cache
def _defaults(cls: Any) -> dict[str, Any]:
    """The default of each field; MISSING if there is none."""
    return {one.name: one.default if one.default_factory is MISSING else one.default_factory() for one in fields(cls)}


def _plain(value: Any) -> Any:
    return written(value) if is_dataclass(value) else dict(value) if isinstance(value, Mapping) else value
