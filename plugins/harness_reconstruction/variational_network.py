"""The autoencoder whose latent is a Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness_autoencoders import Autoencoder

LIMIT = 10.0
"""Log-variances are kept within this, so that the exponential of no batch overflows."""


class VariationalAutoencoder(Autoencoder):
    """Encodes an image as the mean of its latent Gaussian, so that scores have no chance in them."""

    def __init__(
        self, encoder: nn.Module, image_size: int, *, widths: tuple[int, ...], latent_dim: int, attention: str
    ) -> None:
        super().__init__(encoder, image_size, widths=widths, latent_dim=latent_dim, attention=attention)
        assert self.bottleneck is not None
        self.log_variance = nn.Linear(self.bottleneck.down.in_features, latent_dim)

    def distribution(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1] to the mean and the log-variance of each latent number, (N, latent_dim) each."""
        assert self.bottleneck is not None
        features = self.encoder(images)
        log_variance: Tensor = self.log_variance(features.flatten(1))
        return self.bottleneck.encode(features), log_variance.clamp(-LIMIT, LIMIT)


def drawn(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """One latent (N, D) from each Gaussian, differentiable in both (section 2.4)."""
    return mean + (log_variance / 2).exp() * torch.empty_like(mean).normal_(generator=generator)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The Kullback-Leibler divergence (N,) of each Gaussian (N, D) from the standard one, in nats (appendix B)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
