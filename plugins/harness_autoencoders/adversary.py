"""The opponent of a reconstruction model: a small network that learns to tell its images from real ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import Run

WIDTHS = (32, 64, 128)


class PatchDiscriminator(nn.Module):
    """Judges patches of 22 pixels: towards 1 where they look real, towards 0 where they were made (pix2pix)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.judge = nn.Conv2d(WIDTHS[-1], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, 1, H/8, W/8)."""
        verdicts: Tensor = self.judge(self.features(images))
        return verdicts


class Adversary:
    """A discriminator that takes one step of its own whenever it has judged; losses are least squares (Mao, 2017)."""

    def __init__(self, run: Run) -> None:
        self.discriminator = PatchDiscriminator().to(run.device).to(memory_format=torch.channels_last)
        # The decay rates are those of DCGAN and pix2pix: with Adam's own, both sides swing.
        self.optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=run.learning_rate, betas=(0.5, 0.999))
        self.steps = 0

    def learn(self, made: Tensor, real: Tensor) -> None:
        """One step towards telling images that were made from real ones, (N, 3, H, W) each."""
        self.discriminator.requires_grad_(True)
        of_real, of_made = self.discriminator(real), self.discriminator(made.detach())
        loss = ((of_real - 1).square().mean() + of_made.square().mean()) / 2
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.discriminator.requires_grad_(False)
        self.steps += 1

    def suspicion(self, made: Tensor) -> Tensor:
        """How far it is from taking these images for real: 0 where it does."""
        verdicts: Tensor = self.discriminator(made)
        return (verdicts - 1).square().mean()

    def difference(self, made: Tensor, real: Tensor) -> Tensor:
        """The mean squared difference of its features of these images and of those (feature matching)."""
        apart: Tensor = self.discriminator.features(made) - self.discriminator.features(real)
        return apart.square().mean()
