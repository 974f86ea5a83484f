"""Whether a certificate can be reproduced: compares a recomputed one with it, and names what differs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.certifying.certificate import Certificate, plain

TOLERANCE = 1e-4
"""The relative difference allowed in scores, as processors differ in last digits. Counts must be equal."""
_MOST = 5


@dataclass(frozen=True)
class Checked:
    """How a certificate differs from one that was recomputed now."""

    differences: tuple[str, ...]
    """One line for each finding that differs; empty if all are equal."""
    changed: tuple[str, ...]
    """Which inputs have changed: images, today, model, weights, code or machine."""

    @property
    def equal(self) -> bool:
        """Whether all findings were reproduced."""
        return not self.differences


def compared(then: Certificate, now: Certificate) -> Checked:
    """Compare the findings of two certificates, and the digests of their inputs."""
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
