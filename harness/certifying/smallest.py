"""The smallest defects that a detector finds: painted ones of every kind, up a ladder of sizes and contrasts."""

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
    """One count for each size."""
    of: int
    """Photos that were painted on, each once at each size."""
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
    """Every kind at every contrast, painted onto photos that the detector calls normal, so that only the defect counts.

    On a photo, a defect of a kind has the same place and form at every size and contrast, as far as its plugin keeps
    to the seed. Raises TrainingError, ModelError.
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
    """Photos with one painted defect each, of every kind in turn, of the size and contrast that its plugin suggests."""
    for at, pixels in enumerate(photos.pixels):
        defect = defects[at % len(defects)]
        yield painted(defect, pixels, foreground(pixels), chance(seed, defect.name, at))


def painted(
    defect: Defect, pixels: NDArray[np.uint8], part: BoolArray, random: np.random.Generator
) -> NDArray[np.uint8]:
    """A photo with the defect. Raises TrainingError, for a plugin's defect may raise or give anything."""
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
    """The same defect of this size and contrast. Raises TrainingError where its plugin does not have these options."""
    try:
        return cast("Defect", replace(cast("Any", defect), size=size, contrast=contrast))
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"defect {defect.name!r} takes no size {size:g} and contrast {contrast:g}: {error_text(error)}"
        ) from error
