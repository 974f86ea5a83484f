"""Noise on images: for training from one generator, for scoring from the image itself."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def corrupt(images: Tensor, noise: str, level: float, generator: torch.Generator) -> Tensor:
    """(N, 3, H, W) in [0, 1] to a corrupted copy in [0, 1].

    `gaussian` adds noise of standard deviation `level`; `masking` blackens a share `level` of the pixels;
    `salt_pepper` turns half of that share white.
    """
    count, channels, height, width = images.shape
    planes = channels if noise == "gaussian" else 1
    # Drawn as (N, H, W, C) and turned round: into a tensor that looks contiguous torch draws eight times as fast.
    drawn = torch.empty(count, height, width, planes, device=images.device)
    if noise == "gaussian":
        return drawn.normal_(0, level, generator=generator).permute(0, 3, 1, 2).add_(images).clamp_(0, 1)
    drawn = drawn.uniform_(generator=generator).permute(0, 3, 1, 2)
    corrupted = images.masked_fill(drawn < level, 0)
    return corrupted.masked_fill_(drawn < level / 2, 1) if noise == "salt_pepper" else corrupted


def corrupt_by_content(images: Tensor, pixels: NDArray[np.uint8], noise: str, level: float, seed: int) -> Tensor:
    """The same for images made of pixels (N, H, W, 3): the noise depends on each image's own pixels and the seed."""
    key = str(seed).encode()
    corrupted = []
    for image, values in zip(images.cpu(), pixels, strict=True):
        digest = hashlib.blake2b(values.tobytes(), digest_size=7, key=key).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
        corrupted.append(corrupt(image[None], noise, level, generator))
    return torch.cat(corrupted).to(images.device)
