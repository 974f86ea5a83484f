"""What a model is handed of images: their pixels, to be read only, and names that say nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.api import Images


def handed(images: Images, *, framed: bool = False) -> Images:
    """The same pixels without defect kinds, masks, facts and telling names, so that no score can follow from these.

    What a model is framed by needs to know where images end; it does not tell the model.
    """
    names = tuple(f"image {index}" for index in range(len(images)))
    return Images(read_only(images.pixels), names, boxes=images.boxes if framed else None)


def read_only(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same pixels, not copied, where nobody can write: what one model changed, the next one would be fitted to."""
    return np.asarray(pixels.data.toreadonly()) if pixels.size else pixels
