"""Corruptions: what light, camera and mounting do to a photo, so that the part is as it was and the photo is not."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from harness.api.parts import Part

SEVERITIES = (1, 2, 3, 4, 5)


class Corruption(Part):
    """Makes one kind of change to a whole photo. Subclasses are dataclasses with the option `severity`."""

    kind = "corruption"
    severity: int = 3
    """From 1, which a person hardly sees, to 5, which nobody would leave as it is. To be an option, as a field."""

    @abstractmethod
    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A changed copy of the photo (H, W, 3). Chance comes from `random` alone: equal seeds give equal photos."""

    @property
    def amount(self) -> str:
        """How much this severity is, for people, such as `20 % brighter or darker`; empty where there is no unit."""
        return ""
