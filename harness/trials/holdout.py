"""Which normal images a trial is fitted on, and on which its limits are set."""

from __future__ import annotations

import math
import tempfile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import Images, Split
from harness.errors import DataError

_IN_MEMORY = 1 << 27
"""At most so many bytes of pixels are copied in memory."""


class NormalImages(NamedTuple):
    """The normal images of one trial, by what they are for."""

    fitted: Images
    calibration: Images
    where: str
    """Where the latter come from: `fitted`, `holdout`, `crossfit`, or the data set's own `validation` images."""


def normal_images(split: Split, holdout: float, seed: int, *, crossfit: bool = False) -> NormalImages:
    """What to fit and to calibrate on: the data set's own validation split, unless a share is to be held out.

    Raises DataError where that leaves no image to fit on, or none to set limits on.
    """
    if crossfit:
        return NormalImages(split.train, split.train, "crossfit")
    if holdout and len(split.train) < 2:
        raise DataError(
            f"a holdout of {holdout:g} needs 2 training images, one to fit on and one to set limits on: there is "
            f"{len(split.train)}; leave the holdout out"
        )
    if holdout:
        return NormalImages(*hold_out(split.train, holdout, seed), "holdout")
    if split.calibration is not None and len(split.calibration):
        return NormalImages(split.train, split.calibration, "validation")
    return NormalImages(split.train, split.train, "fitted")


def hold_out(normal: Images, share: float, seed: int) -> tuple[Images, Images]:
    """Normal images to fit on, and to calibrate on: the same ones, or a random share of them kept apart."""
    if not share:
        return normal, normal
    order = np.random.default_rng(seed).permutation(len(normal))
    kept = min(max(1, round(share * len(normal))), len(normal) - 1)
    return subset(normal, np.sort(order[kept:])), subset(normal, np.sort(order[:kept]))


def subset(images: Images, at: NDArray[np.intp]) -> Images:
    """The images at these indices. If they are large, they are in a temporary file, as they may not fit into memory."""
    shape = (len(at), *images.pixels.shape[1:])
    if math.prod(shape) < _IN_MEMORY:
        return images.take(at)
    with tempfile.TemporaryFile() as file:
        for index in at:
            file.write(np.ascontiguousarray(images.pixels[index]).data)
        file.flush()
        pixels = np.memmap(file, np.uint8, "r", shape=shape)
    names, kinds = (tuple(values[index] for index in at) for values in (images.paths, images.defects))
    return Images(pixels, names, kinds, None if images.masks is None else images.masks[at])
