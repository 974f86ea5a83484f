"""How results name the data and the protocol that they have to share to stand in one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.trials.trial import PROTOCOL, Protocol, named, spelt
from harness.verdicts.methods import Track

_BEHIND = "image_size"


def with_protocols(columns: Sequence[str], protocols: Iterable[Protocol]) -> list[str]:
    """The columns, with those of what is not usual in some of these protocols behind `image_size`."""
    asked = {name for protocol in set(protocols) for name in named(protocol)}
    at = list(columns).index(_BEHIND) + 1
    return [*columns[:at], *(name for name in PROTOCOL if name in asked), *columns[at:]]


def data_of(track: Track) -> str:
    """`mvtec_ad · 256 px · shots 4`: what results have to share to stand in one table."""
    return " · ".join(filter(None, (track.dataset, f"{track.image_size} px", spelt(track.protocol))))


def data_together(tracks: Iterable[Track]) -> str:
    """`mvtec_ad · 256 px; with shots 4; with shots 8`: the data of several tables, each named once."""
    found: dict[str, list[str]] = {}
    for track in tracks:
        said = found.setdefault(data_of(track._replace(protocol=())), [])
        protocol = spelt(track.protocol)
        if protocol and protocol not in said:
            said.append(protocol)
    return ", ".join("; with ".join([data, *protocols]) for data, protocols in found.items())
