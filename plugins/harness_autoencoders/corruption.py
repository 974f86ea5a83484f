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
    count, _, height, width = images.shape
    return apply(images, draw(count, height, width, noise, level, generator), noise, level)


def draw(count: int, height: int, width: int, noise: str, level: float, generator: torch.Generator) -> Tensor:
    """The random numbers for `apply`: (N, 3, H, W) to be added for `gaussian`, otherwise (N, 1, H, W) in [0, 1)."""
    planes = 3 if noise == "gaussian" else 1
    # Drawn as (N, H, W, C) and then permuted, because torch fills a contiguous tensor eight times as fast.
    drawn = torch.empty(count, height, width, planes, device=generator.device)
    if noise == "gaussian":
        drawn.normal_(0, level, generator=generator)
    else:
        drawn.uniform_(generator=generator)
    return drawn.permute(0, 3, 1, 2)


def apply(images: Tensor, drawn: Tensor, noise: str, level: float) -> Tensor:
    """(N, 3, H, W) in [0, 1] to a copy in [0, 1], corrupted by what was drawn."""
    if noise == "gaussian":
        return (images + drawn).clamp_(0, 1)
    corrupted = images.masked_fill(drawn < level, 0)
    return corrupted.masked_fill_(drawn < level / 2, 1) if noise == "salt_pepper" else corrupted


def draw_by_content(pixels: NDArray[np.uint8], noise: str, level: float, seed: int) -> Tensor:
    """The random numbers that `draw` gives, for images (N, H, W, 3), each from its own pixels and the seed alone."""
    key = str(seed).encode()
    drawn = []
    height, width = pixels.shape[1:3]
    for values in pixels:
        digest = hashlib.blake2b(values.tobytes(), digest_size=7, key=key).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
        drawn.append(draw(1, height, width, noise, level, generator))
    return torch.cat(drawn)
