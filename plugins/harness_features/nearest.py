"""Mean distance to the nearest few of a memory of normal features, by angle or by length."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROWS = 1024
"""How many features are looked up at a time."""
SPARE = 4
"""So many more than asked for are compared exactly, because the search loses digits."""


class MeanOfNearest(nn.Module):
    """Mean distance to the k nearest of the features (M, C) in memory; the cosine distance is 1 minus the cosine."""

    memory: Tensor

    def __init__(self, memory: Tensor, k: int, *, cosine: bool) -> None:
        super().__init__()
        self.k, self.cosine = k, cosine
        self.register_buffer("memory", nn.functional.normalize(memory, dim=1) if cosine else memory.clone())

    def forward(self, features: Tensor) -> Tensor:
        """(..., C) to (...)."""
        centre = self.memory.mean(dim=0)
        memory = self.memory - centre
        lengths = memory.square().sum(dim=1)
        rows = nn.functional.normalize(features, dim=-1) if self.cosine else features
        shifted = (rows - centre).flatten(0, -2)
        if torch.compiler.is_compiling():  # a graph for another runtime has no loop over an unknown number of rows
            return self._distances(shifted, memory, lengths).view(features.shape[:-1])
        found = [self._distances(some, memory, lengths) for some in torch.split(shifted, ROWS)]
        return torch.cat(found).view(features.shape[:-1])

    def _distances(self, rows: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        """(R, C) to (R,). Half the squared distance of vectors of length 1 is 1 minus their cosine."""
        search = torch.addmm(lengths, rows, memory.T, alpha=-2)
        among = min(self.k + SPARE, len(memory))
        near = memory[search.topk(among, largest=False, sorted=False).indices]
        exact = torch.linalg.vector_norm(rows[:, None] - near, dim=2)
        nearest = exact.topk(self.k, dim=1, largest=False, sorted=False).values
        scores: Tensor = (nearest.square() / 2 if self.cosine else nearest).mean(dim=1)
        return scores


class MeanPatch(nn.Module):
    """From images to one score each: the detector is given the mean of the image's patches."""

    def __init__(self, describe: nn.Module, detector: nn.Module) -> None:
        super().__init__()
        self.describe, self.detector = describe, detector

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N,)."""
        scores: Tensor = self.detector(self.describe(images).mean(dim=(1, 2)))
        return scores
