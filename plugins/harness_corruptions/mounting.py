"""What a part that lies otherwise before the camera does. Where the photo ends, its border goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness_corruptions.graded import Graded, rounded, sign


@dataclass
class Shift(Graded):
    """The part lies beside its place, in a direction that is drawn."""

    name = "shift"
    source = "moved by linear interpolation"
    amounts = (0.5, 1, 2, 4, 8)
    words = "{} % of the side"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A copy moved aside."""
        angle = random.uniform(0, 2 * np.pi)
        step = self._amount / 100 * len(pixels)
        return _moved(pixels, np.eye(2), np.array([step * np.sin(angle), step * np.cos(angle)]))


@dataclass
class Rotation(Graded):
    """The part is turned, clockwise or not, about the centre of the photo."""

    name = "rotation"
    source = "turned by linear interpolation"
    amounts = (1, 2, 5, 10, 20)
    words = "{}°"
    towards: Literal["either", "clockwise", "anticlockwise"] = "either"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A turned copy."""
        angle = np.deg2rad(self._amount) * sign(random, self.towards, "clockwise", "anticlockwise")
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return _moved(pixels, turn, np.zeros(2))


@dataclass
class Scale(Graded):
    """The camera is nearer or farther, or has another lens: all is larger or smaller about the centre."""

    name = "scale"
    source = "resized by linear interpolation"
    amounts = (1, 2, 4, 8, 15)
    words = "{} % larger or smaller"
    towards: Literal["either", "larger", "smaller"] = "either"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A copy in which all is larger or smaller."""
        factor = 1 + sign(random, self.towards, "larger", "smaller") * self._amount / 100
        return _moved(pixels, np.eye(2) / factor, np.zeros(2))


def _moved(pixels: NDArray[np.uint8], back: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A photo whose points come from `back` (2, 2) of where they are, seen from the centre, less `step` (y, x)."""
    from scipy.ndimage import affine_transform

    centre = (np.array(pixels.shape[:2]) - 1) / 2
    offset = centre - back @ (centre + step)
    values = pixels.astype(np.float32)
    moved = [affine_transform(values[..., one], back, offset, order=1, mode="nearest") for one in range(3)]
    return rounded(np.stack(moved, axis=2))
