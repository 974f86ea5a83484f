"""Times ours against what is usually done, by turns in one process, and ends with a table of the figures."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tabulate import tabulate

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Figure:
    """One row of the table; times in seconds."""

    what: str
    ours: float
    reference: float | None = None
    figure: str = ""
    target: str = ""
    reached: bool | None = None


ROWS: pytest.StashKey[list[Figure]] = pytest.StashKey()


class Figures:
    """Makes rows. Times are the least of several rounds: what else runs on the machine can only add to them."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._rows = request.config.stash.setdefault(ROWS, [])

    def race(
        self,
        what: str,
        ours: Callable[[], A],
        reference: Callable[[], B],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        rounds: int = 5,
    ) -> tuple[A, B]:
        """What both give. The target is how many times as fast as the reference, or of its time, ours is to be."""
        values: list[B] = []
        reference_times: list[float] = []

        def before_each_round() -> None:
            seconds, value = _timed(reference)
            reference_times.append(seconds)
            values[:] = [value]

        seconds, value = self._time(ours, before_each_round, rounds)
        least = min(reference_times)
        if at_most is None:
            ratio, target = least / seconds, f"at least {at_least:g} x as fast" if at_least else ""
            reached = None if at_least is None else ratio >= at_least
            figure = f"{ratio:.3g} x as fast"
        else:
            ratio, target = seconds / least, f"at most {at_most:g} x the time"
            reached, figure = ratio <= at_most, f"{ratio:.3g} x the time"
        self.add(what, seconds, least, figure, target, reached)
        return value, values[0]

    def time(self, what: str, ours: Callable[[], A], *, at_most: float | None = None, rounds: int = 5) -> A:
        """What ours gives; the target is in seconds."""
        seconds, value = self._time(ours, lambda: None, rounds)
        target, reached = ("", None) if at_most is None else (f"at most {at_most:g} s", seconds <= at_most)
        self.add(what, seconds, None, "", target, reached)
        return value

    def add(
        self,
        what: str,
        ours: float,
        reference: float | None = None,
        figure: str = "",
        target: str = "",
        reached: bool | None = None,
    ) -> None:
        """A row of another making, as of one long run."""
        self._rows.append(Figure(what, ours, reference, figure, target, reached))

    def _time(self, ours: Callable[[], A], before: Callable[[], None], rounds: int) -> tuple[float, A]:
        benchmark: Any = self._request.getfixturevalue("benchmark")
        times: list[float] = []

        def timed() -> A:
            seconds, value = _timed(ours)
            times.append(seconds)
            return value

        ours()  # imports, caches and page faults are not what is measured
        value = benchmark.pedantic(timed, setup=before, rounds=rounds)
        return min(times), value


class Peak:
    """How far this process's own memory, without mapped files, rises above where it began, in `bytes`."""

    def __enter__(self) -> Peak:
        self.bytes, self._ended = 0, threading.Event()
        start = _own_bytes()

        def watch() -> None:
            while not self._ended.is_set():
                self.bytes = max(self.bytes, _own_bytes() - start)
                time.sleep(0.02)

        self._watcher = threading.Thread(target=watch)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()


def _own_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@pytest.fixture
def peak() -> type[Peak]:
    """Measures how much memory the work of a `with` takes."""
    return Peak


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Adds rows to the table at the end."""
    return Figures(request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    table = [
        [
            row.what,
            _seconds(row.ours),
            "" if row.reference is None else _seconds(row.reference),
            row.figure,
            row.target,
            {None: "", True: "reached", False: "MISSED"}[row.reached],
        ]
        for row in rows
    ]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    terminalreporter.section(
        f"figures: {platform.machine()}, {os.cpu_count()} cores{load}, Python {platform.python_version()}"
    )
    terminalreporter.write_line(
        tabulate(table, ["what", "ours", "reference", "figure", "target", ""], "github", disable_numparse=True)
    )


def _timed(call: Callable[[], A]) -> tuple[float, A]:
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
