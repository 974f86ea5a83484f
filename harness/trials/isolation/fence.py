"""Keeps a process of strangers from reading the memory of the harness, as any process may of others of its user.

Linux shows the memory of a process as a file. A process that is not to be dumped shows it only to those who hold the
right to trace others, which root has, and which the process of strangers gives up. Elsewhere none of this is done:
there the system asks for a right of its own.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from contextlib import suppress
from typing import Any

_SET_DUMPABLE, _DROP_FOR_GOOD, _NO_NEW_RIGHTS = 4, 24, 38
"""Of prctl(2)."""
_TRACE, _ADMINISTER = 19, 21
"""CAP_SYS_PTRACE and CAP_SYS_ADMIN of capabilities(7)."""
_VERSION_3 = 0x20080522


def close_memory() -> None:
    """Show the memory of this process, in which labels are, to no process without the right to trace others."""
    if sys.platform == "linux":
        _libc().prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def give_up_tracing() -> None:
    """Give up the right to trace others, for this process and all that it starts."""
    if sys.platform != "linux":
        return
    libc = _libc()
    libc.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0)
    for right in (_TRACE, _ADMINISTER):
        libc.prctl(_DROP_FOR_GOOD, right, 0, 0, 0)
    head = ctypes.create_string_buffer(struct.pack("<Ii", _VERSION_3, 0), 8)
    held = ctypes.create_string_buffer(24)
    with suppress(AttributeError):  # a libc without capget, as musl: then the system decides
        if libc.capget(head, held) == 0:
            rights = list(struct.unpack("<6I", held.raw))
            kept = [one & ~(1 << _TRACE | 1 << _ADMINISTER) for one in rights[:3]]
            libc.capset(head, ctypes.create_string_buffer(struct.pack("<6I", *kept, *rights[3:]), 24))


def _libc() -> Any:
    return ctypes.CDLL(None)
