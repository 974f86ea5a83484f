"""Pools: how an error map becomes one score an image."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Pool, hookimpl
from harness_pools.pools import Largest, Mean, TopK

__all__ = ["Largest", "Mean", "TopK"]


@hookimpl
def harness_pools() -> Iterable[type[Pool]]:
    """The built-in pools; every trial keeps the scores of these."""
    return [Mean, Largest, TopK]
