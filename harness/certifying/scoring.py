"""Scores photos that are made one by one, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, FloatArray
from harness.deployment.detector import Detector

BATCH = 64


def scores_of(detector: Detector, photos: Iterable[NDArray[np.uint8]]) -> FloatArray:
    """The scores (N,) of photos (H, W, 3); memory holds one batch of them. Raises TrainingError, ModelError."""
    coming, found = iter(photos), []
    while some := list(islice(coming, BATCH)):
        found.append(detector.decide(np.stack(some)).scores)
    return np.concatenate(found) if found else np.empty(0)


def alarms_of(detector: Detector, photos: Iterable[NDArray[np.uint8]]) -> BoolArray:
    """(N,), True where a photo is called anomalous. Raises TrainingError, ModelError."""
    return np.asarray(scores_of(detector, photos) > detector.limit)
