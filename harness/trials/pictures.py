"""Small pictures that are kept beside the scores, so that a report needs neither data set nor model."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, FloatArray, Images
from harness.images.framing import Box

MAP_SIDE = 64
"""The largest side of a kept error map in pixels; it is also at most half of the image's."""
LEVELS = 32
"""How many values a kept map has: the eye sees no more, and finer ones are noise that does not compress."""
MAP_PIXELS = 1000 * MAP_SIDE**2
"""The largest number of pixels of all kept maps of a trial together; larger test sets have coarser maps."""
THUMBNAIL_SIDE = 128
"""The largest side of a thumbnail, in pixels."""
_QUALITY = 80


class Maps(NamedTuple):
    """Error maps of the test images, coarse in space and in value: good to look at, not to measure with."""

    values: NDArray[np.uint8]
    """(N, h, w), from 0 to LEVELS - 1: the square root of the error, so that small errors keep their steps."""
    largest: float
    """The error that LEVELS - 1 stands for, at least 0."""


class Thumbnail(NamedTuple):
    """One test image."""

    jpeg: bytes
    mask: BoolArray | None
    """(side, side), True where defective; None where there is no mask."""


class Shrinker:
    """Takes the maps of so many images, some at a time, and keeps means over cells of their pixels."""

    def __init__(self, images: int) -> None:
        self._side = max(1, min(MAP_SIDE, int((MAP_PIXELS / max(images, 1)) ** 0.5)))
        self._kept: list[NDArray[np.float32]] = []
        self._order: list[NDArray[np.intp]] = []

    def add(self, maps: FloatArray, order: NDArray[np.intp] | None = None) -> None:
        """(N, H, W) of the images at these places; None is those that come next. Other sizes get the first one's."""
        half = max(1, min(maps.shape[1:]) // 2)
        if order is None:
            order = np.arange(len(maps)) + sum(map(len, self._kept))
        small = shrink(np.asarray(maps), min(self._side, half))
        if self._kept and small.shape[1:] != self._kept[0].shape[1:]:
            small = _nearest(small, self._kept[0].shape[1:])
        self._kept.append(small)
        self._order.append(order)

    def result(self) -> Maps | None:
        """All maps that were added, in the order of images; None if there were none, or if a value was not finite."""
        if not self._kept:
            return None
        errors = np.maximum(np.concatenate(self._kept)[np.argsort(np.concatenate(self._order))], 0)
        largest = float(errors.max(initial=0))
        if not np.isfinite(largest):
            return None
        return Maps(np.rint(np.sqrt(errors / (largest or 1)) * (LEVELS - 1)).astype(np.uint8), largest)


def shrink(maps: NDArray[Any], side: int) -> NDArray[np.float32]:
    """(N, H, W) to (N, h, w), neither longer than `side`: means over cells that differ by a pixel at most."""
    height, width = maps.shape[1:]
    rows, columns = (np.arange(min(side, n)) * n // min(side, n) for n in (height, width))
    sums = np.add.reduceat(np.add.reduceat(maps, rows, axis=1, dtype=np.float32), columns, axis=2)
    cells = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    return np.asarray(sums / cells, dtype=np.float32)


def _nearest(maps: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(N, h, w) in another (h, w)."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(shape, maps.shape[1:], strict=True))
    return maps[:, rows][:, :, columns]


def thumbnails(images: Images) -> list[Thumbnail]:
    """Each image and its mask, at most THUMBNAIL_SIDE wide."""
    from PIL import Image

    found = []
    for index in range(len(images)):
        box = (slice(None), slice(None)) if images.boxes is None else Box(*images.boxes[index].tolist()).place
        image = Image.fromarray(np.ascontiguousarray(images.pixels[index][box]))
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
        written = io.BytesIO()
        image.save(written, "JPEG", quality=_QUALITY)
        mask = None
        if images.masks is not None:
            mask = shrink(images.masks[index][box][None] > 0, THUMBNAIL_SIDE)[0] >= 0.5
        found.append(Thumbnail(written.getvalue(), mask))
    return found


def pack_mask(mask: BoolArray | None) -> bytes:
    """A mask in few bytes; no bytes for None."""
    if mask is None:
        return b""
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(mask).save(written, "PNG")
    return written.getvalue()


def unpack_mask(packed: bytes) -> BoolArray | None:
    """The mask that `pack_mask` was given."""
    if not packed:
        return None
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(packed)), dtype=bool)
