"""Trials as tasks of a Ray cluster; README.md beside this says how."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Executor, hookimpl


@hookimpl
def harness_executors() -> Iterable[type[Executor]]:
    """Ray."""
    from harness_ray.executor import Ray

    return [Ray]
