"""Digests of code, to tell whether a part of a notebook has changed since its stored trials were fitted."""

from __future__ import annotations

import dis
import hashlib
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any

from harness.plugin.options import default_of, options_of, write


def digest_of(code: type | types.ModuleType) -> str:
    """8 hexadecimal digits that change with the code of a module or class; empty if no code can be read.

    For a class, this includes its attributes, its base classes in the same module, and the functions, classes and plain
    values of that module that its methods use.
    """
    said = [_source(code)] if isinstance(code, types.ModuleType) else list(_of_class(code, code.__module__, set()))
    known = [text for text in said if text]
    return hashlib.sha256("\0".join(known).encode()).hexdigest()[:8] if known else ""


def _of_class(code: type, module: str, seen: set[Any]) -> Iterator[str]:
    for base in code.__mro__:
        if base.__module__ != module or base in seen:
            continue
        seen.add(base)
        yield _source(base)
        if hasattr(base, "__dataclass_fields__"):
            yield from (f"{option.name}={write(default_of(option))!r}" for option in options_of(base))
        added = set(getattr(base, "__dataclass_fields__", ()))
        for name, value in sorted(vars(base).items()):
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if inspect.isfunction(function):
                if function.__code__.co_filename != "<string>" or name not in _OF_DATACLASSES:
                    yield name
                    yield from _of_function(function, module, seen)
            elif not name.startswith("__") and name not in added and (text := _plain(value)):
                yield f"{name}={text}"


def _of_function(function: types.FunctionType, module: str, seen: set[Any]) -> Iterator[str]:
    """The code of a function, and of what it uses from the module or function in which it was defined."""
    if function in seen:
        return
    seen.add(function)
    yield _source(function) or _compiled(function.__code__)
    used: dict[str, Any] = {name: function.__globals__.get(name) for name in _global_names(function.__code__)}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            used[name] = cell.cell_contents
        except ValueError:  # nothing is in it yet
            continue
    for name, value in sorted(used.items()):
        if inspect.isfunction(value) and value.__module__ == module:
            yield from _of_function(value, module, seen)
        elif inspect.isclass(value):  # of one of another module it says nothing
            yield from _of_class(value, module, seen)
        elif not name.startswith("__") and (text := _plain(value)):
            yield f"{name}={text}"


def _global_names(code: types.CodeType) -> set[str]:
    """The global names that a function reads, including those read by functions inside it."""
    found = {str(step.argval) for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return found.union(*(_global_names(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))


def _compiled(code: types.CodeType) -> str:
    """Stands for the source of a function that has none, such as one made by `exec`."""
    inner = [_compiled(one) if isinstance(one, types.CodeType) else _plain(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {inner}"


def _plain(value: Any) -> str:
    """Text for a plain value, or for a collection of plain values; empty for any other object."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, tuple | list):
        return f"[{','.join(map(_plain, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{','.join(sorted(map(_plain, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{','.join(sorted(f'{_plain(key)}:{_plain(inner)}' for key, inner in value.items()))}}}"
    return ""


def _source(code: Any) -> str:
    """The source, or nothing. A class in a notebook often has none; then the sources of its methods stand for it."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return ""


_OF_DATACLASSES = frozenset(f"__{name}__" for name in ("init", "repr", "eq", "hash", "replace", "lt", "le", "gt", "ge"))
"""Methods that `dataclass` generates. They are left out, since they follow from the options."""
