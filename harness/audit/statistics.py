"""A dozen numbers of a whole image, without places and without a network: what a light meter would see."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray

NAMES = (
    "brightness",
    "mean of red",
    "mean of green",
    "mean of blue",
    "spread of red",
    "spread of green",
    "spread of blue",
    "darkest percentile",
    "brightest percentile",
    "sharpness",
)
"""The columns of `statistics_of`, as they are called in sentences."""

_AT_ONCE = 32
_GREYS = np.arange(256, dtype=np.float64)


def statistics_of(pixels: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> FloatArray:
    """N images (H, W, 3) to (N, 10), in the order of NAMES: means, standard deviations and percentiles in grey levels.

    Brightness is the mean of grey. The percentiles are the 1st and 99th of grey. Sharpness is the mean size of grey's
    second difference along rows.
    """
    starts = range(0, len(pixels), _AT_ONCE)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda start: _of_some(pixels[start : start + _AT_ONCE]), starts))
    return np.concatenate(found) if found else np.empty((0, len(NAMES)))


def usual_statistics(pixels: Sequence[NDArray[np.uint8]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each statistic over images (H, W, 3), by its name; empty without images."""
    found = statistics_of(pixels)
    if not len(found):
        return {}
    return {name: (float(one.mean()), float(one.std())) for name, one in zip(NAMES, found.T, strict=True)}


def _of_some(pixels: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> FloatArray:
    return np.array([_of_one(image) for image in pixels]).reshape(-1, len(NAMES))


def _of_one(image: NDArray[np.uint8]) -> list[float]:
    from PIL import Image

    drawn = Image.fromarray(np.ascontiguousarray(image))
    histograms = np.array(drawn.histogram(), dtype=np.float64).reshape(3, 256)
    shares = histograms / histograms[0].sum()
    means = shares @ _GREYS
    spreads = np.sqrt(np.maximum(shares @ _GREYS**2 - means**2, 0))
    grey = drawn.convert("L")
    levels = np.array(grey.histogram())
    below = np.cumsum(levels)
    dark, bright = np.searchsorted(below, (0.01 * below[-1], 0.99 * below[-1]))
    rows = np.asarray(grey)[::2].astype(np.int16)
    bend = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2]
    sharpness = float(np.abs(bend).mean()) if bend.size else 0.0
    return [float(levels @ _GREYS) / below[-1], *means, *spreads, float(dark), float(bright), sharpness]
