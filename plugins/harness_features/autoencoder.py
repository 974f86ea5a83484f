"""The autoencoder of patches: dense layers, which a patch passes on its own, as 1x1 convolutions would have it."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from harness import Progress, Run, TrainingError

SAMPLED = 50_000
"""Patches that it is trained on, at most, so that they stay in memory whatever the number of images."""
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
    # A feature that hardly varies on normal images must not drown all others in the error of anomalous ones.
    std = std.clamp_min(0.01 * float(std.mean()) + 1e-12)
    network = PatchAutoencoder(sample.mean(dim=0), std, compression)
    network.to(run.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=run.learning_rate)
    generator = torch.Generator().manual_seed(run.seed)
    size = PER_IMAGE * run.batch_size
    for epoch in range(1, run.epochs + 1):
        order = torch.randperm(len(sample), generator=generator).to(sample.device)
        total = torch.zeros((), device=sample.device)
        for batch in torch.split(order, size):
            with torch.autocast(sample.device.type, torch.bfloat16, enabled=run.precision == "bf16"):
                loss = network(sample[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        mean = float(total) / len(sample)
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is {mean} in epoch {epoch}: try a lower learning rate than {run.learning_rate}"
            )
        run.report(Progress(epoch, run.epochs, mean, images))
    return network.eval()
