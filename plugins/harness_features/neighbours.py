"""PatchCore's memory of patches: how it is chosen, and how far away its nearest patch is."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

ROWS = 1024
"""How many patches are looked up at a time."""
AT_ONCE = 2048
"""Patches that a greedy choice looks at between two passes over all of them."""
SHORTLIST = 4
"""For so many of the patches that seem nearest the distance is computed exactly."""
PROJECTED = 320
"""In at most so many dimensions the greedy choice measures distance: what Johnson and Lindenstrauss ask for 300,000
patches at a distortion of .9. Version 2 had 128, which are fewer than the features of a small encoder."""
SHARE = 0.01
"""The share of the patches that a greedy choice remembers where nothing else is asked, as in PatchCore."""
FEWEST, MOST = 2_500, 10_000
"""The bounds of that: a hundredth of a few images would be too few, and time and memory must not grow with the data."""


def usual_memory(patches: int) -> int:
    """How many of so many patches a greedy choice remembers, at most, where nothing else is asked."""
    return min(max(FEWEST, int(SHARE * patches)), MOST)


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
            return _distances_in_a_graph(shifted, memory, lengths).view(patches.shape[:3])
        search = shifted.new_empty(
            min(ROWS, len(shifted)), len(memory)
        )  # allocated once, because new pages would take a quarter of the time
        found = [_distances(rows, memory, lengths, search[: len(rows)]) for rows in torch.split(shifted, ROWS)]
        return torch.cat(found).view(patches.shape[:3])


def _distances(rows: Tensor, memory: Tensor, lengths: Tensor, search: Tensor) -> Tensor:
    """(R, C) and memory (M, C) with its squared lengths to (R,); the search is made in (R, M)."""
    found = torch.addmm(lengths, rows, memory.T, alpha=-2, out=search)
    near = memory[found.topk(min(SHORTLIST, len(memory)), largest=False, sorted=False).indices]
    nearest: Tensor = torch.linalg.vector_norm(rows[:, None] - near, dim=2).amin(dim=1)
    return nearest


def _distances_in_a_graph(rows: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
    """The same of the one patch that the search finds, for other runtimes take a tenth of an image's time for four.

    Rounding may find the second nearest, which is then as near but for rounding: 7e-8 of the range of bottle's maps.
    """
    found = torch.addmm(lengths, rows, memory.T, alpha=-2).argmin(dim=1)
    nearest: Tensor = torch.linalg.vector_norm(rows - memory[found], dim=1)
    return nearest


def k_center_greedy(points: Tensor, count: int, seed: int) -> NDArray[np.int64]:
    """Indices of `count` of the points (M, D), each the farthest from those before it, the first drawn by chance.

    The greedy 2-approximation of the smallest radius (Sener and Savarese, ICLR 2018). Distances to the chosen only
    shrink, so the next ones are found among the farthest points alone until one of these is nearer than all others
    were; then the distances of all points are brought up to date in one product of matrices. The choice is the same as
    with one pass over all points for each, in a tenth of the time.
    """
    if count >= len(points):
        return np.arange(len(points))
    points = points - points.mean(dim=0)
    lengths = points.square().sum(dim=1)
    chosen = [int(np.random.default_rng(seed).integers(len(points)))]
    nearest = torch.full_like(lengths, float("inf"))
    rounding = 1e-6 * float(lengths.max())
    told = 0
    while len(chosen) < count:
        for part in torch.split(torch.tensor(chosen[told:], device=points.device), AT_ONCE):
            _bring_nearer(nearest, points, lengths, part)
        nearest[torch.tensor(chosen, device=points.device)] = -1  # rounding may leave it above its likes' distances
        told = len(chosen)
        chosen += _farthest(points, nearest, count - told, rounding)
    return np.array(chosen, dtype=np.int64)


def _bring_nearer(nearest: Tensor, points: Tensor, lengths: Tensor, chosen: Tensor) -> None:
    """Lower the squared distances (M,) to the nearest chosen point by those to some more of them."""
    centres, offsets = points[chosen], lengths[chosen]
    search = points.new_empty(min(ROWS, len(points)), len(chosen))  # once: fresh pages cost a quarter of the time
    for start in range(0, len(points), ROWS):
        at = slice(start, start + ROWS)
        apart = torch.addmm(offsets, points[at], centres.T, alpha=-2, out=search[: len(points[at])])
        torch.minimum(nearest[at], apart.amin(dim=1) + lengths[at], out=nearest[at])


def _farthest(points: Tensor, nearest: Tensor, count: int, rounding: float) -> list[int]:
    """The next points of a greedy choice, at least one, as far as the farthest AT_ONCE alone can tell."""
    distances, places = nearest.topk(min(AT_ONCE + 1, len(nearest)))
    if float(distances[0]) <= rounding:  # all that are left are like some that are chosen
        return [int(place) for place in places[: min(count, AT_ONCE)]]
    bound = float(distances[-1]) if len(nearest) > AT_ONCE else 0.0
    near, candidates = distances[:AT_ONCE].clone(), points[places[:AT_ONCE]]
    between = torch.cdist(candidates, candidates).square_()
    found: list[int] = []
    while len(found) < count:
        best = int(near.argmax())
        if found and float(near[best]) <= bound:
            break
        found.append(int(places[best]))
        torch.minimum(near, between[best], out=near)
        near[best] = -1
    return found


def projection(channels: int, seed: int) -> Tensor:
    """(C, D): the random directions in which the greedy choice measures distance; as they are where D would be C.

    Few entries are not 0, and those are of one size (Li, Hastie and Church, Very Sparse Random Projections, 2006). The
    draws are scikit-learn's, whose import would take longer than many a fit.
    """
    if channels <= PROJECTED:
        return torch.eye(channels)
    random, density = np.random.RandomState(seed), 1 / np.sqrt(channels)
    rows = [_places(channels, random.binomial(channels, density), random) for _ in range(PROJECTED)]
    signs = random.binomial(1, 0.5, size=sum(map(len, rows))) * 2 - 1
    directions = np.zeros((PROJECTED, channels))
    filled = np.repeat(np.arange(PROJECTED), [len(row) for row in rows])
    directions[filled, np.concatenate(rows)] = np.sqrt(1 / density) / np.sqrt(PROJECTED) * signs
    return torch.from_numpy(np.ascontiguousarray(directions.T, dtype=np.float32))


def _places(count: int, chosen: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """So many different places of `count`, of which less than nearly all are wanted."""
    if chosen > 0.01 * count:
        return random.permutation(count)[:chosen]
    found: dict[int, None] = {}
    while len(found) < chosen:
        found.setdefault(random.randint(count))
    return np.array(list(found), dtype=np.intp)
