"""U-Nets: what is coarse and deep is enlarged step by step, and joined with what is finer."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_autoencoders import level_shapes

SKIPPED = (2, 4, 8, 16)
"""Reductions of the encoder's maps that the decoder sees."""


class UNet(nn.Module):
    """Any encoder with maps of reductions 2, 4, 8 and 16, and a decoder to an image."""

    def __init__(self, pyramid: nn.Module, image_size: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.pyramid = pyramid
        finest, *rest = (shape[0] for shape in level_shapes(pyramid, image_size))
        *skipped, deepest = rest
        inputs = [deepest, *widths[:3]]
        beside = [*reversed(skipped), finest, 0]
        self.stages = nn.ModuleList(
            nn.Conv2d(before + joined, width, 3, padding=1)
            for before, joined, width in zip(inputs, beside, widths, strict=True)
        )
        self.last = nn.Conv2d(widths[3], 3, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same."""
        *skipped, features = self.pyramid(images)
        for stage in self.stages:
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            if skipped:
                features = torch.cat([features, skipped.pop()], dim=1)
            features = stage(features).relu()
        output: Tensor = self.last(features)
        return output.float().sigmoid()


class Segmenter(nn.Module):
    """A U-Net of its own, from two images of each place to how certain a defect is there, before the sigmoid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        self.down = nn.ModuleList(_block(before, after) for before, after in pairwise((6, *widths)))
        self.up = nn.ModuleList(_block(after + before, before) for before, after in pairwise(widths))
        self.last = nn.Conv2d(width, 1, 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, both: Tensor) -> Tensor:
        """(N, 6, H, W) to (N, H, W)."""
        maps: list[Tensor] = []
        for block in self.down:
            both = block(functional.max_pool2d(maps[-1], 2) if maps else both)
            maps.append(both)
        features = maps.pop()
        for block in reversed(self.up):
            finer = maps.pop()
            enlarged = functional.interpolate(features, size=finer.shape[2:], mode="nearest")
            features = block(torch.cat([enlarged, finer], dim=1))
        logits: Tensor = self.last(features)
        return logits[:, 0].float()


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
