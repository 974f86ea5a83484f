"""The image files that are to be judged: those that are named, and those below folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from harness.images.decoding import path_text
from harness.images.walk import IMAGE_SUFFIXES, PassedOver, walk


class Found(NamedTuple):
    """A file to judge, and a name for what is written about it."""

    file: Path
    name: Path
    """A relative path that no other file has; its heat map is stored under it."""
    problem: str = ""
    """Why a folder gives no files; empty for a file."""


@dataclass
class ImageFiles:
    """The given files, and all images below the given folders, sorted, at any depth; hidden ones are left out.

    What may hold images and cannot be read comes as a file with a problem.
    """

    places: Sequence[Path]
    leave_out: Path | None = None
    """A folder that is skipped."""
    passed_over: list[PassedOver] = field(default_factory=list)
    """What was found that is no image; complete once all files have come."""

    def __iter__(self) -> Iterator[Found]:
        taken: set[Path] = set()
        for place in self.places:
            base = _unused(place, taken)
            taken.add(base)
            if place.is_dir():
                yield from self._below(place, base)
            else:
                yield Found(place, base)

    def _below(self, folder: Path, base: Path) -> Iterator[Found]:
        empty = True
        for found in below(folder, base, self.leave_out):
            if isinstance(found, PassedOver):
                self.passed_over.append(found)
            else:
                empty = False
                yield found
        if empty:
            why = f"folder {path_text(folder)} holds no image: expected {', '.join(IMAGE_SUFFIXES)}"
            yield Found(folder, base, why)


def below(folder: Path, name: Path, leave_out: Path | None = None) -> Iterator[Found | PassedOver]:
    """The images below one folder, under names that begin with `name`, and what is passed over there.

    What may hold images and cannot be read is a file with a problem.
    """
    for found in walk(folder, leave_out):
        if not isinstance(found, PassedOver):
            yield Found(found, name / found.relative_to(folder))
        elif found.lost:
            what = "folder " if found.path.is_dir() else ""
            why = f"{what}{path_text(found.path)}: {found.why}"
            yield Found(found.path, name / found.path.relative_to(folder), why)
        else:
            yield found


def _unused(place: Path, taken: Set[Path]) -> Path:
    """The name of a place, with a number where another place has it already."""
    base, count = Path(place.resolve().name), 1
    while base in taken:
        count += 1
        base = Path(f"{place.resolve().stem}-{count}{place.resolve().suffix}")
    return base
