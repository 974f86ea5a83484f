"""PatchCore's memory of patches: how it is chosen, and how far away its nearest patch is."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CANDIDATES = 50_000
"""The greedy choice is from at most so many patches, so that its memory and time do not grow with the data."""
ROWS = 1024
"""How many patches are looked up at a time."""
SHORTLIST = 4
"""For so many of the patches that seem nearest the distance is computed exactly."""
PROJECTED = 128
"""The number of dimensions in which the greedy choice measures distance, as in PatchCore."""


class NearestNeighbour(nn.Module):
    """Distance to the nearest of the patches (M, C) in memory."""

    memory: Tensor

    def __init__(self, memory: Tensor) -> None:
        super().__init__()
        self.register_buffer("memory", memory.clone())

    def forward(self, patches: Tensor) -> Tensor:
        """(N, h, w, C) to (N, h, w)."""
        # |a - b|^2 = |a|^2 + |b|^2 - 2ab makes the search one product of matrices. It loses digits where patches lie
        # close together but far from 0. So patches are shifted, and a few candidates are compared without that formula.
        centre = self.memory.mean(dim=0)
        memory = self.memory - centre
        lengths = memory.square().sum(dim=1)
        shifted = (patches - centre).flatten(0, 2)
        if torch.compiler.is_compiling():  # a graph for another runtime has no loop over an unknown number of rows
            return _distances(shifted, memory, lengths, None).view(patches.shape[:3])
        search = shifted.new_empty(
            min(ROWS, len(shifted)), len(memory)
        )  # allocated once, because new pages would take a quarter of the time
        found = [_distances(rows, memory, lengths, search[: len(rows)]) for rows in torch.split(shifted, ROWS)]
        return torch.cat(found).view(patches.shape[:3])


def _distances(rows: Tensor, memory: Tensor, lengths: Tensor, search: Tensor | None) -> Tensor:
    """(R, C) and memory (M, C) with its squared lengths to (R,); the search is made in (R, M) where that is given."""
    found = torch.addmm(lengths, rows, memory.T, alpha=-2, out=search)
    near = memory[found.topk(min(SHORTLIST, len(memory)), largest=False, sorted=False).indices]
    nearest: Tensor = torch.linalg.vector_norm(rows[:, None] - near, dim=2).amin(dim=1)
    return nearest


def k_center_greedy(candidates: Tensor, count: int, seed: int) -> NDArray[np.int64]:
    """Indices of `count` of the patches (M, C), each the farthest from those before it, measured in a projection.

    The greedy 2-approximation of the smallest radius (Sener and Savarese, ICLR 2018), from a random first one.
    """
    if count >= len(candidates):
        return np.arange(len(candidates))
    points = _projected(candidates, seed)
    points = points - points.mean(dim=0)
    lengths = points.square().sum(dim=1)
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = np.random.default_rng(seed).integers(len(points))
    nearest = torch.full_like(lengths, float("inf"))
    for i in range(1, count):
        last = int(chosen[i - 1])
        torch.minimum(nearest, torch.addmv(lengths + lengths[last], points, points[last], alpha=-2), out=nearest)
        nearest[last] = -1  # rounding could leave it above the true distances of patches equal to it
        chosen[i] = int(nearest.argmax())
    return chosen


def _projected(candidates: Tensor, seed: int) -> Tensor:
    from sklearn.random_projection import SparseRandomProjection

    if candidates.shape[1] <= PROJECTED:
        return candidates
    projection = SparseRandomProjection(PROJECTED, random_state=seed)
    projected = projection.fit_transform(candidates.cpu().numpy())
    return torch.from_numpy(np.ascontiguousarray(projected, dtype=np.float32)).to(candidates.device)
