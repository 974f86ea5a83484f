"""Functions that all trials of a process share, such as numpy's mean: one that a plugin has replaced is put back.

So are the functions and constants of the harness and of the plugins that came with it, as figures and ids are worked
out with these, and what such a function does: its code and its defaults.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, ValuesView
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from operator import is_
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

_OF_PYTHON = (
    *("builtins", "math", "cmath", "random", "time", "json", "json.encoder", "json.decoder", "hashlib", "sqlite3"),
    *("zlib", "struct", "base64", "io", "os", "posixpath", "bisect", "itertools", "functools", "collections"),
    *("statistics", "re", "copy", "operator", "signal", "warnings", "threading", "logging", "socket", "subprocess"),
    *("shutil", "tempfile", "pathlib", "datetime", "csv", "html", "textwrap", "contextlib", "dataclasses", "importlib"),
    *("heapq", "fractions", "decimal", "numbers", "pickle", "string", "queue", "concurrent.futures.thread"),
)
"""Modules of Python that figures, ids and digests are made with, and stores and exports written."""
_LIBRARIES = ("numpy", "scipy", "sklearn", "PIL", "timm", "torch.nn", "torch.optim", "torch.autograd")
_MODULES = ("torch", "torch.fft", "torch.linalg")
_CLASSES = (("torch", "Tensor"),)
_CONSTANTS = (str, bytes, int, float, tuple, frozenset)
_TABLES = (dict, list, set)
_OURS = "harness"
"""Modules of the harness, and of the plugins that came with it (`harness_<what>`): figures are worked out there."""
_FILES = "harness_plugin_file_"
"""Modules of `--plugin FILE.py`: what they keep in constants and tables is theirs, and no other has a use for it."""
_SET_BY_ITSELF = {"torch.Storage"}
"""What a library replaces at any time: this one goes with torch's default dtype."""

_Inside = tuple[FunctionType, Any, Any, Any]
"""A function, and what it does: its code, and the defaults of what it is given."""


class _Place(NamedTuple):
    """A module or class, and what is in it."""

    owner: Any
    name: str
    found: dict[str, Any]
    inside: dict[str, _Inside]
    """By the name of a function of ours, what it does."""
    tables: dict[str, Any]
    """By the name of a constant of ours that can be written into, a copy of it."""


class Look(NamedTuple):
    """What was found in the places of one library, and views of what is in them now, which are compared in one pass."""

    places: list[_Place]
    ours: list[_Place]
    """Those with functions of ours, or tables."""
    now: list[ValuesView[Any]]
    lengths: list[int]
    values: list[Any]

    @classmethod
    def at(cls, places: list[_Place]) -> Look:
        now, found = [vars(place.owner).values() for place in places], [place.found for place in places]
        values = [*chain.from_iterable(one.values() for one in found)]
        ours = [place for place in places if place.inside or place.tables]
        return cls(places, ours, now, [*map(len, found)], values)

    @property
    def untouched(self) -> bool:
        """Whether all are the very same in each place, whatever functions of ours do and tables hold by now."""
        same = [*map(len, self.now)] == self.lengths
        return same and all(map(is_, chain.from_iterable(self.now), self.values))

    def is_of(self, owners: list[tuple[str, Any]]) -> bool:
        """Whether it is of these places, and holds."""
        same = len(owners) == len(self.places) and all(
            place.owner is owner and place.name == name
            for place, (name, owner) in zip(self.places, owners, strict=True)
        )
        return same and self.untouched and not any(map(_written, self.ours))


_known: dict[str, tuple[Any, list[tuple[str, Any]]]] = {}
"""Module to itself and its classes, which are looked for once: that takes longer than all the rest."""
_seen: dict[str, _Place] = {}
"""What was found last, which is taken again where nothing has changed."""
_last: dict[str, Look] = {}
"""The last look at each library, likewise: what changes by itself lies in a few modules of Python."""


def look() -> list[Look]:
    """The functions of all libraries that are imported by now; `put_back` takes it. It takes some milliseconds."""
    libraries = _owners()
    for library in _last.keys() - libraries.keys():
        del _last[library]
    for library, owners in libraries.items():
        if library not in _last or not _last[library].is_of(owners):
            _last[library] = Look.at([_place(name, owner) for name, owner in owners])
    return [*_last.values()]


def _place(name: str, owner: Any) -> _Place:
    seen = _seen.get(name)
    if seen is None or seen.owner is not owner or not _same(vars(owner), seen.found) or _written(seen):
        found = dict(vars(owner))
        seen = _seen[name] = _Place(owner, name, found, *(_contents(found) if _is_ours(name) else ({}, {})))
    return seen


def _contents(found: Mapping[str, Any]) -> tuple[dict[str, _Inside], dict[str, Any]]:
    """What the functions of ours do, and what our tables have in them."""
    functions = ((key, _function(value)) for key, value in found.items())
    inside = {key: (function, *_inside(function)) for key, function in functions if function is not None}
    return inside, {key: value.copy() for key, value in found.items() if key.isupper() and type(value) in _TABLES}


def _function(value: Any) -> FunctionType | None:
    """The function of a function, of a method or of a property; None of anything else."""
    value = getattr(value, "__func__", getattr(value, "fget", value))
    return value if isinstance(value, FunctionType) else None


def _inside(function: FunctionType) -> tuple[Any, Any, Any]:
    return function.__code__, function.__defaults__, function.__kwdefaults__ and dict(function.__kwdefaults__)


@cache
def _is_ours(name: str) -> bool:
    top = name.partition(".")[0]
    return top == _OURS or (top.startswith(f"{_OURS}_") and not top.startswith(_FILES))


@contextmanager
def kept(own: str = "") -> Iterator[list[str]]:
    """Put back what is replaced within; then the list has the names. `own` is a package that may replace nothing."""
    replaced: list[str] = []
    before, modules = look(), set(sys.modules)
    try:
        yield replaced
    finally:
        imported = {name.partition(".")[0] for name in sys.modules.keys() - modules}
        replaced += put_back(before, imported - {own, _OURS})


def named(replaced: list[str]) -> str:
    """`the function numpy.mean`, or `the functions numpy.mean, numpy.std, math.sqrt and 2 others`."""
    first, others = replaced[:3], len(replaced) - 3
    more = f" and {others} other{'s' * (others > 1)}" if others > 0 else ""
    return f"the function{'s' * (len(replaced) > 1)} {', '.join(first)}{more}"


def put_back(before: list[Look], imported: set[str]) -> list[str]:
    """Put back each function that was replaced, altered or removed, and give their names, as `numpy.mean`.

    A library may replace functions while it is imported, as torch's compiler does: what lies in the same library, or in
    one of those that were imported since, stays.
    """
    replaced = []
    for one in before:
        for place in one.places:
            again = sys.modules.get(place.name, place.owner) is not place.owner
            if again and not place.name.startswith(_FILES):  # a plugin file is read anew by each registry
                sys.modules[place.name] = place.owner
                replaced.append(f"sys.modules[{place.name!r}]")
        untouched = one.untouched
        for place in one.ours if untouched else one.places:
            if not untouched and not _same(now := vars(place.owner), place.found):
                replaced += _replaced(place, now, {place.name.partition(".")[0], *imported})
            replaced += _altered(place)
    return replaced


def _same(now: Mapping[str, Any], was: Mapping[str, Any]) -> bool:
    """Whether nothing was replaced: told fast where all is the very same, and true of nothing that is merely equal."""
    return len(now) == len(was) and all(map(is_, now.values(), was.values()))


def _replaced(place: _Place, now: Mapping[str, Any], libraries: set[str]) -> list[str]:
    """Put back functions of one place, and constants where it is ours; their names."""
    replaced, ours = [], _is_ours(place.name)
    for name, was in place.found.items():
        if now.get(name) is was or not _counts(was, place.name, ours=ours) or f"{place.name}.{name}" in _SET_BY_ITSELF:
            continue
        if not _of_library(now.get(name), libraries):
            _set(place.owner, name, was)
            replaced.append(f"{place.name}.{name}")
    for name in _hiding(place, now):
        if not _of_library(now[name], libraries):
            with suppress(AttributeError, TypeError):
                delattr(place.owner, name)
            replaced.append(f"{place.name}.{name}")
    return replaced


def _counts(value: Any, place: str, *, ours: bool) -> bool:
    """Whether it is a function, a class or, of ours, a constant; of a plugin file, nothing that is merely callable."""
    kinds = (FunctionType, type, staticmethod, classmethod, property, *((*_CONSTANTS, *_TABLES) * ours))
    return isinstance(value, kinds) or (callable(value) and not place.startswith(_FILES))


def _altered(place: _Place) -> list[str]:
    """Give functions of ours their code and defaults back, and tables what was in them; their names."""
    altered = []
    for name, (function, *was) in place.inside.items():
        if not _does(function, *was):
            function.__code__, function.__defaults__ = was[:2]
            function.__kwdefaults__ = was[2] and dict(was[2])
            altered.append(f"{place.name}.{name}")
    for name in _written(place):
        now, table = place.found[name], place.tables[name]
        now.clear()
        (now.extend if isinstance(now, list) else now.update)(table)
        altered.append(f"{place.name}.{name}")
    return altered


def _does(function: FunctionType, code: Any, defaults: Any, named: Any) -> bool:
    """Whether a function does what it did; that it has the very same code and defaults is told fast."""
    same = function.__code__ is code and function.__defaults__ is defaults and function.__kwdefaults__ is None is named
    return same or _inside(function) == (code, defaults, named)


def _written(place: _Place) -> list[str]:
    """The names of tables whose items are others than when they were copied."""
    return [name for name, table in place.tables.items() if not _same_items(place.found[name], table)]


def _same_items(now: Any, was: Any) -> bool:
    """Whether a table has the very items that it had."""
    if isinstance(now, set):
        return bool(now == was)
    if isinstance(now, dict):
        return [*now] == [*was] and _same(now, was)
    return len(now) == len(was) and all(map(is_, now, was))


def _hiding(place: _Place, now: Mapping[str, Any]) -> list[str]:
    """Functions that were added to a class and hide those of its bases, or to a module that finds its own as asked."""
    added = [name for name in list(now) if name not in place.found]
    if not isinstance(place.owner, type):
        return [name for name in added if callable(now[name])] if "__getattr__" in now and _is_ours(place.name) else []
    bases = place.owner.__mro__[1:]
    return [name for name in added if any(callable(vars(base).get(name)) for base in bases)]


def _set(owner: Any, name: str, value: Any) -> None:
    with suppress(AttributeError, TypeError):  # as of a class whose metaclass forbids it
        setattr(owner, name, value)


def _owners() -> dict[str, list[tuple[str, Any]]]:
    """By the library they are of, modules, each followed by its classes; those of Python together."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for name, module in sys.modules.copy().items():  # a thread may import meanwhile, and only a copy is made at once
        if module is None or not _is_watched(name):
            continue
        known = _known.get(name)
        if known is None or known[0] is not module:
            known = _known[name] = module, list(_with_classes(name, module))
        found.setdefault("" if name in _OF_PYTHON else name.partition(".")[0], []).extend(known[1])
    for name, of in _CLASSES:
        if (library := sys.modules.get(name)) is not None:
            found.setdefault(name, []).append((f"{name}.{of}", getattr(library, of)))
    return found


@cache
def _is_watched(name: str) -> bool:
    return (
        name in _OF_PYTHON
        or name in _MODULES
        or _is_ours(name)
        or name.startswith(_FILES)
        or any(name == one or name.startswith(f"{one}.") for one in _LIBRARIES)
    )


def _with_classes(name: str, module: Any) -> Iterator[tuple[str, Any]]:
    yield name, module
    classes = (one for one in list(vars(module).values()) if isinstance(one, type) and one.__module__ == name)
    yield from ((f"{name}.{one.__qualname__}", one) for one in classes)


def _of_library(value: Any, libraries: set[str]) -> bool:
    """Whether the code of a function lies in one of these packages."""
    code = getattr(value, "__code__", None)
    if code is None:
        return False
    file = Path(code.co_filename)
    folders = {
        Path(folder) for name in libraries for folder in getattr(sys.modules.get(name), "__path__", ()) if folder
    }
    return bool(folders & {*file.parents})
