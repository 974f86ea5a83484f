"""The variational autoencoder. torch is imported when one is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from harness import Encoder
from harness_autoencoders import Reconstruction

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness_autoencoders import Autoencoder
    from harness_reconstruction.variational_network import VariationalAutoencoder


@dataclass
class VAE(Reconstruction):
    """Variational autoencoder: reconstructs from the mean of latents that are kept near a standard Gaussian."""

    name = "vae"
    licence = "MIT"
    source = "https://arxiv.org/abs/1312.6114 (Kingma and Welling, ICLR 2014)"

    beta: float = 1.0
    """The weight of the divergence in nats, divided by how many numbers an image has, as the loss is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta < 0:
            raise ValueError(f"beta is {self.beta:g}, expected 0 or more")
        if self.bottleneck == "none":
            raise ValueError("bottleneck is 'none', but the latents of a vae are a dense bottleneck: expected dense")

    def _resolved_bottleneck(self, encoder: Encoder | None) -> str:
        return "dense"

    def _autoencoder(self, encoder: nn.Module, image_size: int, latent_dim: int | None) -> Autoencoder:
        from harness_reconstruction.variational_network import VariationalAutoencoder

        assert latent_dim is not None
        return VariationalAutoencoder(
            encoder, image_size, widths=self.widths, latent_dim=latent_dim, attention=self.attention
        )

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        from harness_reconstruction.variational_network import divergence, drawn

        network = cast("VariationalAutoencoder", self._network)
        mean, log_variance = network.distribution(clean)
        output = network.decode(drawn(mean, log_variance, generator))
        return self._error(output, clean) + self.beta * divergence(mean, log_variance).mean() / clean[0].numel()
