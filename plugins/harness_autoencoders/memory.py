"""Keeps the C library from returning memory to the kernel between two steps of training."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Constants of malloc.h in glibc."""


@contextmanager
def freed_memory_is_kept() -> Iterator[None]:
    """While this is active, freed blocks stay with the process and are used again; afterwards they are returned.

    glibc maps each block of over 32 MiB anew, and the kernel clears every page of it: at 256x256 and a batch of 32
    that was a quarter of a training step. Does nothing with other C libraries.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        # These are the values that glibc sets itself after a block of 32 MiB was freed.
        libc.mallopt(M_MMAP_MAX, 65536)
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 64 << 20)
        libc.malloc_trim(0)
