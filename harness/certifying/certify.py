"""Makes the certificate of a kept model from photos that it never saw."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import FloatArray, Images, Part
from harness.api.corruptions import SEVERITIES
from harness.certifying.asked import FEWEST, Asked
from harness.certifying.breaking import what_breaks
from harness.certifying.certificate import Certificate, digest_of
from harness.certifying.cost import costs
from harness.certifying.guarantee import TODAY, UNSEEN, calibration_of, guarantee
from harness.certifying.photos import Photos, photos_of
from harness.certifying.scoring import scores_of
from harness.certifying.smallest import smallest_found, some_of_each
from harness.deployment.detector import Detector
from harness.deployment.latency import Place
from harness.deployment.loading import load
from harness.errors import DataError
from harness.plugin.registry import Registry
from harness.printable import counted
from harness.trials import hardware, provenance
from harness.trials.saved_model import DESCRIPTION


def certified(place: Place, asked: Asked, registry: Registry, say: Callable[[str], None]) -> Certificate:
    """The certificate of the model in this place; `say` is told how far it is. Raises HarnessError."""
    asked = asked.named(registry)
    defects, corruptions = asked.chosen(registry)
    detector = load(place.directory, registry, "cpu", place.weights_dir)
    calibration_of(detector)
    photos = photos_of(detector, registry, Path(asked.images))
    today = photos_of(detector, registry, Path(asked.today), "photos of today") if asked.today else None
    say(f"{counted(len(photos.unseen), 'normal photo')} that the model never saw, {len(photos.bad)} bad ones")
    scores = _scores(detector, photos, today)
    normal = _drawn(photos.unseen, np.ones(len(photos.unseen), bool), asked)
    passing = _drawn(photos.unseen, scores[UNSEEN] <= detector.limit, asked)
    if len(passing) < FEWEST:
        raise DataError(
            f"{len(passing)} of {len(photos.unseen)} normal photos that the model never saw are called normal: defects "
            f"are painted on such, and at least {FEWEST} are needed; the limit is of no use for these photos"
        )
    bad = photos.bad.take(np.sort(np.random.default_rng(asked.seed).permutation(len(photos.bad))[: asked.most])).pixels
    if not len(photos.bad):
        bad = np.stack(list(some_of_each(defects, passing, asked.seed)))
    ladder = smallest_found(detector, passing, defects, asked.sizes, asked.contrasts, asked.seed, say)
    broken = what_breaks(detector, np.asarray(normal.pixels), np.asarray(bad), corruptions, asked.seed, say)
    found = {
        "model": _described(detector),
        "photos": {**_counts(photos, today), "painted": len(passing)},
        "smallest": ladder,
        "breaks": {
            "normal": len(normal),
            "bad": len(bad),
            "bad_are": "real" if len(photos.bad) else "painted",
            "severities": SEVERITIES,
            "corruptions": broken,
        },
        "guarantee": guarantee(detector, scores, asked.seed),
    }
    measured = {
        "cost": costs(place, asked.engines, asked.repetitions, say),
        "machine": hardware.machine("cpu"),
        "versions": provenance.versions(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    code = _code(detector, registry, [*defects, *corruptions])
    return Certificate(asked, _hashes(place.directory, detector, photos, today, code), found, measured)


def _counts(photos: Photos, today: Photos | None) -> dict[str, Any]:
    return {
        "unseen": len(photos.unseen),
        "left_out": photos.left_out,
        "told_by": photos.told_by,
        "bad": len(photos.bad),
        "today": len(today.unseen) if today else 0,
        **({"bad_left_out": photos.bad_left_out} if photos.bad_left_out else {}),
    }


def _scores(detector: Detector, photos: Photos, today: Photos | None) -> dict[str, FloatArray]:
    given: dict[str, Images] = {UNSEEN: photos.unseen, "bad": photos.bad}
    given |= {TODAY: today.unseen} if today else {}
    return {name: scores_of(detector, images.pixels) for name, images in given.items()}


def _drawn(images: Images, among: np.ndarray[Any, np.dtype[np.bool_]], asked: Asked) -> Images:
    """At most `asked.most` of these images, drawn by the seed and left in their order."""
    places = np.flatnonzero(among)
    chosen = np.random.default_rng(asked.seed).permutation(len(places))[: asked.most]
    return images.take(places[np.sort(chosen)])


def _described(detector: Detector) -> dict[str, Any]:
    saved, chosen = detector.saved, detector.saved.chosen
    return {
        "id": saved.id,
        "parts": [saved.trial.model, saved.trial.encoder, saved.trial.loss],
        "weights": saved.trial.weights,
        "category": saved.trial.category,
        "image_size": saved.trial.image_size,
        "pool": detector.pool,
        "remarks": list(detector.remarks),
        **({"chosen": {"among": chosen.among, "painted": chosen.painted}} if chosen else {}),
    }


def _hashes(
    directory: Path, detector: Detector, photos: Photos, today: Photos | None, code: Mapping[str, str]
) -> Mapping[str, Any]:
    return {
        "images": photos.sha256,
        "today": today.sha256 if today else "",
        "model": hashlib.sha256((directory / DESCRIPTION).read_bytes()).hexdigest(),
        "weights": detector.saved.weights_hash,
        "code": digest_of(code),
        "machine": digest_of(hardware.machine("cpu")),
    }


def _code(detector: Detector, registry: Registry, parts: Sequence[Part]) -> dict[str, str]:
    """Digests of the source code of the harness and of each plugin that the certificate depends on."""
    used = [*parts, *detector.pools.values()]
    packages = {type(part).__module__.partition(".")[0] for part in used}
    return {
        **provenance.makers(detector.saved.trial, registry).code,
        **{name: provenance.code_of(name) for name in sorted(packages)},
    }
