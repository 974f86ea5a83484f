"""The network, apart from the model because it imports torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harness_autoencoders import Decoder


class VariationalNetwork(nn.Module):
    """An encoder to the mean and log variance of a Gaussian, and a decoder from its samples."""

    def __init__(self, encoder: nn.Module, image_size: int, latent_dim: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        side = image_size // int(encoder.reduction)  # type: ignore[arg-type]
        self.encoder = encoder
        self.shape = (widths[0], side, side)
        self.statistics = nn.Linear(int(encoder.channels) * side * side, 2 * latent_dim)  # type: ignore[arg-type]
        self.expand = nn.Linear(latent_dim, math.prod(self.shape))
        self.decoder = Decoder(widths[0], widths, "none")

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same, from the latent mean: no chance has a part in it."""
        return self.decode(self.encode(images)[0])

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1] to mean and log variance, (N, latent_dim) each."""
        mean, log_variance = self.statistics(self.encoder(images).flatten(1)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 10)

    def decode(self, latent: Tensor) -> Tensor:
        """(N, latent_dim) to (N, 3, H, W) in [0, 1]."""
        features = self.expand(latent).relu().view(-1, *self.shape)
        output: Tensor = self.decoder(features.contiguous(memory_format=torch.channels_last))
        return output
