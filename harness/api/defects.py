"""Synthetic defects: painted onto photos of good parts, to see what a detector finds before real ones are there."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from harness.api.parts import Part
from harness.api.values import BoolArray


class Defect(Part):
    """Paints one kind of defect. Subclasses are dataclasses with the options `size` and `contrast`."""

    kind = "defect"
    size: float = 0.1
    """Of its longest side, as a share of the image's side, above 0 and up to 1. To be an option, as a field."""
    contrast: float = 0.5
    """How far it differs from what lies below, from 0 (not at all) to 1. To be an option, as a field."""

    @abstractmethod
    def paint(
        self, pixels: NDArray[np.uint8], part: BoolArray, random: np.random.Generator
    ) -> tuple[NDArray[np.uint8], BoolArray]:
        """A copy of the image (H, W, 3) with one defect, and where it is (H, W): inside `part` (H, W) alone.

        Chance comes from `random` alone, so that equal seeds paint equal defects.
        """
