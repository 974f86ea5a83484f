"""Records trials as runs of MLflow."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Tracker, hookimpl


@hookimpl
def harness_trackers() -> Iterable[type[Tracker]]:
    """The tracker `mlflow`."""
    from harness_mlflow.tracker import MLflow

    return [MLflow]
