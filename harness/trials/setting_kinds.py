"""Reads the values of settings, which may be text from the command line, values of TOML, or Python objects.

`read` converts a value to the type of the setting, or raises a ValueError that says what was expected. Reading a value
a second time changes nothing.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from harness.api import Part
from harness.errors import UsageError
from harness.plugin.grammar import split_names
from harness.plugin.spec import split_list
from harness.printable import listed

ALL, NONE = "all", "none"
"""Stand for every one of a list, and for none."""


class Kind(Protocol):
    """A type of setting, which reads values."""

    @property
    def metavar(self) -> str:
        """The placeholder for a value in `--help`."""
        ...

    def read(self, value: Any) -> Any:
        """Convert a value to this type. Raises ValueError that says what was expected."""
        ...


@dataclass(frozen=True)
class Text:
    """Any text."""

    metavar: str = "TEXT"

    def read(self, value: Any) -> str:
        if not isinstance(value, str | os.PathLike):
            raise ValueError("expected text")
        return os.fsdecode(value)


@dataclass(frozen=True)
class Place:
    """The path of a file or folder, which need not exist yet."""

    metavar: str = "PATH"

    def read(self, value: Any) -> Path:
        if not isinstance(value, str | os.PathLike):
            raise ValueError("expected a path")
        return Path(os.fsdecode(value))


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    metavar: str = ""

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("expected true or false")
        return value


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def metavar(self) -> str:
        return f"[{'|'.join(self.words)}]"

    def read(self, value: Any) -> str:
        if value not in self.words:
            raise ValueError(f"expected one of {', '.join(self.words)}")
        return str(value)


@dataclass(frozen=True)
class Whole:
    """A whole number, or a word for a number that is determined later."""

    least: int
    or_word: str = ""

    @property
    def metavar(self) -> str:
        return f"INTEGER|{self.or_word}" if self.or_word else "INTEGER"

    def read(self, value: Any) -> int | str:
        if self.or_word and value == self.or_word:
            return self.or_word
        number = _whole(value)
        if number is None or number < self.least:
            raise ValueError(f"expected a whole number from {self.least}" + f", or {self.or_word}" * bool(self.or_word))
        return number


@dataclass(frozen=True)
class Number:
    """A finite number within bounds."""

    least: float = 0.0
    below: float | None = None
    least_allowed: bool = True
    """Whether `least` itself is allowed."""
    metavar: str = "NUMBER"

    def read(self, value: Any) -> float:
        number = _number(value)
        if (
            number is None
            or number < self.least
            or (number == self.least and not self.least_allowed)
            or (self.below is not None and number >= self.below)
        ):
            bound = f"from {self.least:g}" if self.least_allowed else f"above {self.least:g}"
            raise ValueError(f"expected a number {bound}" + (f" and below {self.below:g}" if self.below else ""))
        return number


@dataclass(frozen=True)
class Share:
    """A share between 0 and 1, as a number or in per cent: `0.01` or `1%`."""

    metavar: str = "SHARE"

    def read(self, value: Any) -> float:
        text = value.strip() if isinstance(value, str) else ""
        number = _number(text[:-1] if text.endswith("%") else value)
        share = number / 100 if number is not None and text.endswith("%") else number
        if share is None or not 0 < share < 1:
            raise ValueError("expected a share above 0 and below 1, such as 1% or 0.01")
        return float(f"{share:.12g}")  # 0.2 / 100 has a digit too much


@dataclass(frozen=True)
class Wholes:
    """Whole numbers from 0, as in `0,1,2` or `range(3)`; each counts once.

    A bare number of Python or TOML is refused: some mean by 2 the seed 2, and others two seeds.
    """

    metavar: str = "LIST"

    def read(self, value: Any) -> tuple[int, ...]:
        if not isinstance(value, str | bool | Iterable) and (number := _whole(value)) is not None:
            raise ValueError(f"expected [{number}] for this one, or range({number}) for so many")
        found = [_whole(item) for item in _items(value, "whole numbers")]
        numbers = [number for number in found if number is not None and number >= 0]
        if not numbers or len(numbers) < len(found):
            raise ValueError("expected whole numbers from 0, such as 0,1,2")
        return tuple(dict.fromkeys(numbers))


@dataclass(frozen=True)
class Amounts:
    """Whole numbers from 1, or a word, as in `1,2,4,all`; each counts once."""

    word: str = ALL
    example: str = "1,2,4,all"
    metavar: str = "LIST"

    def read(self, value: Any) -> tuple[int | str, ...]:
        items = [value] if isinstance(value, int) and not isinstance(value, bool) else _items(value, "whole numbers")
        found = [item if item == self.word else _whole(item) for item in items]
        amounts = [item for item in found if item is not None and (isinstance(item, str) or item >= 1)]
        if not amounts or len(amounts) < len(found):
            raise ValueError(f"expected whole numbers from 1, or {self.word}, such as {self.example}")
        return tuple(dict.fromkeys(amounts))


@dataclass(frozen=True)
class SomeOf:
    """Some of a few words, as a comma list; each counts once."""

    words: tuple[str, ...]
    metavar: str = "LIST"

    def read(self, value: Any) -> tuple[str, ...]:
        found = list(_items(value, "words"))
        if not found or not all(word in self.words for word in found):
            raise ValueError(f"expected some of {', '.join(self.words)}")
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Shares:
    """Shares from 0 and below 1, as numbers or in per cent: `0,0.02,5%`; each counts once."""

    metavar: str = "LIST"

    def read(self, value: Any) -> tuple[float, ...]:
        items = [value] if isinstance(value, float) else _items(value, "shares")
        try:
            shares = [0.0 if _number(item) == 0 else Share().read(item) for item in items]
        except ValueError:
            shares = []
        if not shares:
            raise ValueError("expected shares from 0 and below 1, such as 0,0.02,5%")
        return tuple(dict.fromkeys(shares))


@dataclass(frozen=True)
class Spellings:
    """Parts as a comma list or a list of their spellings; which kinds they are of is seen later."""

    metavar: str = "LIST"

    def read(self, value: Any) -> tuple[str, ...]:
        items = _items(value, "a comma list of names")
        if not all(isinstance(item, str) for item in items):
            raise ValueError("expected a comma list of names")
        return tuple(items)


class ReadNames(tuple[str, ...]):
    """Names that were read, so that settings made of others do not quote them twice."""

    __slots__ = ()


@dataclass(frozen=True)
class Names:
    """Names as a comma list or a list, or `all`; in a comma list, a name in double quotes keeps commas and blanks."""

    metavar: str = "LIST"

    def read(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, ReadNames):
            return value
        if isinstance(value, str):
            return self._some(split_names(value))
        names = list(value) if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes) else []
        if not all(isinstance(name, str) for name in names):
            raise ValueError("expected a comma list, or 'all'")
        return self._some([name if name == "all" else listed([name]) for name in names])

    def _some(self, names: list[str]) -> tuple[str, ...]:
        if not names:
            raise ValueError("expected a comma list, or 'all'")
        return ReadNames(dict.fromkeys(names))


@dataclass(frozen=True)
class Parts:
    """Parts of one kind: spellings as a comma list or a list, instances, classes, or `all`."""

    kind: type[Part]
    several: bool = True
    metavar: str = "LIST"

    def read(self, value: Any) -> tuple[str | Part | type[Part], ...]:
        kind = self.kind.kind
        expected = f"a comma list of {kind} names, or 'all'" if self.several else f"the name of one {kind}"
        parts = (value,) if isinstance(value, Part) or inspect.isclass(value) else tuple(_items(value, expected))
        for part in parts:
            if not (isinstance(part, str | self.kind) or (inspect.isclass(part) and issubclass(part, self.kind))):
                what = getattr(part, "__name__", None) or type(part).__name__
                raise ValueError(
                    f"{what} is no {kind}: expected names, or instances or classes of harness.{self.kind.__name__}"
                )
        if not parts or (len(parts) > 1 and not self.several):
            raise ValueError(f"expected {expected}")
        return parts


@dataclass(frozen=True)
class Plugins:
    """Plugins beside the installed ones: Python files, modules that are imported already, and classes of parts."""

    metavar: str = "FILE.py"

    def read(self, value: Any) -> tuple[Path | ModuleType | type[Part], ...]:
        several = (
            isinstance(value, Iterable) and not isinstance(value, str | os.PathLike) and not inspect.isclass(value)
        )
        found: list[Path | ModuleType | type[Part]] = []
        for item in value if several else (value,):
            if isinstance(item, str | os.PathLike):
                found.append(Path(os.fsdecode(item)))
            elif isinstance(item, ModuleType) or (inspect.isclass(item) and issubclass(item, Part)):
                found.append(item)
            else:
                raise ValueError("expected paths of Python files, modules, or classes of parts")
        return tuple(found)


def path_of(value: Any, called: str) -> Path:
    """The path that the caller gave as the argument of this name. Raises UsageError if it is not a path."""
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{called} is {value!r:.60}: expected a path")
    return Path(os.fsdecode(value))


def _items(value: Any, expected: str) -> list[Any]:
    """The items of a comma list, or of any other collection."""
    if isinstance(value, str):
        try:
            return split_list(value)
        except UsageError as error:
            raise ValueError(f"it has {str(error).partition(' has ')[2]}") from error
    if hasattr(value, "__index__") and not isinstance(value, bool | Iterable):
        return [value]  # a whole number, also of another library, as numpy's
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        items: list[Any] = []
        for item in value:
            items += _items(item, expected) if isinstance(item, str) else [item]
        return items
    raise ValueError(f"expected {expected}")


def _whole(value: Any) -> int | None:
    """The value as an int; None if it is not a whole number. Integers of numpy and others count."""
    try:
        return None if isinstance(value, bool) else int(value) if isinstance(value, str) else value.__index__()
    except (ValueError, AttributeError):
        return None


def _number(value: Any) -> float | None:
    """The value as a float; None if it is not a finite number."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number - number == 0 else None
