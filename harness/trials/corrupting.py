"""Test images as another light or camera would show them, scored by a model that was fitted to unchanged images."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.api import Corruption, FloatArray, Images
from harness.api.corruptions import SEVERITIES
from harness.errors import TrainingError, UsageError, error_text, where_raised
from harness.plugin.registry import Registry
from harness.plugin.spec import spell

Corrupted = Mapping[str, Mapping[str, FloatArray]]
"""By corruption (named by `kept_as`) and pool, the scores (S, N) of N test images at each of S severities."""
Scorer = Callable[[Images], Mapping[str, FloatArray]]
"""Images to their scores (N,) by pool."""
_SEED = 0
"""One seed for all, so that every trial is shown the same changed images."""


def kept_as(corruption: Corruption) -> str:
    """The name that its scores are stored under: its spelling, and its version if that is above 1."""
    version = f" {corruption.version}" if corruption.version > 1 else ""
    return f"{spell(corruption)}{version}"


def refuse_severity(corruptions: Sequence[Corruption]) -> None:
    """Raise UsageError if a corruption was given a severity, since all five are tried."""
    for corruption in corruptions:
        usual = type(corruption)().severity
        if corruption.severity != usual:
            raise UsageError(
                f"corruption {spell(corruption)!r} has a severity, and all of {SEVERITIES[0]} to {SEVERITIES[-1]} are "
                f"tried: leave it out, as in {corruption.name!r}"
            )
        try:
            steps_of(corruption)
        except TrainingError as error:
            raise UsageError(error_text(error)) from error


def corrupted_scores(
    registry: Registry, spelt: Sequence[str], images: Images, scorer: Scorer
) -> tuple[dict[str, dict[str, FloatArray]], dict[str, str]]:
    """The scores of test images under each corruption, and why some have none. A fault does not end the trial."""
    found: dict[str, dict[str, FloatArray]] = {}
    faults: dict[str, str] = {}
    for text in spelt:
        corruption = registry.make(Corruption, text)
        try:
            steps = [scorer(_changed(step, images)) for step in steps_of(corruption)]
        except TrainingError as error:
            faults[kept_as(corruption)] = str(error)
            continue
        found[kept_as(corruption)] = {pool: np.stack([step[pool] for step in steps]) for pool in steps[0]}
    return found, faults


def _changed(corruption: Corruption, images: Images) -> Images:
    """The changed images. Their masks are dropped, because a corruption may move the defects."""
    pixels = np.empty_like(np.asarray(images.pixels))
    for at, one in enumerate(applied(corruption, images.pixels, _SEED)):
        pixels[at] = one
    return replace(images, pixels=pixels, masks=None)


def chance(seed: int, name: str, at: int) -> np.random.Generator:
    """Random numbers for one part and the photo at place `at`; other parts and photos do not change them."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), at])


def applied(corruption: Corruption, photos: NDArray[np.uint8], seed: int) -> Iterator[NDArray[np.uint8]]:
    """The N photos (H, W, 3), each changed. Raises TrainingError, whatever a plugin does wrong."""
    for at, pixels in enumerate(photos):
        try:
            found = corruption.apply(np.asarray(pixels), chance(seed, corruption.name, at))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise TrainingError(f"corruption {corruption.name!r} cannot be applied: {where_raised(error)}") from error
        if not isinstance(found, np.ndarray) or found.shape != pixels.shape or found.dtype != np.uint8:
            raise TrainingError(
                f"corruption {corruption.name!r} gave {found!r:.60}: expected a photo of {pixels.shape}, uint8"
            )
        yield found


def amount_of(corruption: Corruption) -> str:
    """How strong it is, in words for people. Raises TrainingError."""
    try:
        return str(corruption.amount)
    except Exception as error:
        raise TrainingError(f"corruption {corruption.name!r} cannot say its amount: {where_raised(error)}") from error


def steps_of(corruption: Corruption) -> list[Corruption]:
    """The same corruption at each severity. Raises TrainingError if its plugin has no such option."""
    return [_at(corruption, severity) for severity in SEVERITIES]


def _at(corruption: Corruption, severity: int) -> Corruption:
    try:
        return cast("Corruption", replace(cast("Any", corruption), severity=severity))
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"corruption {corruption.name!r} takes no severity {severity}: {error_text(error)}"
        ) from error
