"""When a file was made. Python does not ask Linux for it, and an inode is used again as soon as its file is removed."""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

_HERE = -100  # AT_FDCWD
_BIRTH = 0x800  # STATX_BTIME
_MASK, _SECONDS = 0, 80
"""Where `struct statx` says what it knows, and when the file was made (statx(2))."""


def born(file: Path) -> tuple[int, int] | None:
    """Seconds since 1970, and nanoseconds beside them; None where the system or the file system does not tell."""
    statx = _statx()
    if statx is None:
        return None
    found = ctypes.create_string_buffer(256)
    if statx(_HERE, os.fsencode(file), 0, _BIRTH, found) != 0:
        return None
    (known,) = struct.unpack_from("=I", found, _MASK)
    return struct.unpack_from("=qI", found, _SECONDS) if known & _BIRTH else None


@cache
def _statx() -> Any:
    """The C library's function; None where it has none."""
    return getattr(ctypes.CDLL(None), "statx", None) if os.name == "posix" else None
