"""What a decision costs in time and memory, on each engine that is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.deployment.conversion import engine_of
from harness.deployment.latency import TORCH, Place, Protocol, latencies
from harness.errors import HarnessError
from harness.trials import hardware


@dataclass(frozen=True)
class Cost:
    """An engine's times for one photo, from pixels in memory to the decision, or why it has none."""

    engine: str
    version: str = ""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    peak_mb: float | None = None
    """The most memory that engine and model add to a process."""
    problem: str = ""


def costs(place: Place, engines: Sequence[str], repetitions: int, say: Callable[[str], None]) -> list[Cost]:
    """The cost on each engine, measured in a process of its own. An engine that cannot run the model says why."""
    protocol = Protocol(batch=1, warm_up=10, repetitions=repetitions, threads=hardware.cores())
    found = []
    for name in engines:
        say(f"cost: {name}")
        try:
            if name != TORCH:
                engine_of(name)
            (one,) = latencies(place, [name], protocol, lambda _: None)
        except HarnessError as error:  # not installed, or no form of this model: the certificate says so
            found.append(Cost(name, problem=str(error)))
            continue
        found.append(Cost(one.engine, one.version, one.p50_ms, one.p95_ms, one.p99_ms, one.peak_mb))
    return found
