"""A model as a directory: `model.json` says what it is and how it decides, `weights.safetensors` what it has learned.

Neither holds anything that is executed, nor a name of a file. What is missing, cut, altered or unknown is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray, Threshold
from harness.errors import ModelError, TooFewError, error_line
from harness.files import replacing
from harness.images.decoding import most_pixels
from harness.images.framing import content_size
from harness.metrics.limits import limit_of
from harness.plugin.spec import spell
from harness.trials import typed
from harness.trials.chosen import Chosen
from harness.trials.holdout import unfitted
from harness.trials.models_folder import is_inside
from harness.trials.trial import Trial

FORMAT = 1
"""The version of the directory's format; another one is refused."""
DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
_LARGEST = 64 << 20
"""Bytes of a description; one of a million calibration scores has less."""

State = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ModelFolder:
    """Where models are kept, and how they decide; plain values, so that they can be sent to another process."""

    folder: Path
    threshold: str = "mean"
    """Its spelling; it sees normal images only."""
    pool: str | None = None
    """None takes the default pool of the model."""

    def of(self, trial_id: str) -> Path | None:
        """The directory of a trial's model, if it is there with a sound description and, unread, its weights."""
        found = find(self.folder, trial_id)
        with suppress(ModelError):
            if found and (found / WEIGHTS).is_file() and read(found).id == trial_id:
                return found
        return None


@dataclass(frozen=True)
class SavedModel:
    """What `model.json` says."""

    trial: Trial
    """The parts as they are spelt, the data set's included, and every setting of the fit."""
    fingerprint: str
    """The fingerprint of the data that it was fitted and calibrated on."""
    pool: str
    """One of `calibration`."""
    threshold: str
    limit: float
    """An image that scores above it is called anomalous."""
    calibration: Mapping[str, FloatArray]
    """Pool to the scores (M,) of normal images, from which any threshold can be set without the data."""
    sizes: tuple[str, ...] = ()
    """The sizes of the files that it was fitted on, as `900x900`; empty if unknown. The same holds for `modes`."""
    modes: tuple[str, ...] = ()
    threads: int | None = None
    """The number of threads of its fit; with the same number, scores are equal to the last bit."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Kind of part to the distribution and version that it came from."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """The versions of packages at the fit."""
    depth: int = 16
    """Bits in use in 16-bit grey images, as for the fit: new ones are read in the same range."""
    calibrated_on: str = ""
    """Where the calibration images come from, as in Record; empty in models of before."""
    known: frozenset[str] = frozenset()
    """`digest_of_pixels` of the images that it was fitted on or that set its limit; empty in models of before."""
    weights_hash: str = ""
    """SHA-256 of `weights.safetensors`."""
    statistics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Simple statistic of an image to its mean and deviation over the normal images; empty in models of before."""
    chosen: Chosen | None = None
    """How it was chosen among detectors; None where it was not, or nothing is known of it."""

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width that most images are read in."""
        said = re.fullmatch(r"(\d{1,6})x(\d{1,6})", self.sizes[0]) if self.sizes else None
        width, height = (max(1, int(side)) for side in said.groups()) if said else (1, 1)
        return content_size(width, height, self.trial.image_size, self.trial.resize)

    @property
    def doubt(self) -> str:
        """Why its limit is of little use; empty if there is no such reason."""
        if not len(self.calibration[self.pool]):
            return (
                "its calibration scores are gone: the limit stays as it was kept, and there are no p-values, no other "
                "thresholds, and no search for drift; keep the model again for these"
            )
        if self.trial.holdout or self.trial.calibrate or self.calibration[self.pool].any():
            return ""
        return (
            f"{self.trial.model} knows the images that its limit was set on: all score 0, so that any other is "
            "anomalous: fit it with --calibrate crossfit"
        )

    @property
    def unfitted(self) -> bool:
        """Whether the calibration images were not fitted, so that limits and p-values hold for new images."""
        return unfitted(self.calibrated_on, self.trial.holdout)

    @property
    def id(self) -> str:
        """The id of the trial on its data."""
        return self.trial.identity(self.fingerprint)


def digest_of_pixels(pixels: NDArray[np.uint8]) -> str:
    """16 hexadecimal digits of an image (H, W, 3) as a model sees it, by which it is known again."""
    content = np.ascontiguousarray(pixels)
    return hashlib.blake2b(content.data, digest_size=8, person=str(content.shape).encode()[:16]).hexdigest()


def limit_by(threshold: Threshold, normal: FloatArray) -> float:
    """The limit that a threshold sets on calibration scores (M,). Raises ModelError."""
    try:
        return limit_of(threshold, normal)
    except KeyboardInterrupt:
        raise
    except TooFewError as error:
        raise ModelError(str(error)) from error
    except BaseException as error:  # a plugin's threshold may raise anything
        raise ModelError(f"threshold {spell(threshold)} gives no limit: {error_line(error)}") from error


def name_of(trial: Trial, trial_id: str) -> str:
    """The directory of a trial's model, as `bottle-dae-conv-mse-seed0-0123456789abcdef`."""
    parts = (trial.category, trial.model, trial.encoder, trial.loss, f"seed{trial.seed}")
    readable = "-".join(re.sub(r"[^\w.=]+", "_", part).strip("_.") for part in parts if part != "-")
    return f"{readable[:100]}-{trial_id}"


def find(folder: Path, trial_id: str) -> Path | None:
    """The directory in a folder of models that is this trial's; None where there is none."""
    if not re.fullmatch(r"[0-9a-f]{16}", trial_id):
        return None
    with suppress(OSError):
        named = (child for child in folder.glob(f"[!.]*-{trial_id}") if is_inside(child, folder))
        return min((child for child in named if child.is_dir()), default=None)
    return None


def write(saved: SavedModel, state: State, folder: Path) -> Path:
    """Keep a model in a folder of models, whole or not at all; the directory. Raises ModelError."""
    from safetensors.numpy import save

    target = folder / name_of(saved.trial, saved.id)
    try:
        # Safetensors garbles arrays in any other order.
        weights = save({name: np.asarray(array, order="C") for name, array in state.items()}, {"trial": saved.id})
        said = replace(saved, weights_hash=hashlib.sha256(weights).hexdigest())
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as draft:  # there may be a damaged one, or one that another run has written meanwhile
            draft.mkdir()
            (draft / WEIGHTS).write_bytes(weights)
            describe(said, draft)
    except OSError as error:
        raise ModelError(f"model {str(target)!r} cannot be kept: {error.strerror or error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's state may hold what safetensors does not know
        raise ModelError(f"model {target.name!r} cannot be kept: {error_line(error)}") from error
    return target


def describe(saved: SavedModel, directory: Path) -> None:
    """Write anew what the model in this directory is; what it has learned stays as it is."""
    described = json.dumps(_described(saved), indent=1, allow_nan=False)
    (directory / DESCRIPTION).write_text(f"{described}\n", encoding="utf-8")


def read(directory: Path) -> SavedModel:
    """What a model's description says, checked against its own digest. Raises ModelError."""
    file = directory / DESCRIPTION
    expected = "expected a directory that `harness run --keep-models` wrote"
    if not directory.is_dir():
        raise ModelError(f"no model at {str(directory)!r}: {expected}")
    text = _bytes(file, _LARGEST, expected)
    try:
        found = json.loads(text, parse_constant=_refuse)
        if not isinstance(found, dict):
            raise ValueError(f"it is a {type(found).__name__}")
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{str(file)!r} is damaged: {error}; {expected}") from error
    if found.get("format") != FORMAT:
        raise ModelError(
            f"{str(file)!r} has format {found.get('format')!r:.40}, this harness reads format {FORMAT}: "
            "use the harness that wrote it, or keep the model again"
        )
    if found.pop("digest", None) != _digest(found):
        raise ModelError(f"{str(file)!r} was altered after it was written: its digest is another; keep the model again")
    try:
        return _saved(found)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{str(file)!r} describes no model: {reason}") from error


def read_weights(directory: Path, saved: SavedModel) -> State:
    """What the model has learned, if it is what was written. Raises ModelError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = directory / WEIGHTS
    data = _bytes(file, None, f"expected it beside {DESCRIPTION}")
    if (digest := hashlib.sha256(data).hexdigest()) != saved.weights_hash:
        raise ModelError(
            f"{str(file)!r} is not what was written ({len(data)} bytes of SHA-256 {digest[:16]}..., "
            f"expected {saved.weights_hash[:16]}...): copy it again, or keep the model again"
        )
    try:
        return cast("State", load(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{str(file)!r} is not safetensors: {error}") from error


def _described(saved: SavedModel) -> dict[str, Any]:
    said = {
        "format": FORMAT,
        "id": saved.id,
        "trial": saved.trial.written(),
        "fingerprint": saved.fingerprint,
        "pool": saved.pool,
        "threshold": saved.threshold,
        "limit": saved.limit,
        "calibration": {pool: np.asarray(scores).tolist() for pool, scores in saved.calibration.items()},
        "sizes": list(saved.sizes),
        "modes": list(saved.modes),
        "threads": saved.threads,
        "plugins": dict(saved.plugins),
        "versions": dict(saved.versions),
        "weights_sha256": saved.weights_hash,
    }
    if saved.calibrated_on:
        said["calibrated_on"] = saved.calibrated_on
    if saved.depth != SavedModel.depth:
        said["depth"] = saved.depth
    if saved.known:
        said["known"] = sorted(saved.known)
    if saved.statistics:
        said["statistics"] = {name: list(pair) for name, pair in saved.statistics.items()}
    if saved.chosen:
        said["chosen"] = typed.written(saved.chosen)
    return {**said, "digest": _digest(said)}


def _digest(said: Mapping[str, Any]) -> str:
    """SHA-256 of everything else that is said, however it is laid out."""
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


_SPELT = ("dataset", "category", "model", "encoder", "loss")
_MOST_NAME = 4_000
"""Characters of a name or a part's spelling, which errors quote."""


def _saved(found: Mapping[str, Any]) -> SavedModel:
    """Raises KeyError, TypeError, ValueError, OverflowError for what no `_described` has written."""
    trial = Trial.read(typed.read(found["trial"], Mapping[str, Any], "trial"))
    most = math.isqrt(most_pixels()[0])  # as of a photo, so that none is made larger than any that is read
    if not 1 <= trial.image_size <= most:
        raise ValueError(f"image_size is {trial.image_size}, expected 1 to {most}")
    long = next((name for name in _SPELT if len(getattr(trial, name)) > _MOST_NAME), None)
    if long is not None:
        raise ValueError(f"{long} has {len(getattr(trial, long)):,} characters, expected at most {_MOST_NAME:,}")
    scores = typed.read(found["calibration"], Mapping[str, tuple[float, ...]], "calibration")
    calibration = {
        pool: np.array([float(score) for score in given], dtype=np.float64) for pool, given in scores.items()
    }
    saved = SavedModel(
        trial=trial,
        fingerprint=typed.read(found["fingerprint"], str, "fingerprint"),
        pool=typed.read(found["pool"], str, "pool"),
        threshold=typed.read(found["threshold"], str, "threshold"),
        limit=float(typed.read(found["limit"], float, "limit")),
        calibration=calibration,
        sizes=typed.read(found["sizes"], tuple[str, ...], "sizes"),
        modes=typed.read(found["modes"], tuple[str, ...], "modes"),
        threads=typed.read(found["threads"], int | None, "threads"),
        plugins=typed.read(found["plugins"], Mapping[str, str], "plugins"),
        versions=typed.read(found["versions"], Mapping[str, str], "versions"),
        depth=typed.read(found.get("depth", SavedModel.depth), int, "depth"),
        calibrated_on=typed.read(found.get("calibrated_on", ""), str, "calibrated_on"),
        known=frozenset(typed.read(found.get("known", []), tuple[str, ...], "known")),
        weights_hash=typed.read(found["weights_sha256"], str, "weights_sha256"),
        statistics=typed.read(found.get("statistics", {}), Mapping[str, tuple[float, ...]], "statistics"),
        chosen=typed.read(found.get("chosen"), Chosen | None, "chosen"),
    )
    if any(len(pair) != 2 for pair in saved.statistics.values()):
        raise ValueError("a statistic is expected to have a mean and a deviation")
    if saved.pool not in calibration:
        raise ValueError(f"pool is {saved.pool!r:.60}, but it has scores of {', '.join(calibration)[:200] or 'none'}")
    if not math.isfinite(saved.limit) or not all(np.isfinite(scores).all() for scores in calibration.values()):
        raise ValueError("its limit or a score is not finite")
    if not 8 <= saved.depth <= 16:
        raise ValueError(f"depth is {saved.depth}, expected 8 to 16 bits")
    if found["id"] != saved.id:
        raise ValueError(f"id is {found['id']!r:.40}, its trial and data give {saved.id!r}")
    return saved


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no finite number")


def _bytes(file: Path, most: int | None, expected: str) -> bytes:
    try:
        if not file.is_file() and file.exists():  # reading a pipe would wait for ever
            raise ModelError(f"{str(file)!r} is no file: {expected}")
        if not file.resolve().is_relative_to(file.parent.resolve()):
            raise ModelError(f"{str(file)!r} leads out of its directory, to {str(file.resolve())!r}: {expected}")
        with file.open("rb") as opened:
            data = opened.read(-1 if most is None else most + 1)
    except FileNotFoundError:
        raise ModelError(f"{str(file)!r} is missing: {expected}") from None
    except OSError as error:
        raise ModelError(f"{str(file)!r} cannot be read: {error.strerror}") from error
    if most is not None and len(data) > most:
        raise ModelError(f"{str(file)!r} has more than {most >> 20} MiB: {expected}")
    return data
