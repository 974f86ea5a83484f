"""Stopping a run by Ctrl-C or SIGTERM: at once where Python can, and by force in the middle of a long computation."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GRACE_S = 3.0
"""Seconds after which an interrupted process is ended by force."""
_STOPS = (signal.SIGINT, signal.SIGTERM)
_THE_END = b"\0"
"""What no signal is called."""


@contextmanager
def stoppable(farewell: str) -> Iterator[None]:
    """While this is active, SIGINT and SIGTERM raise KeyboardInterrupt with the signal's number.

    Python cannot raise it inside of one long call, such as a step of a large network. Where it has not come through in
    time, the process says farewell and ends, with 128 and the signal's number; a store is whole at any moment.
    """
    heard: list[int] = []

    def stop(number: int, frame: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt(number)

    over = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watcher = threading.Thread(target=_watch, args=(reading, over, farewell), daemon=True)
    watcher.start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)  # is told of signals by C, whatever Python is at
    before = [signal.signal(number, stop) for number in _STOPS]
    try:
        with _kept_handlers():
            yield
    except KeyboardInterrupt as interrupt:
        if interrupt.args or not heard:
            raise
        raise KeyboardInterrupt(heard[0]) from interrupt  # Ray raises one of its own, without the number
    finally:
        over.set()
        for number, handler in zip(_STOPS, before, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.write(writing, _THE_END)  # for a child that a plugin has forked may keep the pipe open
        os.close(writing)
        watcher.join()
        os.close(reading)


@contextmanager
def _kept_handlers() -> Iterator[None]:
    """Within, nobody else decides what a stop does, as a plugin might that ignores Ctrl-C; other signals are free.

    Python's `signal.signal` asks the module below it each time, so that this reaches names imported earlier, too.
    """
    below: Any = sys.modules["_signal"]
    set_handler, set_wakeup = below.signal, signal.set_wakeup_fd

    def only_others(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if number in _STOPS else set_handler(number, handler)

    def keep(descriptor: int, *, warn_on_full_buffer: bool = True) -> int:
        return -1

    below.signal, signal.set_wakeup_fd = only_others, keep
    try:
        yield
    finally:
        below.signal, signal.set_wakeup_fd = set_handler, set_wakeup


def _watch(reading: int, over: threading.Event, farewell: str) -> None:
    while (told := os.read(reading, 1)) not in (b"", _THE_END):
        if told[0] in _STOPS and not over.wait(GRACE_S):
            show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
            print(f"{show_cursor}\n{farewell}", file=sys.stderr, flush=True)
            os._exit(128 + told[0])
