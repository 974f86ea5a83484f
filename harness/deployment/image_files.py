"""The image files that are to be judged: those that are named, and those below folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.images.decoding import shown
from harness.images.walk import IMAGE_SUFFIXES


class Found(NamedTuple):
    """A file to judge, and a name for what is written about it."""

    file: Path
    name: Path
    """A relative path that no other file has; its heat map is stored under it."""
    problem: str = ""
    """Why a folder gives no files; empty for a file."""


def find_images(places: Sequence[Path], leave_out: Path | None = None) -> Iterator[Found]:
    """The given files, and all images below the given folders, sorted, at any depth; hidden ones are left out.

    The folder `leave_out` is skipped.
    """
    taken: set[Path] = set()
    for place in places:
        base, count = Path(place.resolve().name), 1
        while base in taken:
            count += 1
            base = Path(f"{place.resolve().stem}-{count}{place.resolve().suffix}")
        taken.add(base)
        if not place.is_dir():
            yield Found(place, base)
            continue
        count = 0
        for found in walk(place, base, leave_out and leave_out.resolve()):
            count += 1
            yield found
        if not count:
            yield Found(place, base, f"folder {shown(place)} holds no image: expected {', '.join(IMAGE_SUFFIXES)}")


def walk(folder: Path, name: Path, leave_out: Path | None = None) -> Iterator[Found]:
    """The images below one folder, under names that begin with `name`, without the (resolved) folder `leave_out`."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted((e for e in listed if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, name, f"folder {shown(folder)} cannot be listed: {error.strerror}")
        return
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            if leave_out is None or path.resolve() != leave_out:
                yield from walk(path, name / entry.name, leave_out)
        elif path.suffix.lower() in IMAGE_SUFFIXES and entry.is_file():
            yield Found(path, name / entry.name)
