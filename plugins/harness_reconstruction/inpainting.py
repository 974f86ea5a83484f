"""Reconstruction by inpainting. torch is imported when it is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from harness import Encoder, Loss, Run
from harness_autoencoders import TrainedModel, Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness_reconstruction.unet import UNet


@dataclass
class Inpainting(TrainedModel):
    """Every pixel is reconstructed from an image in which it is hidden, by a U-Net on the encoder's maps (RIAD)."""

    name = "inpainting"
    licence = "MIT"
    source = "https://doi.org/10.1016/j.patcog.2020.107706 (RIAD: Zavrtanik et al., Pattern Recognition 2021)"
    default_pool = "max"

    cells: tuple[int, ...] = (2, 4, 8, 16)
    """Sides in pixels of the squares that are hidden; a step draws one of them, and a score is the mean over all."""
    parts: int = 3
    """How many images with complementary holes an image becomes."""
    widths: tuple[int, ...] = (128, 64, 32, 16)
    """Channels of the four convolutions of the decoder."""
    smoothing: int = 21
    """Side in pixels of the square over which a map is averaged; 1 leaves it as it is."""

    def __post_init__(self) -> None:
        if not self.cells or min(self.cells) < 1:
            raise ValueError(f"cells are {self.cells}, expected sides in pixels such as 2-4-8-16")
        if self.parts < 2:
            raise ValueError(f"parts is {self.parts}, expected at least 2: a pixel is seen in all but one")
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise ValueError(f"widths are {self.widths}, expected four positive numbers such as 128-64-32-16")
        if self.smoothing < 1 or self.smoothing % 2 == 0:
            raise ValueError(f"smoothing is {self.smoothing}, expected an odd number of pixels such as 21, or 1")

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to the mean error maps (N, H, W) of what was filled in."""
        from harness_reconstruction.holes import InpaintingError, partition

        size, seed = self._run.image_size, self._run.seed
        hidden = [partition(size, cell, self.parts, (seed, cell)) for cell in self.cells]
        return InpaintingError(self._network, self._loss, hidden, self.smoothing).to(self._run.device)

    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> nn.Module:
        from harness_reconstruction.unet import SKIPPED, UNet

        if encoder is None or loss is None:
            raise TypeError(f"{self.name} takes an encoder and a loss")
        self._loss = loss
        return UNet(encoder.build_pyramid(replace(run, weights=weights), SKIPPED), run.image_size, self.widths)

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        from harness_reconstruction.holes import inpainted, partition

        network = cast("UNet", self._network)
        drawn = torch.randint(2**31, (2,), generator=generator, device=clean.device).tolist()
        cell = self.cells[drawn[0] % len(self.cells)]
        hidden = partition(clean.shape[2], cell, self.parts, drawn[1]).to(clean.device)
        return self._loss(inpainted(network, clean, hidden), clean)
