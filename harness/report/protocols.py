"""Protocols in tables for programs: columns stand there only where some row has not the usual protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.trials.trial import PROTOCOL, Protocol, named

_BEHIND = "image_size"


def with_protocols(columns: Sequence[str], protocols: Iterable[Protocol]) -> list[str]:
    """The columns, with those of what is not usual in some of these protocols behind `image_size`."""
    asked = {name for protocol in set(protocols) for name in named(protocol)}
    at = list(columns).index(_BEHIND) + 1
    return [*columns[:at], *(name for name in PROTOCOL if name in asked), *columns[at:]]
