"""Checks of the images and splits that a data set gives. If one fails, that category cannot be used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.api.values import Images, Split
from harness.printable import counted

_AT_A_TIME = 64
"""How many masks are checked together, so that the data set may be larger than memory."""


def fault_of_images(images: Images) -> str:
    """The reason why these images are invalid; empty if they are valid. The values of masks are not checked."""
    pixels, masks = images.pixels, images.masks
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        return f"pixels are {_described(pixels)}, expected uint8 of shape (N, H, W, 3)"
    count = len(pixels)
    if count and not pixels.size:
        return f"pixels are of shape {pixels.shape}: expected images of at least one pixel"
    for what, values in (("names", images.paths), ("defect kinds", images.defects)):
        if len(values) != count:
            return f"there are {counted(count, 'image')} and {len(values)} {what}: expected as many"
        odd = [value for value in values if not isinstance(value, str) or not value]
        if odd:
            return f"one of the {what} is {odd[0]!r:.60}: expected text"
    if len(set(images.paths)) != count:
        return f"{_repeated(images.paths)!r:.200} names two images: expected a name for each"
    if masks is not None and (
        not isinstance(masks, np.ndarray) or masks.dtype not in (np.uint8, bool) or masks.shape != pixels.shape[:3]
    ):
        return f"masks are {_described(masks)}, expected uint8 of shape {pixels.shape[:3]}, as the images have"
    if fault := _fault_of_boxes(images):
        return fault
    for name, known in images.facts.items():
        if len(known) != count:
            return f"there are {counted(count, 'image')}, and the fact {name!r:.60} of {len(known)}: expected as many"
    return ""


def _fault_of_boxes(images: Images) -> str:
    if images.boxes is None:
        return ""
    if images.boxes.shape != (len(images), 4):
        return f"boxes are {_described(images.boxes)}, expected (N, 4)"
    height, width = images.pixels.shape[1:3]
    for (top, left, bottom, right), path in zip(images.boxes.tolist(), images.paths, strict=True):
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            return f"{path!r:.200} fills rows {top} to {bottom} and columns {left} to {right} of {height} x {width}"
    return ""


def fault_of_split(split: object) -> str:
    """The reason why a split is invalid; empty if it is valid.

    It may have no test images: models can still be fitted and kept, but not ranked.
    """
    if not isinstance(split, Split):
        return f"it is {split!r:.60}, a {type(split).__name__}: expected a harness.Split"
    parts = {"train": split.train, "test": split.test, "calibration": split.calibration}
    for name, images in parts.items():
        if images is None and name == "calibration":
            continue
        if not isinstance(images, Images):
            return f"{name} is {images!r:.60}: expected harness.Images"
        if fault := fault_of_images(images):
            return f"{name}: {fault}"
        if name != "test" and images.labels.any():
            at = int(np.argmax(images.labels))
            return f"{name} has {images.paths[at]!r:.200} of defect kind {images.defects[at]!r:.60}: expected 'good'"
        if len(images) and images.pixels.shape[1:] != split.train.pixels.shape[1:]:
            return f"{name} has images of {_size(images)} and train of {_size(split.train)} pixels: expected one size"
        if fault := _fault_of_masks(images):
            return f"{name}: {fault}"
    return "" if len(split.train) else "there are no images to fit on: expected at least one"


def _fault_of_masks(images: Images) -> str:
    if images.masks is None:
        return ""
    for start in range(0, len(images), _AT_A_TIME):
        some = images.masks[start : start + _AT_A_TIME]
        if some.max(initial=0) > 1:
            at = start + int(np.argmax(some.reshape(len(some), -1).max(axis=1)))
            return f"the mask of {images.paths[at]!r:.200} has the value {images.masks[at].max()}: expected 0 and 1"
    return ""


def _size(images: Images) -> str:
    _, height, width, _ = images.pixels.shape
    return f"{height} x {width}"


def _described(array: object) -> str:
    if isinstance(array, np.ndarray):
        return f"{array.dtype} of shape {array.shape}"
    return f"{array!r:.60}"


def _repeated(names: Sequence[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
