"""Maps as TIFF files of 16-bit floating point numbers, which Pillow cannot write."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from harness.api import FloatArray

_SHORT, _LONG = 3, 4
_FLOAT = 3
"""What SampleFormat says of IEEE floating point numbers."""


def write_float16(file: Path, values: FloatArray) -> None:
    """Write (H, W) as one uncompressed strip of float16; what is out of its range becomes its largest number.

    TIFF 6.0, Adobe 1992: sections 2 (structure), 4 (grey images) and 19 (floating point).
    """
    largest = float(np.finfo(np.float16).max)
    data = np.clip(values, -largest, largest).astype("<f2").tobytes()
    height, width = values.shape
    tags = [
        (256, _LONG, width),
        (257, _LONG, height),
        (258, _SHORT, 16),  # bits a sample
        (259, _SHORT, 1),  # not compressed
        (262, _SHORT, 1),  # larger is lighter
        (273, _LONG, 8),  # where the strip begins
        (277, _SHORT, 1),  # samples a pixel
        (278, _LONG, height),  # rows in the strip
        (279, _LONG, len(data)),
        (339, _SHORT, _FLOAT),
    ]
    directory = struct.pack("<H", len(tags))  # it begins at an even byte, as each sample has two
    directory += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    file.write_bytes(struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + directory + struct.pack("<I", 0))
