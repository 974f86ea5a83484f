"""A network that others learn from."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Frozen(nn.Module):
    """Stays as it is, in eval mode and without gradients, whatever is done with the network around it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.freeze()

    def freeze(self) -> None:
        """Let nothing of it be learned from now on."""
        self.network.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Frozen:
        """Stay in eval mode: statistics of batches would change what is to be learned."""
        return super().train(False)

    def forward(self, images: torch.Tensor) -> Any:
        """What the network gives."""
        with torch.no_grad():
            return self.network(images)
