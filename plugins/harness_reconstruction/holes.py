"""Images with complementary holes, and what a network fills in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from harness import Loss
from harness_autoencoders import ReconstructionError


def partition(side: int, cell: int, parts: int, seed: int | Sequence[int]) -> Tensor:
    """(parts, side, side), 1 where a part hides the pixel: squares of `cell` pixels, each hidden in exactly one part.

    Which one is drawn by chance, so that all parts hide equally many squares, give or take one (section 3.1).
    """
    cells = -(-side // cell)
    order = np.random.default_rng(seed).permutation(cells * cells).reshape(cells, cells) % parts
    of_pixels = np.repeat(np.repeat(order, cell, axis=0), cell, axis=1)[:side, :side]
    return torch.from_numpy((of_pixels == np.arange(parts)[:, None, None]).astype(np.float32))


def inpainted(network: nn.Module, images: Tensor, hidden: Tensor) -> Tensor:
    """Images (N, 3, H, W), each pixel as the network makes it where it is hidden (P, H, W)."""
    whole = torch.zeros_like(images)
    for part in hidden.unbind():
        whole = whole + network(images * (1 - part)) * part
    return whole


class InpaintingError(ReconstructionError):
    """The mean of the error maps of images inpainted by several partitions, smoothed."""

    def __init__(self, network: nn.Module, loss: Loss, hidden: Sequence[Tensor], smoothing: int) -> None:
        super().__init__(network, loss)
        self.smoothing = smoothing
        self.register_buffer("hidden", torch.stack(list(hidden)), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, H, W)."""
        hidden = self.get_buffer("hidden").unbind()
        errors = [self._loss.error_map(inpainted(self.autoencoder, images, one), images) for one in hidden]
        mean = torch.stack(errors).mean(dim=0)
        return smoothed(mean, self.smoothing)


def smoothed(maps: Tensor, side: int) -> Tensor:
    """Maps (N, H, W), each value the mean over a square around it, of what lies in the map."""
    if side == 1:
        return maps
    return nn.functional.avg_pool2d(maps[:, None], side, stride=1, padding=side // 2, count_include_pad=False)[:, 0]
