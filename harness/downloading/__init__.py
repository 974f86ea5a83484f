"""Archives of images from the net: fetched so that a cut transfer goes on, unpacked so that nothing leads out."""

from __future__ import annotations

from harness.downloading.fetching import fetch
from harness.downloading.unpacking import unpack

__all__ = ["fetch", "unpack"]
