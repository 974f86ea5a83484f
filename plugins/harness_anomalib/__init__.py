"""The models of anomalib, fitted by the harness: the extra `[anomalib]`."""

from __future__ import annotations

from harness import Model, hookimpl
from harness_anomalib.adapter import Anomalib

__all__ = ["Anomalib"]


@hookimpl
def harness_models() -> list[type[Model]]:
    """The one model that stands for all of anomalib's."""
    return [Anomalib]
