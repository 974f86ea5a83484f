"""What the harness relies on in a defect: it changes the part alone, the same way for the same seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray
from harness.api.defects import Defect
from harness.testing.parts import Check, fresh


def checks(defect: Defect) -> Iterator[Check]:
    """The checks that apply to this defect."""
    yield check_changes_pixels_where_it_says_and_nowhere_else
    yield check_lies_on_the_part
    yield check_equal_seeds_paint_equal_defects
    yield check_leaves_the_image_unchanged


def check_changes_pixels_where_it_says_and_nowhere_else(defect: Defect) -> None:
    """Some pixels change, by most where the mask says; none changes that is not on the part."""
    pixels, part = _image()
    painted, mask = defect.paint(pixels, part, np.random.default_rng(0))
    assert painted.shape == pixels.shape, f"an image of {pixels.shape} became one of {painted.shape}"
    assert painted.dtype == np.uint8, f"pixels are {painted.dtype}, expected uint8"
    assert mask.shape == part.shape, f"the mask is {mask.shape}, expected {part.shape}"
    changed = (painted != pixels).any(axis=2)
    assert changed.any(), "no pixel changed: expected a defect that can be seen"
    assert mask.any(), "the mask marks nothing"
    assert not (changed & ~part).any(), f"{int((changed & ~part).sum())} pixels changed that are not on the part"


def check_lies_on_the_part(defect: Defect) -> None:
    """The mask marks no pixel beside the part."""
    pixels, part = _image()
    for seed in range(5):
        _, mask = defect.paint(pixels, part, np.random.default_rng(seed))
        assert not (mask & ~part).any(), "the mask marks pixels that are not on the part"


def check_equal_seeds_paint_equal_defects(defect: Defect) -> None:
    """Chance comes from the generator that it is given, and from nothing else."""
    pixels, part = _image()
    first, again, other = (
        one.paint(pixels, part, np.random.default_rng(seed))[0]
        for one, seed in ((defect, 3), (fresh(defect), 3), (fresh(defect), 4))
    )
    assert np.array_equal(first, again), "the same seed painted another defect"
    assert not np.array_equal(first, other), "another seed painted the same defect"


def check_leaves_the_image_unchanged(defect: Defect) -> None:
    """It paints onto a copy: the image itself is used again."""
    pixels, part = _image()
    before = pixels.copy()
    defect.paint(pixels, part, np.random.default_rng(0))
    assert np.array_equal(pixels, before), "the image that was given has changed"


def _image() -> tuple[NDArray[np.uint8], BoolArray]:
    """A grey round part with some grain before a bright ground."""
    random = np.random.default_rng(0)
    y, x = np.ogrid[:64, :64]
    part = np.hypot(y - 32, x - 32) < 24
    pixels = np.where(part[..., None], 110 + random.normal(0, 8, (64, 64, 3)), 240.0)
    return np.rint(pixels).astype(np.uint8), part
