"""Fits trials as tasks of a Ray cluster; see README.md in this folder."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Executor, hookimpl


@hookimpl
def harness_executors() -> Iterable[type[Executor]]:
    """The executor `ray`."""
    from harness_ray.executor import Ray

    return [Ray]
