"""The networks of the toy encoder, in a module of their own because they import torch."""

from __future__ import annotations

from torch import Tensor, nn

CHANNELS = 8


class Convolutions(nn.Module):
    """(N, 3, H, W) to (N, 8, H/16, W/16)."""

    channels = CHANNELS
    reduction = 16

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, CHANNELS, 3, stride=2, padding=1), nn.ReLU())
            for width in (3, CHANNELS, CHANNELS, CHANNELS)
        )

    def forward(self, images: Tensor) -> Tensor:
        """The last feature map."""
        for stage in self.stages:
            images = stage(images)
        return images


class ConvolutionPyramid(Convolutions):
    """(N, 3, H, W) to a list of (N, 8, H/r, W/r)."""

    def __init__(self, reductions: tuple[int, ...]) -> None:
        super().__init__()
        self.reductions = reductions

    def forward(self, images: Tensor) -> list[Tensor]:  # type: ignore[override]
        """The feature maps of the reductions asked for."""
        maps = {}
        for level, stage in enumerate(self.stages, start=1):
            images = stage(images)
            maps[2**level] = images
        return [maps[reduction] for reduction in self.reductions]
