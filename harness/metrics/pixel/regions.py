"""What counts as one defective region, and when it counts as found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, Region
from harness.metrics.pixel.tally import Floats


@dataclass(frozen=True)
class Regions:
    """Connected defective pixels, and the share of a region that has to be found for it to count in full."""

    connectivity: Literal[4, 8] = 8
    """Whether pixels that touch at a corner belong together (8) or not (4)."""
    saturation: float = 1.0
    """Above 0 and at most 1. Below 1 the metric is sPRO (Bergmann et al., IJCV 2022) with one relative saturation for
    all regions; `annotated_shares` takes the areas that a data set states for each."""

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
        return at, _saturated(region, self.saturation * area, scores.take(at))


def annotated_shares(regions: Sequence[Region], scores: NDArray[np.float32]) -> tuple[NDArray[np.intp], Floats]:
    """As `Regions.shares`, for regions (H, W) of one map that were annotated apart and may overlap: MVTec LOCO's sPRO.

    A region is found in full when as much of it is found as it states. One without a pixel counts for nothing.
    """
    places = [np.flatnonzero(region.mask) for region in regions]
    sizes = [len(place) for place in places]
    if not sum(sizes):
        return np.zeros(0, np.intp), np.zeros(0)
    enough = [min(region.enough, size) for region, size in zip(regions, sizes, strict=True)]
    at, number = np.concatenate(places), np.repeat(np.arange(len(regions)), sizes)
    worth = _saturated(number, np.repeat(enough, sizes), scores.take(at))
    at, place = np.unique(at, return_inverse=True)
    return at, np.bincount(place, worth).astype(np.float64)


def _saturated(region: NDArray[np.intp], enough: Floats, scores: NDArray[np.float32]) -> Floats:
    """What part of its region (P,) each pixel is worth, where the highest `enough` (P,) of the region are worth all."""
    order = np.lexsort((-scores, region))
    place = np.empty(len(scores))
    starts = np.flatnonzero(np.diff(region[order], prepend=-1))
    place[order] = np.arange(len(scores)) - np.repeat(starts, np.diff(starts, append=len(scores)))
    return np.clip(enough - place, 0, 1) / enough


WHOLE = Regions()
"""Touching at a corner is enough, and a region is found by as much of it as is found: MVTec's definition of PRO."""
