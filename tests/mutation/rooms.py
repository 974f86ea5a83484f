"""The rooms of rooms.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """What is changed, and who is asked."""

    name: str
    modules: list[str]
    """Paths relative to the repository."""
    tests: list[str]
    sample: int
    tuning: list[str]
    """Constants that set time or memory and no result; they are left alone."""
    torch: bool
    """Whether most of its tests need torch, which is then imported once."""
    slow: bool


def rooms(repository: Path, file: Path) -> dict[str, Room]:
    """Those of rooms.toml, by name."""

    def found(patterns: Iterable[str]) -> list[str]:
        every = [str(path.relative_to(repository)) for one in patterns for path in sorted(repository.glob(one))]
        return list(dict.fromkeys(every))

    given = tomllib.loads(file.read_text())
    return {
        name: Room(
            name,
            found(one["modules"]),
            found(one["tests"]),
            one.get("sample", 60),
            one.get("tuning", []),
            one.get("torch", False),
            one.get("slow", False),
        )
        for name, one in given.items()
    }
