"""From images to anomaly maps: how unlike normal patches each patch is, enlarged to the image and smoothed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn


class AnomalyMap(nn.Module):
    """From images to patches, from patches to their distance from normal ones, and from there to pixels."""

    enlarge: Tensor

    def __init__(self, describe: nn.Module, detector: nn.Module, image_size: int, reduction: int, sigma: float) -> None:
        super().__init__()
        self.describe, self.detector = describe, detector
        matrix = torch.tensor(enlargement(image_size // reduction, image_size, sigma))
        self.register_buffer("enlarge", matrix, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, H) in [0, 1] to (N, H, H)."""
        return self.of_patches(self.describe(images))

    def of_patches(self, patches: Tensor) -> Tensor:
        """(N, h, w, C) to (N, H, H)."""
        distances: Tensor = self.detector(patches)
        return self.enlarge @ distances @ self.enlarge.T


@lru_cache(maxsize=8)
def enlargement(cells: int, pixels: int, sigma: float) -> NDArray[np.float32]:
    """(pixels, cells): bilinear interpolation along one axis, then scipy's Gaussian filter, mirrored at the borders.

    Both are linear and separable, so one matrix product for each side does the same in any runtime.
    """
    cell = torch.eye(cells, dtype=torch.float64)[None]
    fine = nn.functional.interpolate(cell, pixels, mode="linear")[0].T.numpy()
    return np.asarray(gaussian_filter1d(fine, sigma, axis=0) if sigma else fine, dtype=np.float32)
