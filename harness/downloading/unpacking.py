"""Archives of strangers: every entry is looked at before the first is written, and none may lead out of the folder."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from harness.errors import DataError, error_line

_MOST_TIMES = 100
_MOST_ENTRIES = 2_000_000
_SMALL = 1 << 30
"""An archive may unpack to this whatever its own size, and to 100 times its own size beyond."""
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    is_folder: bool
    is_file: bool
    entry: zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of a zip or tar archive into an empty folder. Raises DataError naming what is wrong with it.

    Refused are entries with absolute paths or `..`, links, devices, names twice, and archives that unpack to far more
    than images take.
    """
    try:
        opened = _opened(archive)
        with opened:
            entries = list(_entries(opened))
            _check(archive, entries)
            for entry in entries:
                _write(opened, entry, folder)
    except DataError:
        raise
    except Exception as error:  # what zipfile and tarfile raise for damaged archives is of many kinds
        raise DataError(f"archive {str(archive)!r} cannot be unpacked: {error_line(error):.300}") from error


def _opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    return tarfile.open(archive)


def _entries(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Entry]:
    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            plain = kind in (0, stat.S_IFREG)
            yield _Entry(info.filename, info.file_size, info.is_dir(), plain and not info.is_dir(), info)
        return
    for member in opened:
        yield _Entry(member.name, member.size, member.isdir(), member.isfile(), member)


def _check(archive: Path, entries: list[_Entry]) -> None:
    """Raises DataError."""
    where = f"archive {str(archive)!r}"
    if len(entries) > _MOST_ENTRIES:
        raise DataError(f"{where} has {len(entries):,} entries, expected at most {_MOST_ENTRIES:,}")
    seen: set[str] = set()
    for entry in entries:
        name = PurePosixPath(entry.name.replace("\\", "/"))
        windows = PureWindowsPath(entry.name)
        if name.is_absolute() or windows.drive or ".." in name.parts or "\0" in entry.name:
            raise DataError(f"{where} has the entry {entry.name!r:.100}, which leads out: nothing was unpacked")
        if not (entry.is_folder or entry.is_file):
            raise DataError(f"{where} has the entry {entry.name!r:.100}, a link or device: nothing was unpacked")
        if entry.is_file and str(name) in seen:
            raise DataError(f"{where} has the entry {entry.name!r:.100} twice: nothing was unpacked")
        seen.add(str(name))
    total, limit = sum(entry.size for entry in entries), max(_SMALL, _MOST_TIMES * archive.stat().st_size)
    if total > limit:
        raise DataError(f"{where} unpacks to {total:,} bytes, expected at most {limit:,}: nothing was unpacked")


def _write(opened: zipfile.ZipFile | tarfile.TarFile, entry: _Entry, folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(entry.name.replace("\\", "/")).parts)
    if entry.is_folder:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source: IO[bytes] | None
    if isinstance(opened, zipfile.ZipFile):
        assert isinstance(entry.entry, zipfile.ZipInfo)
        source = opened.open(entry.entry)
    else:
        assert isinstance(entry.entry, tarfile.TarInfo)
        source = opened.extractfile(entry.entry)
    if source is None:
        raise DataError(f"entry {entry.name!r:.100} holds no bytes")
    with source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _AT_ONCE)  # zipfile gives no more than the entry says that it has
