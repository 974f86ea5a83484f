"""A loss between squared and absolute error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Charbonnier(Loss):
    """The absolute error, rounded off near 0 so that its gradient vanishes there."""

    name = "charbonnier"
    licence = "MIT"
    source = "Charbonnier et al. 1994, https://doi.org/10.1109/ICIP.1994.413553"
    epsilon: float = 0.01
    """Errors below it count as if they were squared."""

    def __post_init__(self) -> None:
        if self.epsilon <= 0:
            raise ValueError(f"epsilon is {self.epsilon:g}, expected a number above 0")

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W)."""
        smooth = ((output - target).square() + self.epsilon**2).sqrt() - self.epsilon
        return smooth.mean(dim=1)
