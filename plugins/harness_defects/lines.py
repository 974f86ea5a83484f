"""Defects that are lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_defects.painting import Cover, Painted, drawn


@dataclass
class Scratch(Painted):
    """A long thin line, slightly bent, brighter or darker than what lies below."""

    name = "scratch"
    source = "a bent line of even width"

    def _shape(self, centre: tuple[float, float], shape: tuple[int, ...], random: np.random.Generator) -> Cover:
        length, angle = self.size * shape[0], random.uniform(0, np.pi)
        along = np.linspace(-0.5, 0.5, 12)
        bend = random.normal(0, 0.08) * (1 - 4 * along**2)
        return drawn(shape, _turned(centre, length * along, length * bend, angle), max(1, round(length / 20)))


@dataclass
class Crack(Painted):
    """A thin dark line that wanders and forks."""

    name = "crack"
    source = "a random walk with forks"

    def _shape(self, centre: tuple[float, float], shape: tuple[int, ...], random: np.random.Generator) -> Cover:
        length, angle = self.size * shape[0], random.uniform(0, np.pi)
        steps = 16
        along = np.linspace(-0.5, 0.5, steps)
        wander = np.cumsum(random.normal(0, 0.05, steps))
        points = _turned(centre, length * along, length * (wander - wander.mean()), angle)
        cover = drawn(shape, points, 1)
        for at in random.choice(np.arange(3, steps - 3), 2, replace=False):
            reach = np.linspace(0, 0.3, 6)
            fork = random.choice([-1, 1]) * random.uniform(0.5, 1.0)
            branch = _turned((points[at][1], points[at][0]), length * reach, length * reach * 0.4, angle + fork)
            cover = np.maximum(cover, drawn(shape, branch, 1))
        return cover

    def _filled(self, pixels: NDArray[np.float32], cover: Cover, random: np.random.Generator) -> NDArray[np.float32]:
        return pixels * np.float32(1 - self.contrast)


def _turned(
    centre: tuple[float, float], along: NDArray[np.float64], across: NDArray[np.float64], angle: float
) -> NDArray[np.float64]:
    """Points (N, 2) as x and y, from distances along and across a line of this angle."""
    x = centre[1] + along * np.cos(angle) - across * np.sin(angle)
    y = centre[0] + along * np.sin(angle) + across * np.cos(angle)
    return np.stack([x, y], axis=1)
