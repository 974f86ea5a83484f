"""How images of any shape are made to fit a network: stretched, padded, or kept in their own size to be cut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STRETCH, PAD, TILES = "stretch", "pad", "tiles"
RESIZES = (STRETCH, PAD, TILES)
"""Both sides are set to the image size; or the longer side is, and the rest padded; or images keep their size."""


class Box(NamedTuple):
    """The part of an array (H, W) that an image fills. Everything else is padding."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def place(self) -> tuple[slice, slice]:
        """The slices that cut it out of an array (H, W, ...)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def content_size(width: int, height: int, size: int, resize: str) -> tuple[int, int]:
    """The height and width that an image of this original width and height is read at."""
    if resize == TILES:
        return height, width
    if resize == STRETCH:
        return size, size
    longer = max(width, height)
    return max(1, (height * size + longer // 2) // longer), max(1, (width * size + longer // 2) // longer)


def box_of(height: int, width: int, canvas: tuple[int, int], resize: str) -> Box:
    """Where an image of this height and width lies on its canvas (H, W): in the middle if it is padded."""
    top, left = ((canvas[0] - height) // 2, (canvas[1] - width) // 2) if resize == PAD else (0, 0)
    return Box(top, left, top + height, left + width)


def padded(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Images (N, h, w, 3) in the middle of (N, size, size, 3), mirrored outwards as often as needed.

    A mirrored border has no edge that a network could take for a defect, and no colour that the image lacks.
    """
    height, width = pixels.shape[1:3]
    top, left, bottom, right = box_of(height, width, (size, size), PAD)
    return np.pad(pixels, ((0, 0), (top, size - bottom), (left, size - right), (0, 0)), mode="symmetric")


@dataclass(frozen=True)
class Frame:
    """The size of the arrays that a category's images are read into. An image fills its array or is padded."""

    resize: str
    """One of RESIZES."""
    size: int
    """The image size that was asked for; unused if images keep their own size."""
    height: int
    width: int

    @classmethod
    def around(cls, resize: str, size: int, originals: Iterable[tuple[int, int]] = ()) -> Frame:
        """A frame for images of these widths and heights, which matter only if images keep their own size."""
        if resize != TILES:
            return cls(resize, size, size, size)
        every = list(originals)
        return cls(resize, size, max(height for _, height in every), max(width for width, _ in every))

    def box(self, width: int, height: int) -> Box:
        """Where an image of this original width and height lies."""
        down, across = content_size(width, height, self.size, self.resize)
        return box_of(down, across, (self.height, self.width), self.resize)

    def image(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An image (h, w, 3), as it was read, in (height, width, 3)."""
        return padded(pixels[None], self.size)[0] if self.resize == PAD else self._with_zeros(pixels)

    def mask(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask (h, w), as it was read, in (height, width). Padding counts as normal."""
        return self._with_zeros(pixels)

    def _with_zeros(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        whole = np.zeros((self.height, self.width, *pixels.shape[2:]), np.uint8)
        height, width = pixels.shape[:2]
        whole[box_of(height, width, (self.height, self.width), self.resize).place] = pixels
        return whole
