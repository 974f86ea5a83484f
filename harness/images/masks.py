"""Mask files as zeros and ones, whatever an editor, a camera's software or a JPEG encoder has made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from harness.errors import DataError
from harness.images.decoding import Decoded, as_rgb, opened, path_text
from harness.images.framing import STRETCH, content_size

HALF = 128
"""What a mask of many values has to reach to mark a pixel, where its largest value is no less."""


@dataclass(frozen=True)
class Mask:
    """The union of an image's mask files."""

    pixels: NDArray[np.uint8]
    """(h, w) as its image was read, 1 where that is defective and 0 elsewhere."""
    digest: str
    """SHA-256 of each file's bytes, one after another."""
    share: float
    """Of the image's own pixels that are marked, from 0 to 1."""
    thresholded: bool = False
    """Whether a file has more than two values up to HALF or more, of which those of at least HALF mark a pixel."""
    turned: bool = False
    """Whether a file lies as the sensor saw the image, so that it is turned upright as the image is."""


_UPRIGHT = {
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What turns an image upright, by its orientation in EXIF, where that exchanges width and height."""


def read_mask(paths: Sequence[Path], size: int, image_path: Path, image: Decoded, resize: str = STRETCH) -> Mask:
    """The union of the masks of one image, sampled by nearest, in the size that `resize` gives its image.

    In a mask of two values, and in one whose largest value is below HALF (an index of kinds), any value but zero marks
    a pixel. In any other, as JPEG and soft brushes make them, values of at least HALF do. A mask that lies as the
    sensor saw an image that EXIF turns is turned too. Raises DataError, also for a mask of another size than its image.
    """
    width, height = image.width, image.height
    union: NDArray[np.bool_] = np.zeros((height, width), dtype=bool)
    upright = _UPRIGHT.get(image.facts.orientation)
    digests, thresholded, turned = [], False, False
    for path in paths:
        with opened(path) as (mask, file):
            if upright is not None and mask.size == (height, width) != (width, height):
                mask, turned = mask.transpose(upright), True  # drawn with a tool that knows nothing of EXIF
            if mask.size != (width, height):
                raise DataError(
                    f"mask {path_text(path)} is {mask.width}x{mask.height}, but its image {path_text(image_path)} "
                    f"is {width}x{height}: expected equal sizes"
                )
            marked, soft = _marked(_levels(mask))
            union |= marked
            thresholded |= soft
            digests.append(file.digest)
    full = Pillow.fromarray(union.astype(np.uint8) * 255)
    shape = content_size(width, height, size, resize)
    pixels = np.asarray(full.resize(shape[::-1], Pillow.Resampling.NEAREST)) != 0
    if union.any() and not pixels.any():  # a defect thinner than the sampling step must not lose its mask
        pixels = _cells_of(union, shape)
    return Mask(pixels.astype(np.uint8), " ".join(digests), float(union.mean()), thresholded, turned)


def _marked(levels: NDArray[np.integer]) -> tuple[NDArray[np.bool_], bool]:
    """Which pixels are marked, and whether that took the threshold."""
    largest = int(levels.max(initial=0))
    soft = largest >= HALF and bool(((levels != 0) & (levels != largest)).any())
    return (levels >= HALF if soft else levels != 0), soft


def _levels(mask: Pillow.Image) -> NDArray[np.integer]:
    """One value a pixel: of several bands the largest, or the opacity where that alone tells pixels apart."""
    if len(mask.getbands()) == 1 and mask.mode != "P":
        values = np.asarray(mask)
        if values.dtype == bool:
            return values.astype(np.uint8)
        return values >> 8 if mask.mode.startswith("I") and values.max(initial=0) > 255 else values
    alpha = mask.getchannel("A").getextrema() if "A" in mask.getbands() else (255, 255)
    if alpha[0] != alpha[1]:
        colours = np.asarray(mask.convert("RGBA"))[..., :3]
        if (colours == colours[0, 0]).all():  # drawn on a transparent layer in one colour
            return np.asarray(mask.getchannel("A"))
    return np.asarray(np.asarray(as_rgb(mask, ignore_alpha=alpha == (0, 0))).max(axis=2))


def _cells_of(union: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The cells of a grid of this shape that hold at least one marked pixel."""
    cells = np.zeros(shape, dtype=bool)
    rows, columns = np.nonzero(union)
    cells[rows * shape[0] // union.shape[0], columns * shape[1] // union.shape[1]] = True
    return cells
