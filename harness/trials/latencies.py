"""Measured latencies: how fast the model of a trial decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Setting(NamedTuple):
    """What must be equal for two latencies to be compared."""

    engine: str
    cpu: str
    threads: int

    def __str__(self) -> str:
        return f"{self.engine}, {self.threads} thread{'s' * (self.threads > 1)} of {self.cpu}"


@dataclass(frozen=True)
class Latency:
    """One engine's times for batches of one size, from pixels that lie in memory to the decision."""

    engine: str
    """Its name for people, such as `ONNX Runtime`."""
    version: str
    batch: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    images_per_second: float
    peak_mb: float
    """What engine and model together added to the memory of a process, at most."""
    warm_up: int
    """Runs that were not counted."""
    repetitions: int
    threads: int
    cpu: str
    system: str
    beside: str = ""
    """Side inputs of the network, such as `noise`, which were drawn before the clock started; empty if none."""
    measured_at: str = ""
    load: float = 0.0
    """The load average before it began. If the machine was busy, times are longer than they need to be."""

    unread: Mapping[str, Any] = field(default_factory=dict)
    """What a newer harness has written and this one does not know; kept as it is."""

    @property
    def setting(self) -> Setting:
        """The engine, processor and threads of the measurement."""
        return Setting(self.engine, self.cpu, self.threads)
