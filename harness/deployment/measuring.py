"""Time and memory of a graph, measured in a fresh process."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.deployment.engines import SCORE, Arrays, Graph
from harness.errors import PackingError
from harness.trials import hardware


class Times(NamedTuple):
    """What was measured with batches of one size."""

    milliseconds: NDArray[np.float64]
    """The time of each repetition."""
    peak_mb: float
    """The largest growth of the process since before the engine was imported."""
    scores: NDArray[np.floating[Any]]
    """The engine's scores of its input."""


@dataclass(frozen=True)
class Task:
    """What a process is asked to measure; it can be sent to that process."""

    open: Callable[[], Graph]
    """Imports the engine and loads the model, in that process."""
    inputs: Sequence[Arrays]
    """One batch of each size, the smallest first."""
    warm_up: int
    repetitions: int


def measure(task: Task) -> list[Times]:
    """Measure in a fresh process, so that its memory holds nothing else. Raises what opening and running raise."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
        try:
            return process.submit(_measure, task).result()
        except BrokenProcessPool:
            raise PackingError("the process that measured died, perhaps for want of memory") from None


def _measure(task: Task) -> list[Times]:
    before = hardware.peak_bytes()
    graph = task.open()
    found = []
    for inputs in task.inputs:
        scores = graph(inputs)[SCORE]
        milliseconds = _timed(graph, inputs, task.warm_up, task.repetitions)
        found.append(Times(milliseconds, (hardware.peak_bytes() - before) / 1e6, scores))
    return found


def _timed(graph: Graph, inputs: Arrays, warm_up: int, repetitions: int) -> NDArray[np.float64]:
    for _ in range(warm_up):
        graph(inputs)
    nanoseconds = np.empty(repetitions, dtype=np.int64)
    for at in range(repetitions):
        started = time.perf_counter_ns()
        graph(inputs)
        nanoseconds[at] = time.perf_counter_ns() - started
    return nanoseconds / 1e6
