"""What counts as one defective region, and when it counts as found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray
from harness.metrics.pixel.tally import Floats


@dataclass(frozen=True)
class Regions:
    """Connected defective pixels, and the share of a region that has to be found for it to count in full."""

    connectivity: Literal[4, 8] = 8
    """Whether pixels that touch at a corner belong together (8) or not (4)."""
    saturation: float = 1.0
    """Above 0 and at most 1. Below 1 the metric is MVTec LOCO's sPRO (Bergmann et al., IJCV 2022), with one relative
    saturation for all regions, where LOCO states areas for each kind of defect."""

    def __post_init__(self) -> None:
        if self.connectivity not in (4, 8):
            raise ValueError(f"connectivity is {self.connectivity!r}, expected 4 or 8")
        if not 0 < self.saturation <= 1:
            raise ValueError(f"saturation is {self.saturation!r}, expected a share above 0 and at most 1")

    def shares(self, mask: BoolArray, scores: NDArray[np.float32]) -> tuple[NDArray[np.intp], Floats]:
        """Where the defective pixels lie in the raveled mask (H, W), and what part of its region each is worth.

        Scores are raveled, (H W,). Below full saturation the highest of a region's scores are worth it all: a region
        is found in full as soon as the limit has fallen below so many of them.
        """
        at = np.flatnonzero(mask)
        if not at.size:
            return at, np.zeros(0)
        from scipy import ndimage

        rows, columns = at[[0, -1]] // mask.shape[1], at % mask.shape[1]
        box = mask[rows[0] : rows[1] + 1, columns.min() : columns.max() + 1]  # what has no defects is not looked at
        structure = np.ones((3, 3)) if self.connectivity == 8 else None  # None is scipy's cross
        labels, _ = ndimage.label(box, structure=structure)
        region = labels[box]
        area = np.bincount(region)[region]
        if self.saturation == 1:
            return at, 1 / area
        order = np.lexsort((-scores.take(at), region))
        place = np.empty(len(at))
        starts = np.flatnonzero(np.diff(region[order], prepend=0))
        place[order] = np.arange(len(at)) - np.repeat(starts, np.diff(starts, append=len(at)))
        enough = self.saturation * area
        return at, np.clip(enough - place, 0, 1) / enough


WHOLE = Regions()
"""Touching at a corner is enough, and a region is found by as much of it as is found: MVTec's definition of PRO."""
