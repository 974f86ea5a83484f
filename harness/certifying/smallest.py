"""The smallest defects that a detector finds, by painting defects of every kind in rising sizes and contrasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, Defect, Images
from harness.certifying.scoring import alarms_of
from harness.deployment.detector import Detector
from harness.errors import TrainingError, error_text, where_raised
from harness.images.foreground import foreground
from harness.metrics.detection_by_size import SizeFound, size_found
from harness.trials.corrupting import chance


@dataclass(frozen=True)
class Rungs:
    """How often defects of one kind and contrast are found, by their size."""

    defect: str
    contrast: float
    found: tuple[int, ...]
    """How many photos it was found on, for each size."""
    of: int
    """How many photos were painted on, each of them once at each size."""
    curve: SizeFound


def smallest_found(
    detector: Detector,
    photos: Images,
    defects: Sequence[Defect],
    sizes: Sequence[float],
    contrasts: Sequence[float],
    seed: int,
    say: Callable[[str], None],
) -> list[Rungs]:
    """Paint every kind of defect, at every size and contrast, onto photos that the detector calls normal.

    So only the defect can raise an alarm. On one photo a kind keeps its place and form at all sizes and contrasts, if
    its plugin draws from the generator that it is given. Raises TrainingError, ModelError.
    """
    parts = [foreground(pixels) for pixels in photos.pixels]
    rungs = []
    for at, defect in enumerate(defects, 1):
        say(f"smallest defect found: {defect.name} ({at} of {len(defects)})")
        for contrast in contrasts:
            ladder = [_at(defect, size, contrast) for size in sizes]
            found = alarms_of(detector, _painted(ladder, photos.pixels, parts, seed))
            table = found.reshape(len(sizes), len(photos)).T
            curve = size_found(np.array(sizes), table, seed)
            counts = tuple(int(one) for one in table.sum(axis=0))
            rungs.append(Rungs(defect.name, contrast, counts, len(photos), curve))
    return rungs


def some_of_each(defects: Sequence[Defect], photos: Images, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Photos with one painted defect each. Kinds take turns, in the size and contrast that their plugin suggests."""
    for at, pixels in enumerate(photos.pixels):
        defect = defects[at % len(defects)]
        yield painted(defect, pixels, foreground(pixels), chance(seed, defect.name, at))


def painted(
    defect: Defect, pixels: NDArray[np.uint8], part: BoolArray, random: np.random.Generator
) -> NDArray[np.uint8]:
    """The photo with the defect. Raises TrainingError, whatever the plugin does wrong."""
    try:
        found, _ = defect.paint(np.asarray(pixels), part, random)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise TrainingError(f"defect {defect.name!r} cannot be painted: {where_raised(error)}") from error
    if not isinstance(found, np.ndarray) or found.shape != pixels.shape or found.dtype != np.uint8:
        raise TrainingError(f"defect {defect.name!r} gave {found!r:.60}: expected a photo of {pixels.shape}, uint8")
    return found


def _painted(
    ladder: Sequence[Defect], pixels: NDArray[np.uint8], parts: Sequence[BoolArray], seed: int
) -> Iterator[NDArray[np.uint8]]:
    for defect in ladder:
        for at, (one, part) in enumerate(zip(pixels, parts, strict=True)):
            yield painted(defect, one, part, chance(seed, defect.name, at))


def _at(defect: Defect, size: float, contrast: float) -> Defect:
    """The same defect in this size and contrast. Raises TrainingError if its plugin has no such options."""
    try:
        return cast("Defect", replace(cast("Any", defect), size=size, contrast=contrast))
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"defect {defect.name!r} takes no size {size:g} and contrast {contrast:g}: {error_text(error)}"
        ) from error
