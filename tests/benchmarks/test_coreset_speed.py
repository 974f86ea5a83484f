"""How long PatchCore's greedy memory takes to choose."""

from __future__ import annotations

import torch

from harness_features.neighbours import k_center_greedy


def patches(count: int) -> torch.Tensor:
    """Features of few degrees of freedom with a little noise, as neighbouring patches have them."""
    draws = torch.Generator().manual_seed(0)
    free = torch.randn(count, 12, generator=draws) * torch.rand(12, generator=draws)
    return torch.relu(free @ torch.randn(12, 128, generator=draws)) + 0.05 * torch.randn(count, 128, generator=draws)


def test_a_greedy_memory_as_patchcore_chooses_it(figures) -> None:
    points = patches(250_000)
    figures.time(
        "greedy memory of 2,500 of 250,000 patches", lambda: k_center_greedy(points, 2500, 0), at_most=15.0, rounds=1
    )
