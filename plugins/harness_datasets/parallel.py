"""One function over many indices, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def on_all_cores(work: Callable[[int], T], count: int) -> list[T]:
    """[work(0), ..., work(count - 1)], computed by one thread for each core; Pillow and numpy release the GIL.

    The first failure, in the order of indices, is raised and stops the rest.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(work, range(count)))
