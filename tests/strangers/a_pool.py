"""A stranger's pools, written against contract 1: one with a torch form, and one without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import FloatArray, Pool, hookimpl

harness_contract = 1


@dataclass
class StrangerPower(Pool):
    """The generalised mean."""

    name = "stranger_power"
    licence = "MIT"
    exponent: float = 2.0

    def score(self, maps: FloatArray) -> FloatArray:
        return (maps.astype(np.float64) ** self.exponent).mean(axis=(1, 2)) ** (1 / self.exponent)

    def tensor(self, maps):
        return (maps**self.exponent).mean(dim=(1, 2)) ** (1 / self.exponent)


class StrangerQuantile(Pool):
    """The error that one pixel in a hundred exceeds."""

    name = "stranger_quantile"
    licence = "MIT"

    def score(self, maps: FloatArray) -> FloatArray:
        return np.quantile(maps.reshape(len(maps), -1), 0.99, axis=1)


@hookimpl
def harness_pools():
    return [StrangerPower, StrangerQuantile]
