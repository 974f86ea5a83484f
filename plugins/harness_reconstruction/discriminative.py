"""Reconstruct, then segment. torch is imported when it is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from harness import Defect, Encoder, Loss, Run
from harness_autoencoders import Reconstruction, Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness_autoencoders import Autoencoder
    from harness_reconstruction.segmentation import RestoredAndSegmented


@dataclass
class Discriminative(Reconstruction):
    """Restores images with painted defects, and learns from both where the defects were (DRAEM's idea)."""

    name = "discriminative"
    licence = "MIT"
    source = "https://arxiv.org/abs/2108.07610 (DRAEM: Zavrtanik, Kristan and Skocaj, ICCV 2021)"
    default_pool = "max"

    defect: Defect | None = None
    """The kind of painted defect; by default all built-in kinds, of random size and contrast."""
    share: float = 0.5
    """The share of training images that a defect is painted on."""
    width: int = 16
    """Channels of the segmenting network at the size of the image; they double twice."""
    smoothing: int = 21
    """Side in pixels of the square over which a map is averaged; 1 leaves it as it is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share:g}, expected a share above 0 and up to 1")
        if self.width < 1:
            raise ValueError(f"width is {self.width}, expected at least 1 channel")
        if self.smoothing < 1 or self.smoothing % 2 == 0:
            raise ValueError(f"smoothing is {self.smoothing}, expected an odd number of pixels such as 21, or 1")

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to how likely a defect is at each pixel, (N, H, W)."""
        from harness_reconstruction.segmentation import DefectMap

        return DefectMap(cast("RestoredAndSegmented", self._network), self.smoothing)

    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> nn.Module:
        from harness_reconstruction.segmentation import RestoredAndSegmented

        restoring = cast("Autoencoder", super()._build(encoder, loss, run, weights))
        return RestoredAndSegmented(restoring, self.width)

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        from harness_reconstruction.painting import painted
        from harness_reconstruction.segmentation import focal

        network = cast("RestoredAndSegmented", self._network)
        seed = int(torch.randint(2**31, (1,), generator=generator, device=clean.device))
        given, masks = painted(clean, self.defect, self.share, np.random.default_rng(seed))
        restored, logits = network(given)
        return self._error(restored, clean) + focal(logits, masks)
