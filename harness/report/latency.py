"""How long decisions take on each engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from harness.report.table import Document, Table
from harness.trials.latencies import Latency

_BUSY = 0.5
"""The load average from which a note says that the machine was busy."""


def latency_document(measured: Sequence[Latency], title: str) -> Document:
    """One row for each engine and batch size."""
    headings = ("engine", "batch", "p50 ms", "p95 ms", "p99 ms", "images/s", "peak MB")
    table = Table(
        title=title,
        headings=headings,
        rows=[
            [
                f"{one.engine} {one.version}",
                str(one.batch),
                *(f"{value:.4g}" for value in (one.p50_ms, one.p95_ms, one.p99_ms, one.images_per_second)),
                f"{one.peak_mb:.0f}",
            ]
            for one in measured
        ],
        numbers=frozenset(headings[1:]),
        notes=_notes(measured),
    )
    names = [field.name for field in fields(Latency) if field.name != "unread"]
    return Document(lambda: [table], lambda: [{name: getattr(one, name) for name in names} for one in measured], names)


def _notes(measured: Sequence[Latency]) -> list[str]:
    if not measured:
        return []
    one = measured[0]
    said = [
        f"{one.repetitions} repetitions after {one.warm_up} that do not count, in {one.threads}"
        f" thread{'s' * (one.threads > 1)} of {one.cpu}, float32; from pixels in memory to the decision.",
        "Peak MB: what engine and model add to a process.",
    ]
    if one.load >= _BUSY:
        said.append(f"The machine was busy before it began (load {one.load:.1f}): without that, times are shorter.")
    if one.beside:
        said.append(f"{one.beside.capitalize()} is drawn before the clock starts.")
    return [" ".join(said)]
