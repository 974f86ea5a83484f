"""A kept model as one graph for another runtime, held against torch before anybody can use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import FloatArray, Images, Threshold
from harness.deployment.detector import Detector
from harness.deployment.engines import ENGINES, Arrays, Engine, need
from harness.errors import PackingError, UnavailableError, UsageError, unknown
from harness.files import adding_to
from harness.plugin.spec import spell
from harness.trials import provenance
from harness.trials.saved_model import limit_by, name_of

FORMAT = 1
"""Of the metadata."""
TOLERANCE = 1e-3
"""Of each score, relative to torch's."""
BATCH = 16
"""Images that are compared at a time."""
PIXELS = "pixels"
"""The input that every graph has."""
_RESIZING = (
    "not in the graph: turn an image upright, make it RGB, and resize it to image_size with Pillow's bilinear filter, "
    "which widens where it reduces"
)


@dataclass(frozen=True)
class Agreement:
    """How a packed model's scores differ from torch's."""

    engine: str
    version: str
    images: int
    largest_difference: float
    """Relative to torch's score."""
    at: str
    """The image that it is found at."""
    other_decisions: int
    """Images that the two decide on differently, being that close to the limit."""
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Packed:
    """What was written."""

    file: Path
    with_it: tuple[Path, ...]
    """What lies beside it: the JSON that describes it, and what else belongs to it."""
    beside: tuple[str, ...]
    """Inputs of the graph beside pixels."""
    left_out: tuple[str, ...]
    """What would have been such inputs."""
    limit: float
    agreement: Agreement


def pack(detector: Detector, images: Images, form: str, out: Path, leave_out: Threshold | None = None) -> Packed:
    """Write a graph to a file, or into a folder, once it scores these images as torch does.

    With a threshold, inputs beside pixels are left out, and it sets the limit anew on these images, which are then to
    be normal. Raises UsageError, UnavailableError, PackingError, ModelError, TrainingError, and has written nothing.
    """
    from harness.deployment.graph import Decision, TorchGraph

    engine = engine_of(form)
    file = _place(out, engine, detector)
    beside = tuple(detector.model.side_inputs(images.pixels[:1]))
    left_out: tuple[str, ...] = ()
    if leave_out is None:
        expected = detector.decide(images.pixels, images.paths).scores
    else:
        if not beside:
            raise UsageError(f"{spell(detector.model)} takes nothing beside pixels: there is nothing to leave out")
        beside, left_out = (), beside
        plain = TorchGraph(Decision(detector.model, detector.scorer, detector.limit))
        expected = np.concatenate([plain(batch)["score"] for batch in graph_inputs(detector, images, (), BATCH)])
        expected = expected.astype(np.float64)
        limit = limit_by(leave_out, expected)
        detector = replace(detector, threshold=spell(leave_out), limit=limit)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with adding_to(file.parent) as scratch:
            draft = scratch / file.name
            described, most = write_graph(detector, images, beside, form, draft, left_out)
            agreement = compare(engine, draft, graph_inputs(detector, images, beside, most), expected, images, detector)
            if json.loads(engine.metadata(draft)) != described:
                raise PackingError(f"{engine.title} does not find in {file.name} what was said of it there")
            parts = sorted(draft.parent.iterdir())
            digests = {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in parts}
            said = {**described, "verified": asdict(agreement), "sha256": digests}
            _beside(draft).write_text(f"{json.dumps(said, indent=1)}\n", encoding="utf-8")
            written = [file.parent / part.name for part in (*parts, _beside(draft))]
    except OSError as error:
        raise UsageError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error
    with_it = tuple(part for part in written if part != file)
    return Packed(file, with_it, beside, left_out, detector.limit, agreement)


def engine_of(form: str) -> Engine:
    """The engine for files of this format. Raises UsageError where there is none, or where it is not installed."""
    if form not in ENGINES:
        raise UsageError(unknown("format", form, ENGINES))
    engine = ENGINES[form]
    for package in ("onnxscript", engine.package):  # torch's exporter needs the first for any format
        need(package, engine.extra)
    return engine


def write_graph(
    detector: Detector, images: Images, beside: Sequence[str], form: str, file: Path, left_out: Sequence[str] = ()
) -> tuple[dict[str, Any], int]:
    """Write a graph that nobody has verified yet; its metadata, and how many images it takes at once at most here.

    It takes any number where torch can export it so, else one. Raises UnavailableError, UsageError.
    """
    from harness.deployment.graph import Decision, export

    decision = Decision(detector.model, detector.scorer, detector.limit)
    onnx = file.with_suffix(".draft.onnx")  # by its ending OpenVINO knows it
    for most in (BATCH, 1):
        example = next(graph_inputs(detector, images.take(np.zeros(min(most, 2), dtype=np.intp)), beside, most))
        described = {**_description(detector, example, left_out), "settings": dict(ENGINES[form].settings)}
        try:
            export(decision, example, json.dumps(described), onnx)
            break
        except UnavailableError:
            if most == 1:
                raise
    ENGINES[form].convert(onnx, json.dumps(described), file)
    onnx.unlink(missing_ok=True)
    return described, most


def compare(
    engine: Engine, file: Path, batches: Iterator[Arrays], expected: FloatArray, images: Images, detector: Detector
) -> Agreement:
    """How a graph's scores differ from torch's. Raises PackingError where by more than the tolerance."""
    try:
        graph = engine.open(file, None)
        found = [graph(batch) for batch in batches]
    except Exception as error:  # an engine may lack anything that torch has
        raise PackingError(f"{engine.title} cannot run it: {first_line(error)}") from error
    scores = np.concatenate([one["score"] for one in found]).astype(np.float64)
    anomalous = np.concatenate([one["anomalous"] for one in found])
    relative = relative_difference(scores, expected)
    worst = int(np.argmax(relative))
    if relative[worst] > TOLERANCE:
        raise PackingError(
            f"on {engine.title}, {images.paths[worst]} scores {scores[worst]:.7g}, in torch {expected[worst]:.7g}: "
            f"expected a relative difference of at most {TOLERANCE:g}. Nothing was written"
        )
    return Agreement(
        engine=engine.title,
        version=engine.version(),
        images=len(images),
        largest_difference=float(relative[worst]),
        at=images.paths[worst],
        other_decisions=int(np.sum(anomalous != (expected > detector.limit))),
    )


def first_line(error: BaseException) -> str:
    """An error of a library that says more than a person wants to read."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def relative_difference(scores: FloatArray, expected: FloatArray) -> FloatArray:
    """(N,) twice to (N,): 0 where equal, infinite where a score is no number or was expected to be 0."""
    apart = np.abs(scores - expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(apart == 0, 0.0, apart / np.abs(expected))
    return np.where(np.isfinite(relative), relative, np.inf)


def graph_inputs(detector: Detector, images: Images, beside: Sequence[str], most: int) -> Iterator[Arrays]:
    """What a graph is given for these images, at most so many at a time."""
    for start in range(0, len(images), most):
        pixels = np.ascontiguousarray(images.pixels[start : start + most])
        drawn = detector.model.side_inputs(pixels) if beside else {}
        yield {PIXELS: pixels, **{name: np.ascontiguousarray(drawn[name]) for name in beside}}


def _beside(file: Path) -> Path:
    """The JSON that describes a file."""
    return file.with_name(f"{file.name}.json")


def _place(out: Path, engine: Engine, detector: Detector) -> Path:
    """The file to write: `out`, or in the folder that it is. Raises UsageError for another format's suffix."""
    if out.is_dir() or not out.suffix:
        return out / f"{name_of(detector.saved.trial, detector.saved.id)}{engine.suffix}"
    if out.suffix != engine.suffix:
        raise UsageError(f"--out is {str(out)!r}: expected a file that ends in {engine.suffix}, or a folder")
    return out


def _description(detector: Detector, example: Arrays, left_out: Sequence[str]) -> dict[str, Any]:
    """What the file says of itself."""
    saved = detector.saved
    first: str | int = "N" if len(example[PIXELS]) > 1 else 1
    return {
        "format": FORMAT,
        "trial": saved.trial.written(),
        "id": saved.id,
        "fingerprint": saved.fingerprint,
        "image_size": saved.trial.image_size,
        "pool": detector.pool,
        "threshold": detector.threshold,
        "limit": detector.limit,
        "inputs": {name: {"dtype": str(a.dtype), "shape": [first, *a.shape[1:]]} for name, a in example.items()},
        "left_out": list(left_out),
        "resizing": _RESIZING,
        "precision": "float32",
        "plugins": dict(saved.plugins),
        "versions": {"fitted": dict(saved.versions), "packed": provenance.versions()},
    }
