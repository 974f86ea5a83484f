"""The photos that a certificate is made from: those in a folder that the model never saw."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.api import Dataset, Images
from harness.certifying.asked import FEWEST
from harness.deployment.detector import Detector
from harness.errors import DataError, ModelError
from harness.images.decoding import path_text
from harness.images.framing import STRETCH
from harness.plugin.registry import Registry
from harness.trials.datasets import load, photos_of_one_part
from harness.trials.saved_model import digest_of_pixels


@dataclass(frozen=True)
class Photos:
    """The photos of one folder, as the model sees them."""

    unseen: Images
    """Normal photos that the model was neither fitted nor calibrated on."""
    bad: Images
    """Photos that the folder calls bad and that did not help to choose the detector; there may be none."""
    left_out: int
    """How many normal photos were left out because the model knows them."""
    bad_left_out: int
    """How many bad photos were left out because they helped to choose the detector, which flatters it on them."""
    told_by: str
    """How they were recognised: by `pixels`, or for older models by `fingerprint` or by `nothing`."""
    sha256: str
    """SHA-256 of all pixels and kinds that were read, as 64 hexadecimal digits."""


def photos_of(detector: Detector, registry: Registry, place: Path, what: str = "normal photos") -> Photos:
    """The photos of a folder or table, without normal ones that the model knows.

    Raises UsageError, DataError, and ModelError for a model that reads files in its own way.
    """
    dataset, _, category = photos_of_one_part(registry, place, "a model")
    saved = detector.saved
    if saved.trial.resize != STRETCH:
        raise ModelError(
            f"this model takes photos with --resize {saved.trial.resize}, and certificates are made of photos of one "
            "square size: fit it with --resize stretch, with --tiles if need be"
        )
    split = load(dataset, category, saved.trial.image_size)
    _refuse_other_reading(detector, split.depth, split.modes, place)
    parts = [split.train, split.test, *([split.calibration] if split.calibration is not None else [])]
    digests = [[digest_of_pixels(pixels) for pixels in part.pixels] for part in parts]
    chosen_by = set(saved.chosen.bad) if saved.chosen else set()
    if saved.known:
        told_by, known = "pixels", [np.array([one in saved.known for one in some], bool) for some in digests]
    elif split.fingerprint == saved.fingerprint:
        told_by, known = "fingerprint", [np.full(len(part), part is not split.test) for part in parts]
    else:
        told_by, known = "nothing", [np.zeros(len(part), bool) for part in parts]
    normal = [part.take(np.flatnonzero(~part.labels & ~seen)) for part, seen in zip(parts, known, strict=True)]
    unseen = _joined(normal)
    left_out = sum(int((~part.labels & seen).sum()) for part, seen in zip(parts, known, strict=True))
    if len(unseen) < FEWEST:
        raise DataError(_too_few(place, what, len(unseen), left_out))
    every = [
        (d, kind) for some, part in zip(digests, parts, strict=True) for d, kind in zip(some, part.defects, strict=True)
    ]
    sha256 = hashlib.sha256(repr(sorted(every)).encode()).hexdigest()
    bad = split.test.take(np.flatnonzero(split.test.labels))
    chose = np.array([digest_of_pixels(pixels) in chosen_by for pixels in bad.pixels], bool)
    return Photos(unseen, bad.take(np.flatnonzero(~chose)), left_out, int(chose.sum()), told_by, sha256)


def _too_few(place: Path, what: str, unseen: int, known: int) -> str:
    if not unseen and known:
        return (
            f"all {known} {what} in {path_text(place)} were used to fit the model or to set its limit, so they cannot "
            f"say how far it can be trusted: give at least {FEWEST} that it never saw"
        )
    also = f" that the model never saw ({known} it knows)" if known else ""
    lacking = f"a certificate takes at least {FEWEST}, so add {FEWEST - unseen}"
    return f"{path_text(place)} holds {unseen} {what}{also}: {lacking}"


def _joined(parts: list[Images]) -> Images:
    """The images of all parts, without masks. Names are numbered if two are equal."""
    some = [part for part in parts if len(part)] or parts[:1]
    names = [name for part in some for name in part.paths]
    if len(set(names)) < len(names):
        names = [f"{at}:{name}" for at, name in enumerate(names)]
    return Images(np.concatenate([np.asarray(part.pixels) for part in some]), tuple(names))


def _refuse_other_reading(detector: Detector, depth: int, modes: tuple[str, ...], place: Path) -> None:
    """Raise ModelError or DataError if the model would read these files differently from how they are read here."""
    name = detector.dataset.name
    if type(detector.dataset).read is not Dataset.read:
        raise ModelError(
            f"data set {name!r} reads files in a way of its own, which folders of photos are not read by: no "
            "certificate can be made of this model"
        )
    if any(mode.startswith("I") for mode in modes) and depth != detector.saved.depth:
        raise DataError(
            f"grey photos in {path_text(place)} use {depth} bits, and the model was fitted to {detector.saved.depth}: "
            "expected photos of the same camera setting"
        )
