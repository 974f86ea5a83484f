"""The mean, the worst pixel, and the worst share of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness import FloatArray, Pool

if TYPE_CHECKING:
    from torch import Tensor


class Mean(Pool):
    """The mean error over the image, the paper's score."""

    name = "mean"
    licence = "MIT"
    source = "Kumar, Malik and Puglisi, Unsupervised Anomaly Detection in Industrial Image Data, section 3.3.3"

    def score(self, maps: FloatArray) -> FloatArray:
        """(N, H, W) to (N,)."""
        return np.asarray(maps.mean(axis=(1, 2), dtype=np.float64))

    def tensor(self, maps: Tensor) -> Tensor:
        """(N, H, W) to (N,)."""
        return maps.flatten(1).mean(dim=1)


class Largest(Pool):
    """The error of the worst pixel."""

    name = "max"
    licence = "MIT"
    source = "https://doi.org/10.1109/CVPR46437.2021.00954"

    def score(self, maps: FloatArray) -> FloatArray:
        """(N, H, W) to (N,)."""
        return np.asarray(maps.max(axis=(1, 2)), dtype=np.float64)

    def tensor(self, maps: Tensor) -> Tensor:
        """(N, H, W) to (N,)."""
        return maps.flatten(1).amax(dim=1)


@dataclass
class TopK(Pool):
    """The mean error of the worst `share` of the pixels.

    At the default, the 655 worst of the 65,536 pixels of a 256x256 image: a defect of about 26 by 26.
    """

    name = "topk"
    licence = "MIT"
    source = "https://doi.org/10.1109/WACV51458.2022.00188"
    share: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share:g}, expected more than 0 and at most 1")

    def score(self, maps: FloatArray) -> FloatArray:
        """(N, H, W) to (N,)."""
        flat = maps.reshape(len(maps), -1)
        k = self._count(flat.shape[1])
        return np.asarray(np.partition(flat, flat.shape[1] - k, axis=1)[:, -k:].mean(axis=1, dtype=np.float64))

    def tensor(self, maps: Tensor) -> Tensor:
        """(N, H, W) to (N,)."""
        flat = maps.flatten(1)
        return flat.topk(self._count(flat.shape[1]), dim=1, sorted=False).values.mean(dim=1)

    def _count(self, pixels: int) -> int:
        """How many pixels the share is: the nearest whole number, and at least one."""
        return max(1, round(self.share * pixels))
