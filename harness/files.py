"""Files and folders that are whole at every moment, whatever happens to the process that writes them."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_ABANDONED_S = 24 * 3600
"""A draft as old as this was left behind by a process that was killed."""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new name beside `target`, to write a file or a folder to; it takes the target's place when the block ends well.

    Until then, and after any error, the target is as it was. What was written is on the disk before it gets its name,
    so that a power cut leaves no name without its bytes. Raises OSError.
    """
    with _draft(target.parent) as draft:
        yield draft
        _flush(draft)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        draft.replace(target)
        _flush_folder(target.parent)


@contextmanager
def adding_to(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder`; when the block ends well, its files move up, each replacing its namesake.

    After an error, `folder` is as it was. Raises OSError.
    """
    with _draft(folder) as draft:
        draft.mkdir()
        yield draft
        _flush(draft)
        for file in sorted(draft.iterdir()):
            file.replace(folder / file.name)
        _flush_folder(folder)


def write_text(file: Path, text: str | Iterable[str]) -> None:
    """Replace the content of a file by UTF-8 text, or by pieces of it. Raises OSError.

    A pipe or a device is written to as it is.
    """
    pieces = [text] if isinstance(text, str) else text
    if file.exists() and not file.is_file():
        with file.open("w", encoding="utf-8") as opened:
            opened.writelines(pieces)
        return
    # A link stays, and its target is replaced.
    with replacing(Path(os.path.realpath(file))) as draft, draft.open("w", encoding="utf-8") as opened:
        opened.writelines(pieces)


def plain_bytes(file: Path, most: int | None = None) -> bytes:
    """What a plain file holds, of at most so many bytes; a pipe or a device may have no end. Raises OSError."""
    if file.is_dir():  # of which Python makes no file
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        content = opened.read() if most is None else opened.read(most + 1)
    if most is not None and len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return content


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A name that nobody uses, in a folder that is cleared of drafts which killed processes have left behind."""
    for left in folder.glob(".harness-*.part"):
        with suppress(OSError):  # another process may be clearing up too
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                _remove(left)
    draft = folder / f".harness-{uuid4().hex}.part"
    try:
        yield draft
    finally:
        _remove(draft)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make sure that a file, or all of a folder, is on the disk."""
    if path.is_dir():
        for child in path.iterdir():
            _flush(child)
        _flush_folder(path)
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk, where its file system can be asked to."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
