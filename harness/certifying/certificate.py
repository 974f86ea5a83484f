"""A certificate as a document: what was asked, digests of its inputs, what was found, and what was measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.certifying.asked import Asked
from harness.errors import DataError, UsageError
from harness.images.decoding import path_text

FORMAT = 1
_LARGEST = 32 << 20


@dataclass(frozen=True)
class Certificate:
    """How far a kept model can be trusted on certain photos."""

    asked: Asked
    hashes: Mapping[str, Any]
    """SHA-256 of the photos, model, weights, code and machine."""
    found: Mapping[str, Any]
    """What the same model, photos and code always give."""
    measured: Mapping[str, Any]
    """What may differ on another day or machine: times, memory, versions, and when it was written."""

    def to_json(self) -> str:
        """The canonical text: sorted names, no spaces, and a digest of everything else."""
        said = {
            "format": FORMAT,
            "asked": plain(vars(self.asked)),
            "hashes": plain(self.hashes),
            "found": plain(self.found),
            "measured": plain(self.measured),
        }
        return canonical({**said, "digest": digest_of(said)}) + "\n"


def canonical(said: object) -> str:
    """JSON in a form in which equal contents have equal texts."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(said: object) -> str:
    """SHA-256 of the canonical text, in hexadecimal digits."""
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def read(file: Path) -> Certificate:
    """Read a certificate. Raises UsageError if there is no such file, DataError if it is damaged or was altered."""
    expected = "expected what `harness certify` wrote"
    if not file.is_file():
        raise UsageError(f"no certificate {path_text(file)}: {expected}")
    if file.stat().st_size > _LARGEST:
        raise DataError(f"{path_text(file)} has more than {_LARGEST >> 20} MiB: {expected}")
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(said, dict) or "found" not in said:
            raise ValueError("it has no findings")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path_text(file)} is no certificate: {expected} as JSON ({error})") from None
    if said.get("format") != FORMAT:
        raise DataError(f"{path_text(file)} has format {said.get('format')!r:.40}, this harness reads format {FORMAT}")
    if said.pop("digest", None) != digest_of(said):
        raise DataError(f"{path_text(file)} was altered after it was written: its digest is another")
    try:
        given = dict(said["asked"])
        asked = Asked.of(given.pop("model"), given.pop("images"), **given)
        return Certificate(asked, dict(said["hashes"]), dict(said["found"]), dict(said["measured"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path_text(file)} is no certificate: it lacks {error}") from None


def plain(value: Any) -> Any:
    """A value with its dataclasses, tuples and mappings turned into what JSON knows."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
