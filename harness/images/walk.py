"""One way to look for image files below a folder, which also says what it leaves out and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif"),
    *(".pgm", ".ppm", ".pnm", ".heic", ".heif"),
)
"""Endings of file names that are taken for images, in upper or lower case."""

DEEPEST = 32
"""Folders inside folders that are searched."""

_NOT_PICTURES = ("@eadir", "#recycle", "@recycle", "lost+found", "__macosx", ".thumbnails", "system volume information")
"""Folders that storage devices and systems make, in lower case; what lies in them are thumbnails or deleted files."""


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that is not taken for an image, and the reason in a few words: `hidden`."""

    path: Path
    why: str
    lost: bool = False
    """Whether images may be missing for it, as in a folder that cannot be listed or a link that leads nowhere."""


@dataclass
class Listing:
    """The image files below a folder, sorted, and what else lies there."""

    images: list[Path] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)


def list_images(folder: Path, leave_out: Path | None = None) -> Listing:
    """All that `walk` finds, in two lists."""
    listing = Listing()
    for found in walk(folder, leave_out):
        if isinstance(found, PassedOver):
            listing.passed_over.append(found)
        else:
            listing.images.append(found)
    return listing


def walk(folder: Path, leave_out: Path | None = None) -> Iterator[Path | PassedOver]:
    """The image files below a folder at any depth, sorted by folder and name, and what is passed over.

    Links are followed, but no folder is searched twice. The folder `leave_out` is not searched and not mentioned.
    Nothing is raised: a folder that cannot be listed is passed over with the reason.
    """
    skipped = leave_out and _identity(leave_out)
    searched: set[tuple[int, int]] = set()
    waiting: list[_Found] = [_Found(folder, is_folder=True)]
    while waiting:
        path, is_folder, depth = waiting.pop()
        if not is_folder:
            yield path
            continue
        identity = _identity(path)
        if identity is not None and identity == skipped:
            continue
        if identity in searched:
            yield PassedOver(path, "link to a folder that is searched already")
            continue
        if depth > DEEPEST:
            yield PassedOver(path, f"more than {DEEPEST} folders deep", lost=True)
            continue
        if identity is not None:
            searched.add(identity)
        below = []
        for found in _entries(path):
            if isinstance(found, PassedOver):
                yield found
            else:
                below.append(found._replace(depth=depth + 1))
        waiting.extend(reversed(below))


class _Found(NamedTuple):
    path: Path
    is_folder: bool
    depth: int = 0


def _entries(folder: Path) -> Iterator[_Found | PassedOver]:
    """The folders and image files directly in a folder, sorted, and what is passed over there."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        yield PassedOver(folder, f"cannot be listed: {error.strerror or error}", lost=True)
        return
    for entry in entries:
        path, reason = folder / entry.name, _reason(entry)
        yield PassedOver(path, reason, reason in _LOST) if reason else _Found(path, entry.is_dir())


_NOWHERE, _IRREGULAR, _CIRCLE = "link that leads nowhere", "no regular file", "link that leads to itself"
_LOST = frozenset({_NOWHERE, _CIRCLE})


def _reason(entry: os.DirEntry[str]) -> str:
    """Why an entry of a folder is passed over; empty where it is a folder to search or an image file."""
    try:
        is_folder, is_file = entry.is_dir(), entry.is_file()
    except OSError:
        return _CIRCLE
    if is_folder and entry.name.lower() in _NOT_PICTURES:
        return "folder of a system or storage device"
    if entry.name.startswith("."):
        return "hidden"
    if is_folder:
        return ""
    suffix = os.path.splitext(entry.name)[1]  # noqa: PTH122  a Path for each of many files costs more than the rest
    if suffix.lower() not in IMAGE_SUFFIXES:
        return f"no image by its name ({suffix or 'no suffix'})"
    if not is_file:
        return _NOWHERE if entry.is_symlink() else _IRREGULAR
    return ""


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a folder from all others, whatever link leads to it; None where that cannot be found out."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
