"""Images with easy anomalies, and the simplest encoder and loss: what the checks give to a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.api import GOOD, Encoder, Images, Loss, Run
from harness.errors import UnavailableError

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZE = 64
"""Height and width of the toy images, in pixels."""


def toy_images(count: int, defective: int = 0, *, seed: int = 0, size: int = SIZE) -> Images:
    """Smooth images that differ little; the last `defective` of them bear a bright square, which their mask shows."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    phase = rng.normal(scale=0.2, size=(count, 1, 1, 3))
    values = 110 + 25 * np.sin(2 * np.pi * (x + y)[None, :, :, None] + phase) + rng.normal(size=(count, size, size, 3))
    masks = np.zeros((count, size, size), dtype=np.uint8)
    side = size // 4
    for mask in masks[count - defective :]:
        top, left = rng.integers(0, size - side, 2)
        mask[top : top + side, left : left + side] = 1
    values[masks == 1] = 240
    return Images(
        pixels=values.round().clip(0, 255).astype(np.uint8),
        paths=tuple(f"toy/{seed}/{i:03d}.png" for i in range(count)),
        defects=(GOOD,) * (count - defective) + ("square",) * defective,
        masks=masks,
    )


class ToyEncoder(Encoder):
    """Four strided 3x3 convolutions of 8 channels, with random weights; maps of reductions 2, 4, 8 and 16."""

    name = "toy"
    licence = "MIT"
    reduction = 16

    def build(self, run: Run) -> nn.Module:
        """A module of 8 channels and reduction 16."""
        from harness.testing.toy_networks import Convolutions

        return Convolutions()

    def build_pyramid(self, run: Run, reductions: tuple[int, ...]) -> nn.Module:
        """A module of 8 channels at each level. Raises UnavailableError for reductions that it has not."""
        from harness.testing.toy_networks import ConvolutionPyramid

        if not set(reductions) <= {2, 4, 8, 16}:
            raise UnavailableError(f"encoder 'toy' has maps of reductions 2, 4, 8 and 16, not {reductions}")
        return ConvolutionPyramid(reductions)


class ToyLoss(Loss):
    """The squared error, averaged over the channels."""

    name = "toy"
    licence = "MIT"

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W)."""
        return (output - target).square().mean(dim=1)


class NeedsPreparing(ToyLoss):
    """A loss that has a network to build, like perceptual ones."""

    name = "needs_preparing"

    def __init__(self) -> None:
        self.prepared = False

    def prepare(self, run: Run) -> None:
        """Build nothing, but allow the loss to be used from now on."""
        self.prepared = True

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W). Raises AssertionError before `prepare` was called."""
        assert self.prepared, "the loss was used before prepare(run) was called"
        return super().error_map(output, target)


class NotANumber(ToyLoss):
    """A loss that is never a number."""

    name = "not_a_number"

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice to (N, H, W), nan at each pixel."""
        return super().error_map(output, target) * float("nan")
