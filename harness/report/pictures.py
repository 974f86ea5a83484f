"""Pictures that are part of an HTML file: images as data URIs, masks as outlines, error maps on one sheet."""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray
from harness.trials.pictures import LEVELS, Maps, shrink

SHEETS_BYTES = 4_000_000
"""About how many bytes all sheets of error maps of a page may have; base64 adds a third."""
_BYTES_PER_PIXEL = 0.25
"""How many bytes a pixel of a sheet takes at this quality, measured on error maps of autoencoders."""
_QUALITY = 60
_SIDES = (64, 32)
"""The possible sides of a map on a sheet: multiples of 8, so that no block of the JPEG holds two maps."""
_FEWEST = 6
"""Each trial has at least so many maps, however many trials there are."""


def data_uri(jpeg: bytes) -> str:
    """A JPEG as a data URI, an address that holds the picture itself."""
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"


def outline(mask: BoolArray) -> str:
    """The border of a mask (H, W) as an SVG path whose unit is a pixel: a line where True meets False."""
    padded = np.pad(mask, 1)
    lines = [f"M{x} {y}h{n}" for y, x, n in _runs(padded[1:, 1:-1] != padded[:-1, 1:-1])]
    lines += [f"M{x} {y}v{n}" for x, y, n in _runs((padded[1:-1, 1:] != padded[1:-1, :-1]).T)]
    return "".join(lines)


def affordable(images: Sequence[int]) -> tuple[int, int]:
    """The side of maps, and how many maps each trial may have, for trials with these numbers of test images."""
    for side in _SIDES:
        if sum(images) * side**2 * _BYTES_PER_PIXEL <= SHEETS_BYTES:
            return side, max(images, default=0)
    return side, max(_FEWEST, int(SHEETS_BYTES / len(images) / (side**2 * _BYTES_PER_PIXEL)))


def sheet(maps: Maps, chosen: NDArray[np.intp], side: int) -> dict[str, Any]:
    """The maps of the chosen images side by side in one grey JPEG, and what the page needs to cut it up."""
    from PIL import Image

    values = shrink(maps.values[chosen], side) * (255 / (LEVELS - 1))
    columns = max(1, math.isqrt(len(chosen)))
    rows = -(-len(chosen) // columns)
    grid = np.zeros((rows, side, columns, side), np.uint8)
    height, width = values.shape[1:]
    for place, value in enumerate(values):
        grid[place // columns, :height, place % columns, :width] = np.rint(value)
    written = io.BytesIO()
    Image.fromarray(grid.reshape(rows * side, columns * side)).save(written, "JPEG", quality=_QUALITY)
    return {
        "uri": data_uri(written.getvalue()),
        "images": chosen.tolist(),
        "columns": columns,
        "step": side,
        "width": width,
        "height": height,
        "largest": maps.largest,
    }


def _runs(edges: BoolArray) -> Sequence[tuple[int, int, int]]:
    """Row, first column and length of each run of True."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return list(zip(rows.tolist(), starts.tolist(), (ends - starts).tolist(), strict=True))
