"""The autoencoder of patches: dense layers that see one patch at a time, as 1x1 convolutions do."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from harness import Run
from harness_autoencoders import minimise, spawned_seeds

SAMPLED = 50_000
"""The largest number of patches for training, so that they fit into memory whatever the number of images."""
PER_IMAGE = 32
"""Patches in a batch for each image that the run's batch size asks for."""


class PatchAutoencoder(nn.Module):
    """Squares the error of each patch's reconstruction, in standard deviations of each feature."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, latent: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        channels = len(mean)
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


def explaining(sample: Tensor, std: Tensor, share: float) -> int:
    """How many principal components of the patches (M, C), in units of std, explain this share of their variance."""
    standard = ((sample - sample.mean(dim=0)) / std).double()
    together = standard.T @ standard
    if not together.isfinite().all():
        return len(together)  # training will say in which epoch the loss is not finite
    variances = torch.linalg.eigvalsh(together).flip(0).clamp_min(0)
    explained = variances.cumsum(0) / variances.sum().clamp_min(1e-300)
    return min(len(variances), int((explained < share).sum()) + 1)


def train(sample: Tensor, compression: int | None, explained: float, images: int, run: Run) -> PatchAutoencoder:
    """An autoencoder of the patches (M, C) of so many images. Raises TrainingError when the loss is not finite."""
    std = sample.std(dim=0, correction=0)
    # Otherwise a feature that hardly varies on normal images would dominate the error of anomalous ones.
    std = std.clamp_min(0.01 * float(std.mean()) + 1e-12)
    latent = explaining(sample, std, explained) if compression is None else max(1, sample.shape[1] // compression)
    network = PatchAutoencoder(sample.mean(dim=0), std, latent)
    network.to(run.device)
    order = torch.Generator().manual_seed(spawned_seeds(run.seed)[0])

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
