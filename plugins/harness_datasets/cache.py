"""Bytes that are dear to make, kept in one memory-mapped file each; a fault of the cache costs time, never a run."""

from __future__ import annotations

import json
import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import replacing

VERSION = 3
"""Of the file's form: the bytes, then a note as JSON, then `_TAIL`; also rises when a note says more than before."""
_TAIL = struct.Struct("<8sIII")
"""Magic with the version, length of the note, CRC-32 of the note, CRC-32 of a sample of the bytes."""
_MAGIC = b"HARNESS" + bytes([VERSION])

Write = Callable[[int, NDArray[np.uint8]], None]
"""Puts an array's bytes at an offset; any thread may call it."""
Note = Mapping[str, Any]


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """$HARNESS_CACHE, else anomaly-harness in $XDG_CACHE_HOME, else in ~/.cache. Raises RuntimeError without a home."""
    if environ.get("HARNESS_CACHE"):
        return Path(environ["HARNESS_CACHE"])
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anomaly-harness"


def kept(name: str, key: str, length: int, make: Callable[[Write], Note]) -> tuple[NDArray[np.uint8], Note]:
    """`length` bytes and their note: from the cache, where file `name` holds them under `key`, else made and kept.

    Where the cache cannot be written, a nameless temporary file stands in, and then memory.
    """
    with suppress(OSError, RuntimeError):
        path = directory() / name
        return _opened(path, key, length) or _made(path, key, length, make)
    with suppress(OSError), tempfile.TemporaryFile() as file:
        note = make(_writer(file.fileno()))
        os.ftruncate(file.fileno(), length)
        return _mapped(file.fileno(), length), note
    data = np.zeros(length, dtype=np.uint8)

    def write(offset: int, array: NDArray[np.uint8]) -> None:
        data[offset : offset + array.size] = array.reshape(-1)

    return data, make(write)


def _opened(path: Path, key: str, length: int) -> tuple[NDArray[np.uint8], Note] | None:
    """What a file holds, or None where it is absent, cut, damaged, of another version or of another key.

    Not all bytes are read: a sample of 512 places finds blocks that were lost or overwritten, not every changed bit.
    """
    try:
        with path.open("rb") as file:
            file.seek(-_TAIL.size, os.SEEK_END)
            magic, note_length, note_sum, sample_sum = _TAIL.unpack(file.read())
            if magic != _MAGIC:
                return None
            file.seek(length)
            text = file.read(note_length)
            if zlib.crc32(text) != note_sum or _sample(file.fileno(), length) != sample_sum:
                return None
            held: dict[str, Any] = json.loads(text)
            return (_mapped(file.fileno(), length), held) if held.pop("key") == key else None
    except (OSError, struct.error):
        return None


def _made(path: Path, key: str, length: int, make: Callable[[Write], Note]) -> tuple[NDArray[np.uint8], Note]:
    """Make and keep, so that others see the whole file or none. Raises OSError when it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with replacing(path) as draft:
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            stack.callback(os.close, descriptor)
            write = _writer(descriptor)
            note = make(write)
            os.ftruncate(descriptor, length)
            text = json.dumps({**note, "key": key}).encode()
            tail = _TAIL.pack(_MAGIC, len(text), zlib.crc32(text), _sample(descriptor, length))
            write(length, np.frombuffer(text + tail, dtype=np.uint8))
        return _mapped(descriptor, length), note


def _writer(descriptor: int) -> Write:
    """Writes by system call, not through a mapping: a full disk is then an OSError, and not a fatal signal."""

    def write(offset: int, array: NDArray[np.uint8]) -> None:
        rest = np.ascontiguousarray(array).data.cast("B")
        while rest:
            written = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[written:], offset + written

    return write


def _mapped(descriptor: int, length: int) -> NDArray[np.uint8]:
    """The first bytes of a file, mapped copy-on-write: whoever writes to the array changes no file.

    Linux reserves memory for such a mapping and refuses one larger than it has; that one is read-only.
    """
    try:
        mapping = mmap.mmap(descriptor, length, access=mmap.ACCESS_COPY)
    except OSError:
        mapping = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ)
    return np.frombuffer(mapping, dtype=np.uint8)


def _sample(descriptor: int, length: int) -> int:
    """CRC-32 of 512 bytes at each of 512 places of a file, evenly spread; of all where it is no longer than that."""
    total = 0
    for offset in range(0, length, max(512, length // 512)):
        total = zlib.crc32(os.pread(descriptor, min(512, length - offset), offset), total)
    return total
