"""One model for several categories: which trials share a fit, what it learns, and how its scores are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.api import Images, Split
from harness.plugin.grammar import split_names, unquoted
from harness.trials.scoring import Calibration
from harness.trials.subsets import stacked
from harness.trials.trial import Trial

ONE_CLASS, JOINT, JOINT_ONE_LIMIT = "one-class", "joint", "joint-one-limit"
SETTINGS = (ONE_CLASS, JOINT, JOINT_ONE_LIMIT)
"""A model for each category; one model with a limit for each category; one model with one limit for all."""


def names_of(trial: Trial) -> list[str]:
    """The categories that a trial's model is fitted to."""
    return [unquoted(name) for name in split_names(trial.together)] if trial.together else [trial.category]


def of_one_fit(trial: Trial) -> list[Trial]:
    """All trials of the same fit, this one first: each category, by a limit of its own and by one limit for all."""
    if not trial.together:
        return [trial]
    every = [trial._replace(category=name, setting=one) for one in SETTINGS[1:] for name in names_of(trial)]
    return [trial, *(one for one in every if one != trial)]


def fit_of(trial: Trial) -> str:
    """A key that trials of the same fit have in common."""
    return trial._replace(category="", setting="").key


def fingerprint_of(category: str, splits: Mapping[str, Split]) -> str:
    """16 hexadecimal digits that stand for a category's images and for all others that its model is fitted to."""
    told = repr((category, sorted((name, split.fingerprint) for name, split in splits.items())))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def joined(parts: Mapping[str, Images]) -> Images:
    """The images of all categories, in arrays as large as the largest of them; those of one category as they are."""
    if len(parts) == 1:
        (only,) = parts.values()
        return only
    names = tuple(f"{category}/{name}" for category, images in parts.items() for name in images.paths)
    shapes = {images.pixels.shape[1:3] for images in parts.values()}
    height, width = (max(sides) for sides in zip(*shapes, strict=True))
    rows = (_within(pixels, height, width) for images in parts.values() for pixels in images.pixels)
    pixels = stacked(rows, (len(names), height, width, 3))
    if len(shapes) == 1 and all(images.boxes is None for images in parts.values()):
        return Images(pixels, names)
    boxes = [
        np.tile([0, 0, *images.pixels.shape[1:3]], (len(images), 1)) if images.boxes is None else images.boxes
        for images in parts.values()
    ]
    return Images(pixels, names, boxes=np.concatenate(boxes).astype(np.intp))


def _within(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """An image (h, w, 3) with zeros below it and to its right."""
    return np.pad(pixels, ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)))


def parted(scores: Calibration, counts: Mapping[str, int]) -> dict[str, Calibration]:
    """Joint scores split by category. `counts` says how many scores each category has, in their order."""
    ends = np.cumsum(list(counts.values())).tolist()
    spans = {name: slice(end - counts[name], end) for name, end in zip(counts, ends, strict=True)}
    return {
        name: Calibration({pool: values[span] for pool, values in scores.scores.items()}, scores.faults)
        for name, span in spans.items()
    }


def merged(parts: Sequence[Calibration]) -> Calibration:
    """The scores of all categories in one, without pools that failed for any of them."""
    faults = {pool: why for part in parts for pool, why in part.faults.items()}
    pools = [pool for pool in parts[0].scores if pool not in faults]
    return Calibration({pool: np.concatenate([part.scores[pool] for part in parts]) for pool in pools}, faults)
