"""Training images with defects painted on them."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from harness import Defect
from harness_defects import harness_defects

SIZES = (0.05, 0.4)
"""Between which shares of the image's side the size of a defect is drawn, evenly in their logarithms."""
CONTRASTS = (0.2, 1.0)


def painted(clean: Tensor, defect: Defect | None, share: float, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) in [0, 1], of which about this share bear a defect, and where it is (N, H, W), 0 or 1."""
    pixels = (clean * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    given, masks = pixels.copy(), np.zeros(pixels.shape[:3], dtype=np.float32)
    everywhere = np.ones(pixels.shape[1:3], dtype=bool)
    for row in np.flatnonzero(random.random(len(pixels)) < share):
        given[row], where = (defect or _any(random)).paint(pixels[row], everywhere, random)
        masks[row] = where
    images = torch.from_numpy(given).to(clean.device).permute(0, 3, 1, 2).float() / 255
    return images, torch.from_numpy(masks).to(clean.device)


def _any(random: np.random.Generator) -> Defect:
    kind = _kinds()[random.integers(len(_kinds()))]
    low, high = np.log(SIZES)
    return kind(size=float(np.exp(random.uniform(low, high))), contrast=float(random.uniform(*CONTRASTS)))  # type: ignore[call-arg]


@cache
def _kinds() -> tuple[type[Defect], ...]:
    return tuple(harness_defects())
