"""The trackers that the settings ask for. The setting `mlflow` is short for one of them."""

from __future__ import annotations

import dataclasses

from harness.api import Tracker
from harness.errors import UsageError
from harness.plugin.in_process import choose
from harness.plugin.options import options_of
from harness.plugin.registry import Registry
from harness.trials.settings import Settings


def trackers_of(registry: Registry, settings: Settings) -> list[Tracker]:
    """The trackers that were asked for, with their options. Raises UsageError."""
    trackers = choose(registry, Tracker, settings.trackers) if settings.trackers else []
    if settings.mlflow is not None:
        mlflow = registry.make(Tracker, "mlflow")
        if "uri" not in [option.name for option in options_of(type(mlflow))]:
            raise UsageError(f"{settings.called('mlflow')}: the tracker 'mlflow' that is installed has no option 'uri'")
        trackers.append(dataclasses.replace(mlflow, uri=settings.mlflow))  # type: ignore[type-var]  # it has options
    return trackers
