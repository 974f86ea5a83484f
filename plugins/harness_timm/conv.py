"""The module behind `conv`, apart from timm's, whose import takes as long as that of torch."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from harness_timm.fused import pooled


class ConvPyramid(nn.Module):
    """The paper's encoder: a convolution, max-pooling and ReLU for each width."""

    def __init__(self, widths: tuple[int, ...], reductions: tuple[int, ...]) -> None:
        super().__init__()
        self.reductions = reductions
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in zip((3, *widths), widths, strict=False)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] to (N, width, H/r, W/r) for each reduction r."""
        maps, reduction = {1: images}, 1
        for convolution in self.convolutions:
            # Whoever asks for gradients in the images may differentiate them again, as a contractive penalty does.
            maps[2 * reduction] = pooled(cast("nn.Conv2d", convolution), maps[reduction], twice=images.requires_grad)
            reduction *= 2
        return [maps[reduction] for reduction in self.reductions]


class ConvNetwork(ConvPyramid):
    """Only the last map of a ConvPyramid."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__(widths, (2 ** len(widths),))
        self.channels, self.reduction = widths[-1], 2 ** len(widths)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """(N, 3, H, W) in [0, 1] to (N, channels, H/reduction, W/reduction)."""
        return super().forward(images)[0]
