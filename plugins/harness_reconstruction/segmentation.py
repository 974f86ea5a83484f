"""The two networks of DRAEM: one restores an image, one says from both where it was defective."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_autoencoders import Autoencoder
from harness_reconstruction.holes import smoothed
from harness_reconstruction.unet import Segmenter

FOCUS = 2.0
"""The exponent of the focal loss, as Lin et al. have it."""


PRIOR = -4.0
"""The logit of a place about which nothing is known yet: most have no defect."""
GAIN = 10.0
"""How much the logit rises with the error of the restored image, before anything is learned."""


class RestoredAndSegmented(nn.Module):
    """An autoencoder, and a segmenter that sees the image and what became of it.

    The segmenter corrects the plain difference of the two, with which it starts: short fits are then worth something.
    """

    def __init__(self, restoring: Autoencoder, width: int) -> None:
        super().__init__()
        self.restoring, self.segmenting = restoring, Segmenter(width)
        self.prior, self.gain = nn.Parameter(torch.tensor(PRIOR)), nn.Parameter(torch.tensor(GAIN))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1] to the same, restored, and logits (N, H, W)."""
        restored = self.restoring(images)
        apart = (images - restored).abs().mean(dim=1)
        return restored, self.segmenting(torch.cat([images, restored], dim=1)) + self.gain * apart + self.prior


class DefectMap(nn.Module):
    """How likely a defect is at each pixel, smoothed."""

    def __init__(self, network: RestoredAndSegmented, smoothing: int) -> None:
        super().__init__()
        self.network, self.smoothing = network, smoothing

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, H, W) in [0, 1]."""
        _, logits = self.network(images)
        return smoothed(logits.sigmoid(), self.smoothing)


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """The mean focal loss of logits (N, H, W) for targets of 0 and 1 (Lin et al., https://arxiv.org/abs/1708.02002)."""
    surprise = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return ((1 - (-surprise).exp()) ** FOCUS * surprise).mean()
