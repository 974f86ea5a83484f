"""HEIC, which phones write: read where pillow-heif is installed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness.errors import DataError
from harness.printable import printable

SUFFIXES = (".heic", ".heif")


def formats_of(path: Path) -> tuple[str, ...]:
    """What Pillow may try beside the usual formats for a file of this name. Raises DataError without pillow-heif."""
    if path.suffix.lower() not in SUFFIXES:
        return ()
    if not _registered():
        raise DataError(f"{printable(str(path))} is HEIC, which takes pillow-heif: pip install 'anomaly-harness[heic]'")
    return ("HEIF",)


@cache
def _registered() -> bool:
    """Whether Pillow has been taught to read HEIC, for whoever asks for that format."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
