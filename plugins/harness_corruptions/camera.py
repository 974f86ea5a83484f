"""What lens, sensor and storage do."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_corruptions.graded import Graded, rounded

_POINTS = 41
"""Points along a blur's diameter or length: enough that more would change no grey level."""


@dataclass
class Defocus(Graded):
    """A lens out of focus: each point becomes a disc."""

    name = "defocus"
    source = "after Hendrycks and Dietterich, ICLR 2019 (https://arxiv.org/abs/1903.12261)"
    amounts = (0.5, 1, 1.7, 2.6, 4)
    words = "a disc of {} % of the side"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A blurred copy."""
        across = np.linspace(-0.5, 0.5, _POINTS)
        y, x = (grid.ravel() for grid in np.meshgrid(across, across))
        disc = np.stack([y, x], axis=1)[np.hypot(y, x) <= 0.5]
        return _spread(pixels, disc * (self._amount / 100 * len(pixels)))


@dataclass
class MotionBlur(Graded):
    """The part moves during the exposure: each point becomes a line, of a direction that is drawn."""

    name = "motion_blur"
    source = "after Hendrycks and Dietterich, ICLR 2019 (https://arxiv.org/abs/1903.12261)"
    amounts = (0.7, 1.5, 2.5, 4, 6.5)
    words = "a line of {} % of the side"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A copy blurred along a line."""
        angle = random.uniform(0, np.pi)
        along = np.linspace(-0.5, 0.5, _POINTS)[:, None] * np.array([[np.sin(angle), np.cos(angle)]])
        return _spread(pixels, along * (self._amount / 100 * len(pixels)))


@dataclass
class Noise(Graded):
    """Noise of the sensor at high gain. The deviation is that at half brightness; it grows with the grey level."""

    name = "noise"
    source = "the linear camera model of EMVA 1288 (https://www.emva.org/standards-technology/emva-1288/)"
    amounts = (2, 4, 8, 14, 24)
    words = "a deviation of {} grey levels"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A noisier copy."""
        deviation = self._amount * np.sqrt(0.2 + 0.8 * pixels / 128)
        return rounded(pixels + deviation * random.standard_normal(pixels.shape))


@dataclass
class Jpeg(Graded):
    """Stored as a JPEG of low quality."""

    name = "jpeg"
    source = "ITU-T T.81 as Pillow writes it; after Hendrycks and Dietterich, ICLR 2019"
    amounts = (80, 55, 30, 15, 7)
    words = "quality {}"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A copy that was a JPEG."""
        from PIL import Image

        written = io.BytesIO()
        Image.fromarray(pixels).save(written, "JPEG", quality=int(self._amount))
        with Image.open(written) as opened:
            return np.asarray(opened.convert("RGB")).copy()


@dataclass
class Dust(Graded):
    """Dust on lens or cover glass: small dark specks with soft borders, anywhere in the photo."""

    name = "dust"
    source = "discs with soft borders"
    amounts = (2, 5, 10, 20, 40)
    words = "{} specks"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A copy with specks."""
        height, width = pixels.shape[:2]
        y, x = np.ogrid[:height, :width]
        light = np.ones((height, width))
        for _ in range(int(self._amount)):
            top, left = random.uniform(0, height), random.uniform(0, width)
            radius = max(0.8, height * random.uniform(0.004, 0.012))
            dark = random.uniform(0.3, 0.7)
            light *= 1 - dark * np.clip(1.5 - np.hypot(y - top, x - left) / radius, 0, 1)
        return rounded(pixels * light[..., None])


def _spread(pixels: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A photo (H, W, 3) in which each point has become these points (N, 2), given as y and x in pixels.

    What lies between two pixels is shared between them, so that a blur of less than a pixel is one as well.
    """
    from scipy.ndimage import convolve

    reach = int(np.ceil(np.abs(points).max()))
    places = np.arange(-reach, reach + 1)
    rows, columns = (np.maximum(0, 1 - np.abs(points[:, axis, None] - places)) for axis in (0, 1))
    kernel = rows.T @ columns / len(points)
    values = pixels.astype(np.float32)
    blurred = [convolve(values[..., one], kernel.astype(np.float32), mode="nearest") for one in range(3)]
    return rounded(np.stack(blurred, axis=2))
