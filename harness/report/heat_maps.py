"""An image with its error map over it: usual errors leave the image as it is, larger ones glow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_SIDE = 1024
"""The largest side of a picture, in pixels."""
_LEVELS = (0.4, 0.7, 1.0, 1.6)
"""Errors at which the colour is given, in units of `full`."""
_COLOURS = np.array([(255, 235, 60, 0), (255, 220, 40, 70), (255, 130, 20, 130), (215, 0, 40, 165)])
"""Red, green, blue and opacity at these levels; between levels colours are mixed."""


def heat_map(pixels: NDArray[np.uint8], errors: NDArray[Any], full: float) -> bytes:
    """A PNG of an image (H, W, 3) under the errors (h, w) of the same scene.

    `full` is the largest error of normal images; pixels whose error is clearly smaller are not coloured.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    fine = np.asarray(Image.fromarray(errors.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))
    levels = fine / full if full > 0 else (fine > 0) * 2.0
    red, green, blue, opacity = (np.interp(levels, _LEVELS, channel) for channel in _COLOURS.T)
    share = (opacity / 255)[..., None]
    mixed = pixels * (1 - share) + np.stack([red, green, blue], axis=-1) * share
    written = io.BytesIO()
    Image.fromarray(np.rint(mixed).astype(np.uint8)).save(written, "PNG")
    return written.getvalue()
