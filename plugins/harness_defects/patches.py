"""Defects that are areas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_defects.painting import Cover, Painted, blob


@dataclass
class Spot(Painted):
    """A round spot of even colour."""

    name = "spot"
    source = "an ellipse"

    def _shape(self, centre: tuple[float, float], shape: tuple[int, ...], random: np.random.Generator) -> Cover:
        return blob(centre, shape, self.size * shape[0] / 2, 0.0, random)


@dataclass
class Stain(Painted):
    """An area with a soft, uneven border and a tint."""

    name = "stain"
    source = "a smoothed blob"

    def _shape(self, centre: tuple[float, float], shape: tuple[int, ...], random: np.random.Generator) -> Cover:
        from scipy.ndimage import gaussian_filter  # half a second, which no command waits for that paints nothing

        radius = self.size * shape[0] / 2
        soft = gaussian_filter(blob(centre, shape, radius, 0.3, random), max(radius / 4, 0.5))
        return np.asarray(soft, dtype=np.float32)

    def _filled(self, pixels: NDArray[np.float32], cover: Cover, random: np.random.Generator) -> NDArray[np.float32]:
        tint = random.dirichlet((2.0, 2.0, 2.0)).astype(np.float32) * 255
        return pixels * np.float32(1 - self.contrast) + tint * np.float32(self.contrast)


@dataclass
class MissingPiece(Painted):
    """An area where the part is gone, and what lies around it is seen."""

    name = "missing_piece"
    source = "an area of the image's border colour"

    def _shape(self, centre: tuple[float, float], shape: tuple[int, ...], random: np.random.Generator) -> Cover:
        return blob(centre, shape, self.size * shape[0] / 2, 0.25, random)

    def _filled(self, pixels: NDArray[np.float32], cover: Cover, random: np.random.Generator) -> NDArray[np.float32]:
        border = np.concatenate([pixels[:2].reshape(-1, 3), pixels[-2:].reshape(-1, 3)])
        gone = np.median(border, axis=0).astype(np.float32)
        if float(np.abs(gone - (pixels * cover[..., None]).sum((0, 1)) / (cover.sum() or 1)).max()) < 20:
            gone = np.zeros(3, dtype=np.float32)  # the part fills the image: a hole is dark
        mixed = pixels * np.float32(1 - self.contrast) + gone * np.float32(self.contrast)
        return np.asarray(mixed, dtype=np.float32)


@dataclass
class ForeignTexture(Painted):
    """An area of grain that does not belong to the part, of the part's own colours."""

    name = "foreign_texture"
    source = "noise of the image's own colours"

    def _shape(self, centre: tuple[float, float], shape: tuple[int, ...], random: np.random.Generator) -> Cover:
        return blob(centre, shape, self.size * shape[0] / 2, 0.2, random)

    def _filled(self, pixels: NDArray[np.float32], cover: Cover, random: np.random.Generator) -> NDArray[np.float32]:
        from scipy.ndimage import gaussian_filter

        colours = pixels.reshape(-1, 3)
        grain = colours[random.integers(len(colours), size=pixels.shape[0] * pixels.shape[1])].reshape(pixels.shape)
        wide = np.stack([gaussian_filter(grain[..., one], 1.0) for one in range(3)], axis=2)
        spread = np.float32(2 * self.contrast) * (wide - wide.mean((0, 1))) * 3
        return np.asarray(
            pixels * np.float32(1 - self.contrast) + np.float32(self.contrast) * wide.mean((0, 1)) + spread
        )
