"""Random numbers that are a function of an image's pixels and a seed, in operations that every runtime computes alike.

All arithmetic is on whole numbers below 2**24, which float32 holds exactly. So CPU, GPU, ONNX Runtime and OpenVINO get
the same numbers, whatever the order of sums. Only the last step, to a normal distribution, is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

P = 4091
"""A prime. Products of two smaller numbers stay below 2**24, and x**3 takes every value, as 3 does not divide P - 1."""
LARGEST = 4096
"""Images may have as many rows and columns: a number below P times a column, and a sum of as many, stay below 2**24."""
_KEYS = 14
_COLOURS = ((7.0, 5.0, 3.0), (3.0, 5.0, 8.0))
"""Two sums of the three colours of a pixel, each below P."""
_BASES = (1009, 2027)
_PLANE = 809.0
_ANGLE = 1597.0


class ContentNoise(nn.Module):
    """Noise for images (N, 3, H, W) in steps of 1/255, each from its own pixels and the seed alone."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._key = [float(word) for word in np.random.SeedSequence(seed).generate_state(_KEYS) % P]

    def normal(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) of mean 0 and standard deviation 1, by Box and Muller (1958). Raises ValueError."""
        width = images.shape[3]
        coarse, fine = self._numbers(images, 3, (width + 1) // 2)
        radius = torch.sqrt(-2 * torch.log(_unit(coarse, fine)))
        # The angle comes from the fine part of the radius, which matters where the coarse part is 0 alone; there the
        # factor scatters it.
        angle = _rest(fine * _ANGLE) * (2 * math.pi / P)
        return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=3)[..., :width]

    def uniform(self, images: Tensor) -> Tensor:
        """(N, 1, H, W), above 0 and below 1. Raises ValueError above LARGEST."""
        return _unit(*self._numbers(images, 1, images.shape[3]))

    def _numbers(self, images: Tensor, planes: int, width: int) -> tuple[Tensor, Tensor]:
        """Two whole numbers below P for each place (N, planes, H, width)."""
        if max(images.shape[2:]) > LARGEST:
            raise ValueError(
                f"an image of {images.shape[3]}x{images.shape[2]} pixels: expected at most {LARGEST} a side"
            )
        key = iter(self._key)
        a, b = self._words(images, key)
        plane, row, column = (
            torch.arange(count, dtype=torch.float32, device=images.device) for count in (planes, images.shape[2], width)
        )
        a, b = _mixed(_rest(a + _PLANE * plane.view(-1, 1, 1)), b, key)
        a, b = _mixed(_rest(a + row.view(-1, 1)), b, key)
        # A polynomial of third degree in the column. With coefficients drawn at random any four places of a row are
        # independent of each other, and it costs six products a place, where a hash of each place would cost twenty.
        found_a, found_b = a, b
        for _ in range(3):
            a, b = _mixed(a, b, key)
            found_a, found_b = _congruent(found_a * column + a), _congruent(found_b * column + b)
        return _least(found_a), _least(found_b)

    def _words(self, images: Tensor, key: Iterator[float]) -> tuple[Tensor, Tensor]:
        """Two whole numbers below P for each image, (N, 1, 1, 1), which change with every pixel."""
        levels = torch.round(images * 255)
        height, width = images.shape[2:]
        found = []
        for (red, green, blue), base in zip(_COLOURS, _BASES, strict=True):
            values = levels[:, 0] * red + levels[:, 1] * green + levels[:, 2] * blue
            rows = _rest(_congruent(values * _powers(base, width, images)).sum(dim=2))
            down = _powers(base + 2, height, images)
            rows = _rest(_cubed(_rest(rows + down + next(key))) * down)
            found.append(_rest(rows.sum(dim=1)).view(-1, 1, 1, 1))
        first, second = found
        return _mixed(first, second, key)


def _unit(coarse: Tensor, fine: Tensor) -> Tensor:
    """Numbers above 0 and below 1, from two whole ones below P."""
    return (coarse + (fine + 0.5) * (1 / P)) * (1 / P)


def _powers(base: int, count: int, like: Tensor) -> Tensor:
    """So many powers of a number, each without its multiples of P."""
    return torch.tensor(_powers_of(base, count), dtype=torch.float32, device=like.device)


@lru_cache(maxsize=64)
def _powers_of(base: int, count: int) -> tuple[int, ...]:
    found = [base]
    while len(found) < count:
        found.append(found[-1] * base % P)
    return tuple(found)


def _in_one(x: Tensor) -> bool:
    """Whether a remainder is taken in one operation. On a GPU each is a launch, and torch's there is exact.

    Elsewhere several simple ones take less time than a remainder, and every runtime that graphs go to has them.
    """
    return x.is_cuda


def _mixed(a: Tensor, b: Tensor, key: Iterator[float]) -> tuple[Tensor, Tensor]:
    """Another pair of whole numbers below P, one for each pair: a Feistel network of two rounds."""
    a = _cubed(_rest(a + b + next(key)))
    return a, _cubed(_rest(b + a + next(key)))


def _cubed(x: Tensor) -> Tensor:
    return _rest(_rest(x * x) * x)


def _rest(x: Tensor) -> Tensor:
    """What is left of whole numbers from 0 to 2**24 when they are divided by P."""
    return _least(_congruent(x))


def _congruent(x: Tensor) -> Tensor:
    """The same from -1 to P: the quotient is rounded, and may be one off, while product and difference are exact."""
    if _in_one(x):
        return torch.remainder(x, P)
    return x - torch.floor(x * (1 / P)) * P


def _least(x: Tensor) -> Tensor:
    """From -1 to P to what is below P and not negative."""
    if _in_one(x):
        return x
    x = torch.where(x < 0, x + P, x)
    return torch.where(x < P, x, x - P)
