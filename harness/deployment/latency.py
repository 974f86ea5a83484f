"""How long a decision takes, engine by engine, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import Images
from harness.deployment.detector import load
from harness.deployment.engines import ENGINES, Arrays, Graph
from harness.deployment.packing import TOLERANCE, first_line, graph_inputs, relative_difference, write_graph
from harness.errors import HarnessError, PackingError
from harness.plugin.registry import Registry
from harness.trials import hardware
from harness.trials.latencies import Latency

TORCH = "torch"
"""The engine that is always there."""


@dataclass(frozen=True)
class Protocol:
    """How it is measured."""

    batch: int
    """Images at once, besides one at a time."""
    warm_up: int
    """Runs before the clock starts."""
    repetitions: int
    threads: int
    beside: bool = True
    """Whether the network is given what it takes beside pixels; drawing it is not timed."""


@dataclass(frozen=True)
class Place:
    """Where the model is, and what reads it; it can be sent to another process."""

    directory: Path
    plugin_files: tuple[Path, ...] = ()
    weights_dir: Path | None = None


def latencies(
    place: Place, engines: Sequence[str], protocol: Protocol, begun: Callable[[str], None]
) -> Iterator[Latency]:
    """What each engine takes for one image and for a batch, on images of noise; `begun` is told of each engine.

    Raises UsageError for an engine that is not installed, PackingError where one does not score as torch does,
    ModelError, UnavailableError.
    """
    from harness.deployment.graph import Decision, TorchGraph

    detector = load(place.directory, Registry.discover(place.plugin_files), weights_dir=place.weights_dir)
    size = detector.saved.trial.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (protocol.batch, size, size, 3), dtype=np.uint8)
    images = Images(pixels, tuple(map(str, range(protocol.batch))))
    beside = tuple(detector.model.side_inputs(pixels[:1])) if protocol.beside else ()
    inputs = [next(graph_inputs(detector, images, beside, batch)) for batch in sorted({1, protocol.batch})]
    torch_graph = TorchGraph(Decision(detector.model, detector.scorer, detector.limit))
    expected = [torch_graph(one)["score"] for one in inputs]
    machine = hardware.machine("cpu")
    before = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    for name in engines:
        begun(name)
        with tempfile.TemporaryDirectory() as scratch:
            wanted = inputs
            if name == TORCH:
                title, number = TORCH, version(TORCH)
                opening: Callable[[], Graph] = partial(_open_torch, place, protocol.threads)
            else:
                title, number = ENGINES[name].title, ENGINES[name].version()
                file = Path(scratch) / f"model{ENGINES[name].suffix}"
                _, most = write_graph(detector, images, beside, name, file)
                wanted = inputs if most > 1 else inputs[:1]
                opening = partial(_open_file, name, file, protocol.threads)
            try:
                found = measure(Task(opening, wanted, protocol.warm_up, protocol.repetitions))
            except HarnessError:
                raise
            except Exception as error:  # an engine may lack anything that torch has
                raise PackingError(f"{title} cannot run it: {first_line(error)}") from error
        for one, times, scores in zip(wanted, found, expected, strict=False):
            _check(title, times.scores, scores)
            batch = len(one["pixels"])
            p50, p95, p99 = np.percentile(times.milliseconds, [50, 95, 99]).tolist()
            yield Latency(
                engine=title,
                version=number,
                batch=batch,
                p50_ms=p50,
                p95_ms=p95,
                p99_ms=p99,
                images_per_second=1000 * batch / float(times.milliseconds.mean()),
                peak_mb=times.peak_mb,
                warm_up=protocol.warm_up,
                repetitions=protocol.repetitions,
                threads=protocol.threads,
                cpu=machine["cpu"],
                system=machine["system"],
                beside=",".join(beside),
                measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
                load=before,
            )


def _check(title: str, scores: NDArray[Any], expected: NDArray[Any]) -> None:
    worst = float(relative_difference(scores, expected).max())
    if worst > TOLERANCE:
        raise PackingError(f"on {title} scores differ from torch's by {worst:.2g} of them: they are not worth timing")


def _open_torch(place: Place, threads: int) -> Graph:
    import torch

    from harness.deployment.graph import Decision, TorchGraph

    torch.set_num_threads(threads)
    detector = load(place.directory, Registry.discover(place.plugin_files), weights_dir=place.weights_dir)
    return TorchGraph(Decision(detector.model, detector.scorer, detector.limit))


def _open_file(name: str, file: Path, threads: int) -> Graph:
    return ENGINES[name].open(file, threads)


class Times(NamedTuple):
    """What a process measured with batches of one size."""

    milliseconds: NDArray[np.float64]
    """One for each repetition."""
    peak_mb: float
    """By how much the memory of the process had grown, at most, since before the engine was imported."""
    scores: NDArray[np.floating[Any]]
    """What the engine made of its input."""


@dataclass(frozen=True)
class Task:
    """What a process is asked to measure; it can be sent there."""

    open: Callable[[], Graph]
    """Imports the engine and loads the model, in that process."""
    inputs: Sequence[Arrays]
    """Of each batch size, the smallest first."""
    warm_up: int
    repetitions: int


def measure(task: Task) -> list[Times]:
    """Measure in a process that has nothing else in its memory. Raises what opening and running raise."""
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
        scores = graph(inputs)["score"]
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
