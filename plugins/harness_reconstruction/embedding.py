"""An autoencoder, and a second encoder that embeds what it reconstructs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness_autoencoders import Autoencoder


class EncoderDecoderEncoder(nn.Module):
    """The generator of GANomaly, followed by its second encoder."""

    usual: Tensor

    def __init__(self, generator: Autoencoder, encoder: nn.Module) -> None:
        super().__init__()
        assert generator.bottleneck is not None
        self.generator, self.encoder = generator, encoder
        self.down = nn.Linear(generator.bottleneck.down.in_features, generator.bottleneck.down.out_features)
        # It starts as the first encoder: from weights of its own, the distance of the latents would say nothing of
        # images until both had come together.
        self.encoder.load_state_dict(generator.encoder.state_dict())
        self.down.load_state_dict(generator.bottleneck.down.state_dict())
        self.register_buffer("usual", torch.zeros(self.down.out_features))
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1] to latents (N, D), reconstructions (N, 3, H, W), and the latents of these (N, D)."""
        latent = self.generator.encode(images)
        output = self.generator.decode(latent)
        return latent, output, self.down(self.encoder(output).flatten(1))

    def apart(self, images: Tensor) -> Tensor:
        """How far both latents (N, D) of images are apart, less what is usual."""
        latent, _, again = self(images)
        difference: Tensor = latent - again - self.usual
        return difference


class LatentDistance(nn.Module):
    """The mean absolute distance of both latents (section 3.3), less their mean difference on normal images.

    Training brings that mean to nought. Where it was short, the mean would hide what sets one image apart.
    """

    def __init__(self, network: EncoderDecoderEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N,)."""
        return self.network.apart(images).abs().mean(dim=1)
