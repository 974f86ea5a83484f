"""Starts what can start while the images of the first trial are still being read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.trials.trial import Trial

SOON_S = 0.1
"""Images that were read in an earlier run are there by then, and so are the trials of a run that has nothing to fit."""


def meanwhile(trials: Iterator[Trial], start: Callable[[], object], count: int) -> Iterator[Trial]:
    """The trials. `start` is called up to `count` times, in a thread of its own, while the first is not there yet."""
    with _starting(start, count):
        first = next(trials, None)
    if first is not None:
        yield first
        yield from trials


@contextmanager
def _starting(start: Callable[[], object], count: int) -> Iterator[None]:
    there = threading.Event()

    def work() -> None:
        if there.wait(SOON_S):
            return
        for _ in range(count):
            if not there.is_set():
                start()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        there.set()
        thread.join()
