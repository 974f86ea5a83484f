"""What is kept of a trial's error maps: counts by score and defect kind, from which every pixel metric follows."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import GOOD, PixelCounts
from harness.metrics.pixel.condensing import condensed
from harness.metrics.pixel.tally import ROWS, Floats, Tally

FORMAT = 1
"""Of the bytes; rises when they change."""

_MAGIC = b"AHPX"
_LARGEST = 1 << 28  # bytes, unpacked; evidence of a hundred kinds has less
_SHARES = 1 << 16  # all regions of a kind are shared out in so many parts: more would only take room


@dataclass(frozen=True)
class PixelEvidence:
    """Pixels by score and by the defect kind of their image; `counts` is where the metrics of `curves` start from."""

    kinds: tuple[str, ...]
    """G defect kinds, each of which is a group of the tally; `good` for normal images."""
    tally: Tally
    origin: float = 0.0
    """What was subtracted from the scores."""

    @classmethod
    def of(cls, tally: Tally, kinds: tuple[str, ...], origin: float = 0.0) -> PixelEvidence:
        """As few intervals as tell apart what matters."""
        merged = condensed(tally, _sets(tally, kinds))
        counts = merged.counts.copy()
        units = _units(counts)
        shares = np.rint(np.cumsum(counts[2::ROWS], axis=1) / units)
        counts[2::ROWS] = np.diff(shares, axis=1, prepend=0) * units
        return cls(kinds, merged._replace(counts=counts), origin)

    @property
    def defect_kinds(self) -> tuple[str, ...]:
        """Kinds with a defective pixel, sorted."""
        found = self.tally.counts[1::ROWS].sum(axis=1)
        return tuple(sorted(kind for kind, pixels in zip(self.kinds, found, strict=True) if pixels and kind != GOOD))

    def counts(self, kind: str | None = None) -> PixelCounts:
        """Of all images, or of the good ones and those of one defect kind. Raises KeyError for a kind it lacks."""
        groups = self.tally.groups
        if kind is not None:
            if kind not in self.kinds:
                raise KeyError(kind)
            groups = groups[[name in (GOOD, kind) for name in self.kinds]]
        counts = groups.sum(axis=0)
        some = counts.any(axis=0)
        starts, spread, _ = self.tally
        return Tally(starts[some], spread[some], counts[:, some]).of_one_group(self.origin)

    def to_bytes(self) -> bytes:
        """A few bytes an interval; `from_bytes` makes an equal value of them."""
        counts, units = self.tally.counts.copy(), _units(self.tally.counts)
        counts[2::ROWS] /= units
        arrays = [np.diff(self.tally.starts.astype(np.int64), prepend=_LOWEST), self.tally.spread, *counts]
        described = {"kinds": self.kinds, "intervals": len(self.tally.starts), "origin": self.origin}
        described["regions"] = [round(unit * _SHARES) for unit in units[:, 0]]
        columns = [_planes(array) for array in arrays]
        head = json.dumps({**described, "bytes": [width for width, _ in columns]}).encode()
        body = struct.pack("<I", len(head)) + head + b"".join(planes for _, planes in columns)
        return _MAGIC + bytes([FORMAT]) + zlib.compress(body, 6)  # more takes ten times as long for a hundredth

    @classmethod
    def from_bytes(cls, data: bytes) -> PixelEvidence:
        """What `to_bytes` wrote. Raises ValueError, saying what is wrong, for anything else."""
        if data[:4] != _MAGIC or len(data) < 5:
            raise ValueError(f"pixel evidence begins with {data[:5]!r}, expected {_MAGIC!r}")
        if data[4] != FORMAT:
            raise ValueError(f"pixel evidence has format {data[4]}, this harness reads format {FORMAT}")
        head, body = _unpacked(data[5:])
        kinds, intervals, widths = _described(head)
        if len(body) != intervals * sum(widths):
            raise ValueError(f"pixel evidence has {len(body)} bytes of counts, expected {intervals * sum(widths)}")
        ends = np.cumsum([intervals * width for width in widths])
        arrays = [_whole(body[end - intervals * width : end], width) for end, width in zip(ends, widths, strict=True)]
        starts, spread = np.cumsum(arrays[0]) + _LOWEST, arrays[1]
        counts = np.array(arrays[2:], np.float64).reshape(len(kinds) * ROWS, intervals)
        counts[2::ROWS] *= np.array(head["regions"], np.float64).reshape(-1, 1) / _SHARES
        if intervals and not (arrays[0][1:].min(initial=1) > 0 and arrays[0].min() >= 0 and starts[-1] <= _HIGHEST):
            raise ValueError("pixel evidence has intervals that do not ascend")
        if (spread > 32).any() or (counts < 0).any():
            raise ValueError("pixel evidence has counts below 0 or intervals of more than all scores")
        tally = Tally(starts.astype(np.int32), spread.astype(np.int8), counts)
        return cls(kinds, tally, float(head["origin"]))


def _sets(tally: Tally, kinds: Sequence[str]) -> NDArray[np.bool_]:
    """(S, G): all groups together, and the good images with those of each kind that has defects."""
    defective = [bool(pixels.any()) for pixels in tally.counts[1::ROWS]]
    each = [[name in (GOOD, kind) for name in kinds] for kind, some in zip(kinds, defective, strict=True) if some]
    return np.unique(np.array([[True] * len(kinds), *each], dtype=bool), axis=0)


def _units(counts: Floats) -> Floats:
    """(G, 1), the part of its regions that is counted by each group."""
    regions = np.rint(counts[2::ROWS].sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(regions, 1) / _SHARES)


_LOWEST, _HIGHEST = -(1 << 31), (1 << 31) - 1


def _planes(array: NDArray[Any]) -> tuple[int, bytes]:
    """How many bytes each of these whole numbers from 0 takes, and all lowest bytes, then all of the next place."""
    whole = np.rint(array).astype("<u8")
    width = max(1, (int(whole.max(initial=0)).bit_length() + 7) // 8)
    return width, whole.view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes()


def _whole(planes: bytes, width: int) -> NDArray[np.int64]:
    """The numbers that `_planes` has parted."""
    numbers = np.zeros((len(planes) // width, 8), np.uint8)
    numbers[:, :width] = np.frombuffer(planes, np.uint8).reshape(width, -1).T
    return np.asarray(numbers.view("<i8")[:, 0], dtype=np.int64)


def _unpacked(packed: bytes) -> tuple[dict[str, Any], bytes]:
    """Raises ValueError."""
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(packed, _LARGEST)
        if inflate.unconsumed_tail or not inflate.eof:
            raise ValueError(f"it is cut, or has more than {_LARGEST >> 20} MiB")
        (size,) = struct.unpack_from("<I", body)
        head = json.loads(body[4 : 4 + size])
        if not isinstance(head, dict):
            raise ValueError(f"it begins with {head!r:.40}")
    except (zlib.error, struct.error, ValueError, RecursionError) as error:
        raise ValueError(f"pixel evidence is damaged: {error}") from error
    return head, body[4 + size :]


def _described(head: dict[str, Any]) -> tuple[tuple[str, ...], int, Sequence[int]]:
    """Kinds, intervals and bytes of each column. Raises ValueError for what no evidence says."""
    kinds, regions, widths = (head.get(name) for name in ("kinds", "regions", "bytes"))
    intervals, origin = head.get("intervals"), head.get("origin")
    if (
        not (isinstance(kinds, list) and isinstance(regions, list) and isinstance(widths, list))
        or not (type(intervals) is int and intervals >= 0)
        or not (isinstance(origin, int | float) and np.isfinite(origin))
        or not all(isinstance(kind, str) for kind in kinds)
        or not all(type(number) is int and 0 <= number < 1 << 53 for number in regions)
        or not all(type(width) is int and 1 <= width <= 8 for width in widths)
        or not len(kinds) == len(set(kinds)) == len(regions)
        or len(widths) != 2 + ROWS * len(kinds)
    ):
        raise ValueError(f"pixel evidence is described as {head!r:.80}")
    return tuple(kinds), intervals, widths
