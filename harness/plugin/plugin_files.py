"""Plugins that are single Python files: read, and imported from their content, which may come from another machine."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from harness.errors import UsageError

FILE_MODULE = "harness_plugin_file_"
"""The prefix of the module name under which a plugin file is imported."""


def contents(files: Sequence[Path]) -> dict[Path, bytes]:
    """Plugin files with their content. Raises UsageError for a missing file."""
    for file in files:
        if not file.is_file():
            raise UsageError(f"no plugin file {str(file)!r}: expected the path of a Python file")
    return {file: file.read_bytes() for file in files}


def module_names(files: Iterable[Path]) -> dict[Path, str]:
    """A module name for each file: two files of one name have two, the same in every process that is given both."""
    seen: Counter[str] = Counter()
    names = {}
    for file in files:
        seen[file.stem] += 1
        again = f"_{seen[file.stem]}" if seen[file.stem] > 1 else ""
        names[file] = f"{FILE_MODULE}{file.stem}{again}"
    return names


class _Source(importlib.abc.SourceLoader):
    """Loads a module from bytes, for the file need not be on this machine."""

    def __init__(self, file: Path, source: bytes) -> None:
        self._file = file
        self._source = source

    def get_filename(self, fullname: str) -> str:
        return str(self._file)

    def get_data(self, path: str | bytes) -> bytes:
        if path != str(self._file):
            raise FileNotFoundError(path)
        return self._source


def module_of(file: Path, source: bytes, name: str) -> ModuleType:
    """Import a plugin file under this module name. Raises whatever it raises."""
    if file.suffix != ".py":
        raise ImportError(f"{file} is not a Python file")
    place = file.absolute()  # Python makes the path of a module absolute, and asks its loader by that
    loader = _Source(place, source)
    spec = importlib.util.spec_from_file_location(name, place, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
