"""A kept model as one graph for another runtime, compared with torch before anybody can use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.api import FloatArray, Images
from harness.deployment.conversion import TOLERANCE, engine_of, graph_inputs, relative_difference, write_graph
from harness.deployment.detector import Detector
from harness.deployment.engines import ANOMALOUS, PIXELS, SCORE, Engine, first_line
from harness.deployment.framing import WholeImages, is_framed
from harness.errors import PackingError, UsageError
from harness.files import adding_to
from harness.trials.framed import unframed
from harness.trials.saved_model import name_of


@dataclass(frozen=True)
class Agreement:
    """How far a packed model's scores are from torch's."""

    engine: str
    version: str
    images: int
    largest_difference: float
    """Relative to torch's score."""
    at: str
    """The image with that difference."""
    other_decisions: int
    """How many images are so close to the limit that the two decide differently on them."""
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Packed:
    """What was written."""

    file: Path
    with_it: tuple[Path, ...]
    """The files that were written beside it: the JSON that describes it, and weights in a file of their own."""
    side_inputs: tuple[str, ...]
    """Inputs that the graph has besides pixels."""
    agreement: Agreement


def pack(detector: Detector, images: Images, form: str, out: Path) -> Packed:
    """Write a graph to a file, or into a folder, once it scores these images as torch does.

    After an error nothing was written. Raises UsageError, UnavailableError, PackingError, ModelError, TrainingError.
    """
    engine = engine_of(form)
    file = _place(out, engine, detector)
    side_inputs = tuple(unframed(detector.model).side_inputs(images.pixels[:1]))
    expected = detector.decide_each(images).scores
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with adding_to(file.parent) as scratch:
            draft = scratch / file.name
            described, most = write_graph(detector, images, side_inputs, form, draft)
            agreement = compare(engine, draft, expected, images, detector, side_inputs, most)
            if json.loads(engine.metadata(draft)) != described:
                raise PackingError(f"{engine.title} does not find in {file.name} what was said of it there")
            parts = sorted(draft.parent.iterdir())
            digests = {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in parts}
            said = {**described, "verified": asdict(agreement), "sha256": digests}
            _description_of(draft).write_text(f"{json.dumps(said, indent=1)}\n", encoding="utf-8")
            written = [file.parent / part.name for part in (*parts, _description_of(draft))]
    except OSError as error:
        raise UsageError(f"--out {str(out)!r} cannot be written: {error.strerror or error}") from error
    with_it = tuple(part for part in written if part != file)
    return Packed(file, with_it, side_inputs, agreement)


def compare(
    engine: Engine,
    file: Path,
    expected: FloatArray,
    images: Images,
    detector: Detector,
    side_inputs: Sequence[str],
    most: int,
) -> Agreement:
    """How far a graph's scores are from torch's. Raises PackingError where that is more than the tolerance."""
    try:
        graph, trial = engine.open(file, None), detector.saved.trial
        if is_framed(trial):
            whole = WholeImages(trial, detector.scorer, detector.limit, most).of(graph)
            found = [whole({PIXELS: pixels[None]}) for pixels in images.contents()]
        else:
            found = [graph(batch) for batch in graph_inputs(detector, images, side_inputs, most)]
    except Exception as error:  # an engine may lack anything that torch has
        raise PackingError(f"{engine.title} cannot run it: {first_line(error)}") from error
    scores = np.concatenate([one[SCORE] for one in found]).astype(np.float64)
    anomalous = np.concatenate([one[ANOMALOUS] for one in found])
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


def _description_of(file: Path) -> Path:
    """The JSON that describes a file."""
    return file.with_name(f"{file.name}.json")


def _place(out: Path, engine: Engine, detector: Detector) -> Path:
    """The file to write: `out` itself, or a file in it if it is a folder. Raises UsageError for a wrong suffix."""
    if out.is_dir() or not out.suffix:
        return out / f"{name_of(detector.saved.trial, detector.saved.id)}{engine.suffix}"
    if out.suffix != engine.suffix:
        raise UsageError(f"--out is {str(out)!r}: expected a file that ends in {engine.suffix}, or a folder")
    return out
