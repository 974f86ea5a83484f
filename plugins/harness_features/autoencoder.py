"""The autoencoder of patches: dense layers that see one patch at a time, as 1x1 convolutions do."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from harness import Run
from harness_autoencoders import minimise

SAMPLED = 50_000
"""The largest number of patches for training, so that they fit into memory whatever the number of images."""
PER_IMAGE = 32
"""Patches in a batch for each image that the run's batch size asks for."""


class PatchAutoencoder(nn.Module):
    """Squares the error of each patch's reconstruction, in standard deviations of each feature."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, compression: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        channels = len(mean)
        latent = max(1, channels // compression)
        between = (channels + latent) // 2
        widths = (channels, between, 2 * latent, latent, 2 * latent, between, channels)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, patches: Tensor) -> Tensor:
        """(..., C) to (...)."""
        standard = (patches - self.mean) / self.std
        reconstructed: Tensor = self.layers(standard)
        return (reconstructed - standard).square().mean(dim=-1)


def train(sample: Tensor, compression: int, images: int, run: Run) -> PatchAutoencoder:
    """An autoencoder of the patches (M, C) of so many images. Raises TrainingError when the loss is not finite."""
    std = sample.std(dim=0, correction=0)
    # Otherwise a feature that hardly varies on normal images would dominate the error of anomalous ones.
    std = std.clamp_min(0.01 * float(std.mean()) + 1e-12)
    network = PatchAutoencoder(sample.mean(dim=0), std, compression)
    network.to(run.device)
    order = torch.Generator().manual_seed(run.seed)

    def batches() -> Iterable[Tensor]:
        shuffled = torch.randperm(len(sample), generator=order).to(sample.device)
        return torch.split(shuffled, PER_IMAGE * run.batch_size)

    minimise(
        lambda chosen: network(sample[chosen]).mean(),
        batches,
        torch.optim.Adam(network.parameters(), lr=run.learning_rate),
        run,
        items=len(sample),
        images=images,
    )
    return network.eval()
