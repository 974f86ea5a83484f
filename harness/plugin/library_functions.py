"""Functions that all trials of a process share, such as numpy's mean: one that a plugin has replaced is put back.

So are the constants of the harness, as figures and ids are worked out with these.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

_MODULES = (
    *("builtins", "math", "random", "time", "numpy", "numpy.fft", "numpy.linalg", "numpy.random"),
    *("torch", "torch.fft", "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.optim"),
)
_OF_STORES = (
    *(
        "json",
        "json.encoder",
        "json.decoder",
        "hashlib",
        "sqlite3",
        "zlib",
        "struct",
        "base64",
        "io",
        "os",
        "posixpath",
    ),
    *("bisect", "itertools", "functools", "collections", "statistics", "re", "copy", "operator"),
)
"""Modules of Python that make ids and digests, and write stores and exports."""
_CLASSES = (
    *(("torch", "Tensor"), ("torch.nn", "Module"), ("json", "JSONEncoder"), ("json", "JSONDecoder")),
    *(("pathlib", "Path"), ("pathlib", "PurePath")),
)
_CONSTANTS = (str, bytes, int, float, tuple, frozenset)
_OURS = "harness"
"""All modules of the harness, with their classes, since figures are worked out there."""


_SET_BY_ITSELF = {"torch.Storage"}
"""What a library replaces at any time: this one goes with torch's default dtype."""


class _Place(NamedTuple):
    """A module or class, and the functions and classes in it."""

    owner: Any
    name: str
    functions: dict[str, Any]
    names: frozenset[str]
    """Of a class, all that it has of its own: what is added hides what it inherits. Of a module, none."""


def look() -> list[_Place]:
    """The functions of all libraries that are imported by now; `put_back` takes it. It takes a few milliseconds."""
    return [
        _Place(owner, name, _functions(owner), frozenset(vars(owner) if isinstance(owner, type) else ()))
        for name, owner in _owners()
    ]


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


def put_back(before: list[_Place], imported: set[str]) -> list[str]:
    """Put back each function that was replaced or removed, and give their names, as `numpy.mean`.

    A library may replace functions while it is imported, as torch's compiler does: what lies in the same library, or in
    one of those that were imported since, stays.
    """
    replaced = []
    for place in before:
        now, libraries = vars(place.owner), {place.name.partition(".")[0], *imported}
        for name, was in place.functions.items():
            if now.get(name) is not was and not _of_library(now.get(name), libraries):
                _set(place.owner, name, was)
                replaced.append(f"{place.name}.{name}")
        for name in _hiding(place, now):
            if not _of_library(now[name], libraries):
                with suppress(AttributeError, TypeError):
                    delattr(place.owner, name)
                replaced.append(f"{place.name}.{name}")
    return replaced


def _hiding(place: _Place, now: Mapping[str, Any]) -> list[str]:
    """Functions that were added to a class and hide those of its bases."""
    if not place.names:
        return []
    bases = place.owner.__mro__[1:]
    added = [name for name in now if name not in place.names and callable(now[name])]
    return [name for name in added if any(name in vars(base) for base in bases)]


def _set(owner: Any, name: str, value: Any) -> None:
    with suppress(AttributeError, TypeError):  # as of a class whose metaclass forbids it
        setattr(owner, name, value)


def _owners() -> Iterator[tuple[str, Any]]:
    for name in (*_MODULES, *_OF_STORES):
        if (module := sys.modules.get(name)) is not None:
            yield name, module
    for name, of in _CLASSES:
        if (module := sys.modules.get(name)) is not None:
            yield f"{name}.{of}", getattr(module, of)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == _OURS:
            yield name, module
            classes = (one for one in list(vars(module).values()) if isinstance(one, type) and one.__module__ == name)
            yield from ((f"{name}.{one.__qualname__}", one) for one in classes)


def _functions(owner: Any) -> dict[str, Any]:
    ours = owner.__name__.partition(".")[0] == _OURS
    kinds = (staticmethod, classmethod, property, *(_CONSTANTS * ours))
    found = {name: value for name, value in vars(owner).items() if callable(value) or isinstance(value, kinds)}
    return {name: value for name, value in found.items() if f"{owner.__name__}.{name}" not in _SET_BY_ITSELF}


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
