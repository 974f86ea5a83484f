"""Whether the C library keeps memory that is freed, or returns it to the kernel."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Constants of malloc.h in glibc."""


@contextmanager
def freed_memory_is_kept() -> Iterator[None]:
    """While this is active, freed blocks stay with the process and are used again; afterwards they are returned.

    glibc maps each block of over 32 MiB anew, and the kernel clears every page of it: at 256x256 and a batch of 32
    that was a quarter of a training step. Does nothing with other C libraries.
    """
    with _set({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1}):
        yield


@contextmanager
def freed_memory_is_returned() -> Iterator[None]:
    """While this is active, each block of over 4 MiB is mapped by itself, and returned once it is freed.

    A greedy choice that frees 13 MB and keeps a few bytes in each of its steps leaves holes that are too small for the
    next 13 MB. PatchCore of anomalib took over 7 GB to choose from 14,000 patches, and takes 1 GB like this, as fast.
    """
    with _set({M_MMAP_THRESHOLD: 4 << 20}):
        yield


@contextmanager
def _set(parameters: Mapping[int, int]) -> Iterator[None]:
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    for name, value in parameters.items():
        libc.mallopt(name, value)
    try:
        yield
    finally:
        # These are the values that glibc sets itself after a block of 32 MiB was freed.
        libc.mallopt(M_MMAP_MAX, 65536)
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 64 << 20)
        libc.malloc_trim(0)
