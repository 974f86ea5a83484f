"""How a kept model's detector was chosen among others, which is remembered since it bears on what its limit keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Chosen:
    """A choice among detectors by the photos that the limit rests on."""

    among: int
    """So many detectors were tried, each with every pool."""
    share: float
    """Of false alarms, kept by the limit on average, the choosing counted in."""
    at_most: float | None = None
    """The share that it stays below with 95 % confidence, the choosing counted in; None where none was asked for."""
    painted: bool = False
    """Whether its bad photos were good ones with painted defects."""
    bad: tuple[str, ...] = ()
    """`digest_of_pixels` of the real bad photos that it was chosen by."""
    unread: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Fields that a newer harness wrote."""
