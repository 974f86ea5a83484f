"""Some images of others, which need not fit into memory."""

from __future__ import annotations

import math
import tempfile

import numpy as np
from numpy.typing import NDArray

from harness.api import Images

_IN_MEMORY = 1 << 27
"""At most so many bytes of pixels are copied in memory."""


def subset(images: Images, at: NDArray[np.intp]) -> Images:
    """The images at these indices. If they are large, they are in a temporary file, as they may not fit into memory."""
    if len(at) * math.prod(images.pixels.shape[1:]) < _IN_MEMORY:
        return images.take(at)
    names, kinds = (tuple(values[index] for index in at) for values in (images.paths, images.defects))
    pixels = _on_disk([(images.pixels, index) for index in at.tolist()])
    masks = None if images.masks is None else images.masks[at]
    boxes = None if images.boxes is None else images.boxes[at]
    return Images(pixels, names, kinds, masks, boxes=boxes)


def taken_for_normal(normal: Images, others: Images, random: np.random.Generator) -> Images:
    """Both in an order of chance, as a person has them who takes all of them for normal: without kinds and masks."""
    places = [(images, index) for images in (normal, others) for index in range(len(images))]
    drawn = [places[at] for at in random.permutation(len(places)).tolist()]
    rows = [(images.pixels, index) for images, index in drawn]
    large = len(rows) * math.prod(normal.pixels.shape[1:]) >= _IN_MEMORY
    pixels = _on_disk(rows) if large else np.stack([pixels[index] for pixels, index in rows])
    boxes = None if normal.boxes is None else np.stack([images.boxes[index] for images, index in drawn])
    return Images(pixels, tuple(images.paths[index] for images, index in drawn), boxes=boxes)


def _on_disk(rows: list[tuple[NDArray[np.uint8], int]]) -> NDArray[np.uint8]:
    with tempfile.TemporaryFile() as file:
        for pixels, index in rows:
            file.write(np.ascontiguousarray(pixels[index]).data)
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=(len(rows), *rows[0][0].shape[1:]))
