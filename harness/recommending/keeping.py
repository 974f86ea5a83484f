"""Keeps the recommended detector as a model with the recommended limit, and measures what it costs to use."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.deployment.loading import load
from harness.errors import ModelError
from harness.files import replacing
from harness.plugin.registry import Registry
from harness.recommending.photos import Photos
from harness.recommending.trying import fitted, of_model
from harness.trials.chosen import Chosen
from harness.trials.models_folder import models_of
from harness.trials.saved_model import describe, read
from harness.trials.settings import Settings

NAME = "recommended"
"""The name of the kept model in the folder of models."""
_TIMED = 8
"""How many photos it is timed on, one at a time."""


@dataclass(frozen=True)
class Kept:
    """A kept model, and what it costs."""

    folder: Path
    limit: float
    milliseconds: float
    """The median time for one photo on this machine, without reading the file."""
    megabytes: float
    """On the disk."""


def keep(settings: Settings, photos: Photos, limit: float, chosen: Chosen, registry: Registry) -> Kept:
    """Fit the detector to all good photos as `harness run --keep-models` does, and name the kept model `recommended`.

    The model remembers how it was chosen, which its certificate needs to know. Raises ModelError if its limit is not
    the recommended one, and HarnessError if it cannot be kept.
    """
    finished = fitted(settings)
    outcome = of_model(finished, str(settings.models[0]))
    found = finished.keep.of(outcome.id) if finished.keep else None
    if found is None:
        raise ModelError(outcome.unkept or f"the model could not be kept: {outcome.reason or 'nothing was written'}")
    saved = read(found)
    if not np.isclose(saved.limit, limit, rtol=1e-5, atol=0):
        raise ModelError(f"the kept model's limit is {saved.limit:.6g}, and {limit:.6g} was recommended: run it again")
    target = found.with_name(NAME)
    with replacing(target) as draft:
        shutil.copytree(found, draft)
        describe(replace(saved, chosen=chosen), draft)
    shutil.rmtree(found)
    size = sum(file.stat().st_size for file in target.iterdir())
    return Kept(models_of(settings.store) / NAME, saved.limit, _milliseconds(target, photos, registry), size / 1e6)


def _milliseconds(folder: Path, photos: Photos, registry: Registry) -> float:
    detector = load(folder, registry)
    some = [np.array(photos.split.train.pixels[at : at + 1]) for at in range(min(_TIMED, len(photos.split.train)))]
    detector.decide_at_once(some[0])  # the first call takes longest
    taken = []
    for one in some:
        started = time.perf_counter()
        detector.decide_at_once(one)
        taken.append(time.perf_counter() - started)
    return 1000 * float(np.median(taken))
