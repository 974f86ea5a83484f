"""How a defect is put onto a part: where, how strongly, and nothing beside it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import BoolArray, Defect

Cover = NDArray[np.float32]
"""(H, W), how much of each pixel a defect covers, from 0 to 1."""
_TRIES = 30
_INSIDE = 0.8
"""The share of a defect that must lie on the part, where there is such a place."""
_SEEN = 0.3
"""A pixel of which so much is covered belongs to the defect."""


@dataclass
class Painted(Defect):
    """A defect that is a shape and what lies in it."""

    licence = "MIT"
    size: float = 0.1
    contrast: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.size <= 1:
            raise ValueError(f"size is {self.size:g}, expected a share of the image's side above 0 and up to 1")
        if not 0 <= self.contrast <= 1:
            raise ValueError(f"contrast is {self.contrast:g}, expected a number from 0 to 1")

    def paint(
        self, pixels: NDArray[np.uint8], part: BoolArray, random: np.random.Generator
    ) -> tuple[NDArray[np.uint8], BoolArray]:
        """The first of some places that lies well on the part, else the best of them, cut to the part."""
        best, most = np.zeros(part.shape, dtype=np.float32), -1.0
        for _ in range(_TRIES):
            cover = self._shape(_centre(part, random), part.shape, random)
            inside = float((cover * part).sum() / (cover.sum() or 1))
            if inside > most:
                best, most = cover, inside
            if most >= _INSIDE:
                break
        best = best * part
        painted = self._filled(pixels.astype(np.float32), best, random)
        alpha = best[..., None]
        mixed = pixels * (1 - alpha) + painted * alpha
        seen = best > min(_SEEN, 0.99 * float(best.max()))  # of what is smaller than a pixel, the pixel that has most
        return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8), seen

    @abstractmethod
    def _shape(self, centre: tuple[float, float], shape: tuple[int, ...], random: np.random.Generator) -> Cover:
        """What it covers around a centre (y, x)."""

    def _filled(self, pixels: NDArray[np.float32], cover: Cover, random: np.random.Generator) -> NDArray[np.float32]:
        """What stands where it covers all: by default the part, brighter or darker, towards where there is room."""
        mean = float((pixels.mean(axis=2) * cover).sum() / (cover.sum() or 1))
        return np.asarray(pixels + (255 if mean < 128 else -255) * self.contrast, dtype=np.float32)


def _centre(part: BoolArray, random: np.random.Generator) -> tuple[float, float]:
    places = np.flatnonzero(part)
    at = int(places[random.integers(len(places))]) if len(places) else int(random.integers(part.size))
    return float(at // part.shape[1]), float(at % part.shape[1])


def drawn(shape: tuple[int, ...], draw: object, width: int) -> Cover:
    """A line through points (x, y), drawn four times as fine and reduced, so that its border is smooth."""
    from PIL import Image, ImageDraw

    fine = Image.new("L", (4 * shape[1], 4 * shape[0]))
    points = [(4 * float(x), 4 * float(y)) for x, y in np.asarray(draw)]
    ImageDraw.Draw(fine).line(points, fill=255, width=max(1, 4 * width), joint="curve")
    reduced = fine.resize((shape[1], shape[0]), Image.Resampling.BOX)
    return np.asarray(np.asarray(reduced) / 255, dtype=np.float32)


def blob(
    centre: tuple[float, float], shape: tuple[int, ...], radius: float, rough: float, random: np.random.Generator
) -> Cover:
    """A round shape of this radius in pixels, its border uneven by a share of it, and soft over two pixels."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    dy, dx = y - centre[0], x - centre[1]
    angle = np.arctan2(dy, dx)
    waves = random.normal(size=(2, 5)) / np.arange(1, 6)
    border = 1 + rough * sum(a * np.cos(k * angle) + b * np.sin(k * angle) for k, (a, b) in enumerate(waves.T, 1))
    stretch = random.uniform(0.6, 1.0)
    distance = np.hypot(dy / stretch, dx)
    return np.asarray(np.clip((radius * np.maximum(border, 0.3) - distance) / 2 + 0.5, 0, 1), dtype=np.float32)
