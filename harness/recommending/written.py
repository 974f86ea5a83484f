"""Writes a category's images as a folder of photos, as people have them."""

from __future__ import annotations

from pathlib import Path

from harness.api import GOOD, Split
from harness.errors import UsageError
from harness.images.decoding import path_text


def write_photos(split: Split, folder: Path) -> int:
    """Write PNG files into good/ and bad/<defect>/ of an empty or new folder; returns how many. Raises UsageError."""
    from PIL import Image

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{path_text(folder)} is not empty: give a folder that is not there yet")
    written = 0
    for images in (split.train, split.test):
        for pixels, kind in zip(images.pixels, images.defects, strict=True):
            place = folder / "good" if kind == GOOD else folder / "bad" / kind
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{written:04}.png")
            written += 1
    return written
