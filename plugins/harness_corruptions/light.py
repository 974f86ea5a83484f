"""What another light does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness_corruptions.graded import Graded, rounded, sign


@dataclass
class Brightness(Graded):
    """More or less light, or a longer or shorter exposure: every grey level times the same factor."""

    name = "brightness"
    source = "after Hendrycks and Dietterich, ICLR 2019 (https://arxiv.org/abs/1903.12261), with a factor"
    amounts = (5, 10, 20, 35, 60)
    words = "{} % brighter or darker"
    towards: Literal["either", "brighter", "darker"] = "either"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A brighter or darker copy."""
        return rounded(pixels * (1 + sign(random, self.towards, "brighter", "darker") * self._amount / 100))


@dataclass
class Contrast(Graded):
    """Stray light or haze: grey levels move towards their mean."""

    name = "contrast"
    source = "after Hendrycks and Dietterich, ICLR 2019 (https://arxiv.org/abs/1903.12261)"
    amounts = (10, 20, 35, 50, 70)
    words = "{} % less contrast"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A flatter copy."""
        mean = pixels.mean()
        return rounded(mean + (pixels - mean) * (1 - self._amount / 100))


@dataclass
class Colour(Graded):
    """A warmer or cooler lamp, or another white balance: more red and less blue, or the other way round."""

    name = "colour"
    source = "white balance by one gain a channel (von Kries, 1902)"
    amounts = (3, 6, 10, 17, 28)
    words = "{} % warmer or cooler"
    towards: Literal["either", "warmer", "cooler"] = "either"

    def apply(self, pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A copy of another tint."""
        step = sign(random, self.towards, "warmer", "cooler") * self._amount / 100
        return rounded(pixels * np.array([1 + step, 1.0, 1 - step]))
