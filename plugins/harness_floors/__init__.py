"""Floors that are fitted: models that look at almost nothing, which every real one has to beat."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Model, hookimpl
from harness_floors.global_statistics import GlobalStatistics

__all__ = ["GlobalStatistics"]


@hookimpl
def harness_models() -> Iterable[type[Model]]:
    """The built-in floor; runs fit it beside their models."""
    return [GlobalStatistics]
