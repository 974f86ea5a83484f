"""Whether a certificate can be had again: its parts recomputed, and what differs by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.certifying.certificate import Certificate, plain

TOLERANCE = 1e-4
"""Scores of another processor differ in their last digits, relative to each; counts and decisions must be equal."""
_MOST = 5


@dataclass(frozen=True)
class Checked:
    """What a certificate said, and what came out now."""

    differences: tuple[str, ...]
    """Where the findings differ, a line each; empty where all are equal."""
    changed: tuple[str, ...]
    """What it rests on that is not what it was: of images, today, model, weights, code and machine."""

    @property
    def equal(self) -> bool:
        """Whether every finding came out again."""
        return not self.differences


def compared(then: Certificate, now: Certificate) -> Checked:
    """The findings of both side by side, and which digests have changed."""
    differences = list(_differences("", plain(then.found), plain(now.found)))
    more = len(differences) - _MOST
    told = [*differences[:_MOST], *([f"and {more} more"] if more > 0 else [])]
    changed = [name for name in now.hashes if then.hashes.get(name) != now.hashes[name]]
    return Checked(tuple(told), tuple(changed))


def _differences(place: str, then: Any, now: Any) -> Iterator[str]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in sorted({*then, *now}):
            yield from _differences(f"{place}.{name}".lstrip("."), then.get(name), now.get(name))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for at, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _differences(f"{place}[{at}]", one, other)
    elif not _same(then, now):
        yield f"{place} was {then!r:.60}, is {now!r:.60}"


def _same(then: Any, now: Any) -> bool:
    if isinstance(then, float) and isinstance(now, int | float) and not isinstance(now, bool):
        return math.isclose(then, now, rel_tol=TOLERANCE, abs_tol=1e-9)
    return type(then) is type(now) and bool(then == now)
