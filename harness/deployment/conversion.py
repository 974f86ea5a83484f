"""A kept model's graph as a file of another runtime, not yet verified, and what such a graph is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.api import FloatArray, Images
from harness.deployment.detector import Detector
from harness.deployment.engines import ENGINES, PIXELS, Arrays, Engine, need
from harness.deployment.framing import described, is_framed, pieces
from harness.errors import UnavailableError, UsageError, unknown_name
from harness.images.framing import PAD, STRETCH, TILES
from harness.trials import provenance
from harness.trials.framed import unframed
from harness.trials.trial import Trial

if TYPE_CHECKING:
    from harness.deployment.graph import Decision, Pieces

FORMAT = 1
"""The version of the metadata's format."""
TOLERANCE = 1e-3
"""How far a score may be from torch's, relative to it."""
BATCH = 16
"""How many images are compared at a time."""
_UPRIGHT = "not in the graph: turn an image upright, make it RGB"
_FILTER = "with Pillow's bilinear filter, which widens where it reduces"
_READING = {
    STRETCH: f"{_UPRIGHT}, and resize it to image_size {_FILTER}",
    PAD: f"{_UPRIGHT}, and resize and pad it as padding says, {_FILTER}",
    TILES: f"{_UPRIGHT}, and cut it as tiles says, in its own size",
}


def engine_of(form: str) -> Engine:
    """The engine for files of this format. Raises UsageError where there is none, or where it is not installed."""
    if form not in ENGINES:
        raise UsageError(unknown_name("format", form, ENGINES))
    engine = ENGINES[form]
    for package in ("onnxscript", engine.package):  # torch's exporter needs the first for any format
        need(package, engine.extra)
    return engine


def write_graph(
    detector: Detector, images: Images, side_inputs: Sequence[str], form: str, file: Path
) -> tuple[dict[str, Any], int]:
    """Write a graph whose scores are not verified yet. Returns its metadata, and how many images to give it at once.

    It takes any number of images where torch can export it so, otherwise one. Raises UnavailableError, UsageError.
    """
    from harness.deployment.graph import export

    decision, trial = decision_of(detector), detector.saved.trial
    if is_framed(trial):
        images = Images(pieces(images.contents()[0], trial), ("0", "1"))
        if side_inputs:
            raise UnavailableError(f"{trial.model} takes {' and '.join(side_inputs)} beside tiles: fit it again")
    onnx = file.with_suffix(".draft.onnx")  # OpenVINO recognises an ONNX file by its ending
    for most in (BATCH, 1):
        example = next(graph_inputs(detector, images.take(np.zeros(min(most, 2), dtype=np.intp)), side_inputs, most))
        described = {**_description(detector, example), "settings": dict(ENGINES[form].settings)}
        try:
            export(decision, example, json.dumps(described), onnx)
            break
        except UnavailableError:
            if most == 1:
                raise
    ENGINES[form].convert(onnx, json.dumps(described), file)
    onnx.unlink(missing_ok=True)
    return described, most


def decision_of(detector: Detector) -> Decision | Pieces:
    """What is packed of a model: pixels to decisions, or the part of it that sees squares, where images are cut.

    Raises PackingError, UnavailableError.
    """
    from harness.deployment.graph import Decision, Pieces

    trial, model = detector.saved.trial, unframed(detector.model)
    if is_framed(trial):
        return Pieces(model, detector.scorer is not None)
    return Decision(model, detector.scorer, detector.limit)


def graph_inputs(detector: Detector, images: Images, side_inputs: Sequence[str], most: int) -> Iterator[Arrays]:
    """The inputs of a graph for these images, in batches of at most `most` images."""
    for start in range(0, len(images), most):
        pixels = np.ascontiguousarray(images.pixels[start : start + most])
        drawn = unframed(detector.model).side_inputs(pixels) if side_inputs else {}
        yield {PIXELS: pixels, **{name: np.ascontiguousarray(drawn[name]) for name in side_inputs}}


def relative_difference(scores: FloatArray, expected: FloatArray) -> FloatArray:
    """(N,), the difference of each score from the expected one, divided by that; infinite where it is no number."""
    apart = np.abs(scores - expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(apart == 0, 0.0, apart / np.abs(expected))
    return np.where(np.isfinite(relative), relative, np.inf)


def _reading(trial: Trial) -> str:
    if trial.tiles and trial.resize == STRETCH:
        return f"{_UPRIGHT}, resize it to {trial.image_size}x{trial.image_size} {_FILTER}, and cut it as tiles says"
    return _READING[trial.resize]


def _description(detector: Detector, example: Arrays) -> dict[str, Any]:
    """The metadata that goes into the file."""
    saved = detector.saved
    whole = described(saved.trial)
    first: str | int = "N" if len(example[PIXELS]) > 1 else 1
    return {
        "format": FORMAT,
        "trial": saved.trial.written(),
        "id": saved.id,
        "fingerprint": saved.fingerprint,
        "image_size": saved.trial.tiles or saved.trial.image_size,
        "pool": detector.pool,
        "threshold": detector.threshold,
        "limit": detector.limit,
        "inputs": {name: {"dtype": str(a.dtype), "shape": [first, *a.shape[1:]]} for name, a in example.items()},
        "resizing": _reading(saved.trial),
        **whole,
        "precision": "float32",
        "plugins": dict(saved.plugins),
        "versions": {"fitted": dict(saved.versions), "packed": provenance.versions()},
    }
