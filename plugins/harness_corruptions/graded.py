"""What all corruptions here share: five severities, each of which stands for an amount in a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness import Corruption


@dataclass
class Graded(Corruption):
    """A corruption whose severities are five amounts."""

    licence = "MIT"
    amounts: ClassVar[tuple[float, float, float, float, float]]
    """The amount of each severity, ascending in what it does."""
    words: ClassVar[str]
    """The amount for people, which stands for `{}`."""
    severity: int = 3

    def __post_init__(self) -> None:
        if self.severity not in (1, 2, 3, 4, 5):
            raise ValueError(f"severity is {self.severity}, expected 1 to 5")

    @property
    def amount(self) -> str:
        """As `20 % brighter or darker`."""
        return self.words.format(f"{self._amount:g}")

    @property
    def _amount(self) -> float:
        return self.amounts[self.severity - 1]


def rounded(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Grey levels as a photo holds them: whole numbers from 0 to 255."""
    return np.asarray(np.rint(np.clip(values, 0, 255)), dtype=np.uint8)


def sign(random: np.random.Generator, towards: str, up: str, down: str) -> int:
    """1 for the one direction and -1 for the other; drawn where either will do."""
    drawn = int(random.choice((-1, 1)))
    return {up: 1, down: -1}.get(towards, drawn)
