"""How long a kept model takes to decide, engine by engine, each in a process of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.api import FloatArray, Images
from harness.deployment.conversion import BATCH, TOLERANCE, decision_of, graph_inputs, relative_difference, write_graph
from harness.deployment.detector import Detector
from harness.deployment.engines import ENGINES, PIXELS, SCORE, Arrays, Graph, first_line
from harness.deployment.framing import WholeImages, is_framed
from harness.deployment.loading import load
from harness.deployment.measuring import Task, Times, measure
from harness.errors import HarnessError, PackingError
from harness.plugin.registry import Registry
from harness.trials import hardware
from harness.trials.framed import unframed
from harness.trials.latencies import Latency

TORCH = "torch"
"""The engine that is always there."""


@dataclass(frozen=True)
class Protocol:
    """How latency is measured."""

    batch: int
    """Images at once, in addition to one at a time."""
    warm_up: int
    """Runs before the clock starts."""
    repetitions: int
    threads: int


@dataclass(frozen=True)
class Place:
    """Where the model is and what is needed to load it; it can be sent to another process."""

    directory: Path
    plugin_files: tuple[Path, ...] = ()
    weights_dir: Path | None = None

    def load(self) -> Detector:
        """The model, ready to decide. Raises ModelError, UnavailableError."""
        return load(self.directory, Registry.discover(self.plugin_files), weights_dir=self.weights_dir)


class _Candidate(NamedTuple):
    """An engine that is about to be measured."""

    title: str
    version: str
    open: Callable[[], Graph]
    """Is called in the process that measures."""
    any_batch: bool
    """Whether it takes several images at once."""


def latencies(
    place: Place, engines: Sequence[str], protocol: Protocol, begun: Callable[[str], None]
) -> Iterator[Latency]:
    """What each engine takes for one image and for a batch, on images of noise; `begun` is told of each engine.

    Raises UsageError for an engine that is not installed, PackingError where one does not score as torch does,
    ModelError, UnavailableError.
    """
    detector = place.load()
    height, width = detector.saved.image_shape
    pixels = np.random.default_rng(0).integers(0, 256, (protocol.batch, height, width, 3), dtype=np.uint8)
    images = Images(pixels, tuple(map(str, range(protocol.batch))))
    side_inputs = tuple(unframed(detector.model).side_inputs(pixels[:1]))
    inputs = [next(graph_inputs(detector, images, side_inputs, batch)) for batch in sorted({1, protocol.batch})]
    graph, trial = _graph(detector), detector.saved.trial
    if is_framed(trial):
        graph = WholeImages(trial, detector.scorer, detector.limit, BATCH).of(graph)
    expected = [graph(one)[SCORE] for one in inputs]
    machine = hardware.machine("cpu")
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    for name in engines:
        begun(name)
        with tempfile.TemporaryDirectory() as scratch:
            if name == TORCH:
                candidate = _Candidate(TORCH, version(TORCH), partial(_open_torch, place, protocol.threads), True)
            else:
                candidate = _converted(detector, images, side_inputs, name, Path(scratch), protocol.threads)
            candidate = _whole(candidate, detector)
            found = _measured(candidate, inputs if candidate.any_batch else inputs[:1], expected, protocol)
        for batch, times in found.items():
            p50, p95, p99 = np.percentile(times.milliseconds, [50, 95, 99]).tolist()
            yield Latency(
                engine=candidate.title,
                version=candidate.version,
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
                beside=",".join(side_inputs),
                measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
                load=load_before,
            )


def _whole(candidate: _Candidate, detector: Detector) -> _Candidate:
    """The candidate on whole images, where its graph takes pieces of them."""
    trial = detector.saved.trial
    if not is_framed(trial):
        return candidate
    whole = WholeImages(trial, detector.scorer, detector.limit, BATCH if candidate.any_batch else 1)
    return candidate._replace(open=partial(whole.opened, candidate.open), any_batch=True)


def _converted(
    detector: Detector, images: Images, side_inputs: Sequence[str], name: str, folder: Path, threads: int
) -> _Candidate:
    """The model as a file of an engine."""
    engine = ENGINES[name]
    file = folder / f"model{engine.suffix}"
    _, most = write_graph(detector, images, side_inputs, name, file)
    return _Candidate(engine.title, engine.version(), partial(_open_file, name, file, threads), most > 1)


def _measured(
    candidate: _Candidate, inputs: Sequence[Arrays], expected: Sequence[FloatArray], protocol: Protocol
) -> dict[int, Times]:
    """Times by batch size. Raises PackingError where the engine fails or does not score as torch does."""
    try:
        found = measure(Task(candidate.open, inputs, protocol.warm_up, protocol.repetitions))
    except HarnessError:
        raise
    except Exception as error:  # an engine may lack anything that torch has
        raise PackingError(f"{candidate.title} cannot run it: {first_line(error)}") from error
    for times, scores in zip(found, expected, strict=False):
        worst = float(relative_difference(times.scores, scores).max())
        if worst > TOLERANCE:
            raise PackingError(
                f"on {candidate.title} scores differ from torch's by {worst:.2g} of them: they are not worth timing"
            )
    return {len(one[PIXELS]): times for one, times in zip(inputs, found, strict=True)}


def _graph(detector: Detector) -> Graph:
    from harness.deployment.graph import TorchGraph

    return TorchGraph(decision_of(detector))


def _open_torch(place: Place, threads: int) -> Graph:
    import torch

    torch.set_num_threads(threads)
    return _graph(place.load())


def _open_file(name: str, file: Path, threads: int) -> Graph:
    return ENGINES[name].open(file, threads)
