"""Images cut into overlapping tiles, and maps of the tiles joined into one without seams. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

Floats = NDArray[np.floating[Any]]


class Corner(NamedTuple):
    """Where a tile begins, in pixels of its image."""

    top: int
    left: int


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along a side: evenly spaced, with neighbours sharing `overlap` pixels or a few more.

    The first begins at 0 and the last ends at `length`. Raises ValueError for a tile longer than the side.
    """
    if tile > length:
        raise ValueError(f"a tile of {tile} pixels is longer than a side of {length}")
    count = 1 + -(-(length - tile) // (tile - overlap))
    return [index * (length - tile) // (count - 1) for index in range(count)] if count > 1 else [0]


def weights(length: int, tile: int, overlap: int) -> NDArray[np.float64]:
    """(tiles, tile): how much each pixel of a tile counts along a side. At every pixel the weights add up to one.

    A tile's weight falls towards its neighbour as sin², because networks judge worst at their borders. It does not fall
    at the two ends of the side, where there is no neighbour.
    """
    begin = starts(length, tile, overlap)
    window = np.ones((len(begin), tile))
    for before, after in zip(range(len(begin) - 1), range(1, len(begin)), strict=True):
        shared = begin[before] + tile - begin[after]
        rise = np.sin((np.arange(shared) + 0.5) * np.pi / (2 * shared)) ** 2 if shared else np.empty(0)
        window[after, :shared] *= rise
        window[before, tile - shared :] *= rise[::-1]
    total = np.zeros(length)
    for start, row in zip(begin, window, strict=True):
        total[start : start + tile] += row
    return np.array([row / total[start : start + tile] for start, row in zip(begin, window, strict=True)])


@dataclass(frozen=True)
class Tiling:
    """How images are cut: into square tiles with sides of `size` pixels. Neighbours share at least `overlap` pixels."""

    size: int
    overlap: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UsageError(f"tiles of {self.size} pixels: expected at least 1")
        if not 0 <= self.overlap <= self.size // 2:
            raise UsageError(
                f"an overlap of {self.overlap} pixels: expected 0 to {self.size // 2}, half a tile of {self.size}"
            )

    def corners(self, height: int, width: int) -> list[Corner]:
        """Where the tiles of an image begin, row by row. Raises ValueError for an image smaller than a tile."""
        rows, columns = (starts(side, self.size, self.overlap) for side in (height, width))
        return [Corner(top, left) for top in rows for left in columns]

    def count(self, height: int, width: int) -> int:
        """How many tiles an image has."""
        return len(self.corners(height, width))

    def cut(self, image: NDArray[Any], corners: list[Corner]) -> NDArray[Any]:
        """The tiles (K, size, size, ...) of an image (H, W, ...) at these corners."""
        return np.stack([image[top : top + self.size, left : left + self.size] for top, left in corners])


class Joined:
    """Joins the maps of an image's tiles one by one, in the memory of a single map of the image."""

    def __init__(self, tiling: Tiling, height: int, width: int, dtype: Any = np.float32) -> None:
        """Raises ValueError for an image smaller than a tile."""
        size, overlap = tiling.size, tiling.overlap
        sides = ((side, starts(side, size, overlap), weights(side, size, overlap)) for side in (height, width))
        self._rows, self._columns = (dict(zip(begin, window, strict=True)) for _, begin, window in sides)
        self._size = size
        self.map: Floats = np.zeros((height, width), dtype)
        """(H, W), complete once every tile has been added."""

    def add(self, corner: Corner, tile: Floats) -> None:
        """Add the map (size, size) of the tile at this corner."""
        down, across = self._rows[corner.top], self._columns[corner.left]
        place = (slice(corner.top, corner.top + self._size), slice(corner.left, corner.left + self._size))
        self.map[place] += tile * np.multiply.outer(down, across)


def batches(corners: list[Corner], most: int) -> Iterator[list[Corner]]:
    """The corners in lists of at most `most`."""
    return (corners[start : start + most] for start in range(0, len(corners), most))
