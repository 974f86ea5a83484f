"""A stranger's defect and corruption, written against contract 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import Corruption, Defect, foreground, hookimpl

harness_contract = 1


@dataclass
class StrangerDent(Defect):
    """A shade that is darkest in its middle."""

    name = "stranger_dent"
    licence = "MIT"
    size: float = 0.1
    contrast: float = 0.5
    exponent: float = 2.0

    def paint(self, pixels, part, random):
        if not part.any():
            part = foreground(pixels)
        y, x = divmod(int(random.choice(np.flatnonzero(part))), part.shape[1])
        rows, columns = np.indices(part.shape)
        distance = np.hypot(rows - y, columns - x) / max(1.0, self.size * len(part) / 2)
        shade = np.clip(1 - distance, 0, 1) ** self.exponent * part * self.contrast
        return np.rint(pixels * (1 - shade[..., None])).astype(np.uint8), (distance <= 1) & part


@dataclass
class StrangerFlicker(Corruption):
    """A lamp on alternating current: bands of less light."""

    name = "stranger_flicker"
    licence = "MIT"
    severity: int = 3
    bands: int = 4

    def __post_init__(self):
        if self.severity not in range(1, 6):
            raise ValueError(f"severity {self.severity} is none of 1 to 5")

    @property
    def amount(self):
        return f"{10 * self.severity} % between bands"

    def apply(self, pixels, random):
        rows = np.linspace(0, 2 * np.pi * self.bands, len(pixels)) + random.uniform(0, 2 * np.pi)
        return np.rint(pixels * (1 - 0.05 * self.severity * (1 + np.sin(rows)))[:, None, None]).astype(np.uint8)


@hookimpl
def harness_defects():
    return [StrangerDent]


@hookimpl
def harness_corruptions():
    return [StrangerFlicker]
