"""Some images of others, which need not fit into memory."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable

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
    pixels = stacked((images.pixels[index] for index in at.tolist()), (len(at), *images.pixels.shape[1:]))
    masks = None if images.masks is None else images.masks[at]
    boxes = None if images.boxes is None else images.boxes[at]
    return Images(pixels, names, kinds, masks, boxes=boxes)


def taken_for_normal(normal: Images, others: Images, random: np.random.Generator) -> Images:
    """Both in an order of chance, as a person has them who takes all of them for normal: without kinds and masks."""
    places = [(images, index) for images in (normal, others) for index in range(len(images))]
    drawn = [places[at] for at in random.permutation(len(places)).tolist()]
    shape = (len(drawn), *normal.pixels.shape[1:])
    pixels = stacked((images.pixels[index] for images, index in drawn), shape)
    boxes = None if normal.boxes is None else np.stack([images.boxes[index] for images, index in drawn])
    return Images(pixels, tuple(images.paths[index] for images, index in drawn), boxes=boxes)


def stacked(images: Iterable[NDArray[np.uint8]], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images one after another, in this shape (N, H, W, 3); in a temporary file where they are large."""
    if math.prod(shape) < _IN_MEMORY:
        return np.stack(list(images))
    with tempfile.TemporaryFile() as file:
        for pixels in images:
            file.write(np.ascontiguousarray(pixels).data)
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=shape)
