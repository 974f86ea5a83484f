"""Counts pixels by score without sorting them: in intervals that are cut until each is fine enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.metrics.pixel.keys import CELL, Keys, keys_of
from harness.metrics.pixel.tally import ROWS, Fineness, Floats, Tally

BLOCK = 1 << 17
"""Pixels that pass through a core's cache together; as few are sorted rather than counted."""
_SAMPLE = 61  # one normal pixel in so many tells beforehand where scores crowd; prime, for widths are not
_TABLE = 1 << 18  # entries of the table of the first cut, or twice as many


class Pixels(NamedTuple):
    """Pixels to be counted."""

    keys: Keys
    weights: Mapping[int, Floats | None]
    """In each row of the counts that they belong to; None: each weighs one. The first row of a group takes all its
    pixels until the defective ones are subtracted."""
    interval: NDArray[np.int32] | None = None
    """The number of the interval that each lies in; None while that is its cell."""

    @classmethod
    def of_tally(cls, tally: Tally) -> Pixels:
        """As many pixels as intervals, with the weight of all in each."""
        weights = dict(enumerate(tally.counts))
        return cls(tally.starts, {row: w + weights[row + 1] if row % ROWS == 0 else w for row, w in weights.items()})

    def take(self, at: NDArray[np.intp] | slice) -> Pixels:
        """Some of them."""
        weights = {row: None if weights is None else weights[at] for row, weights in self.weights.items()}
        return Pixels(self.keys[at], weights, None if self.interval is None else self.interval[at])

    def weigh(self, part: NDArray[np.intp], total: Floats, times: int = 1) -> None:
        """Add them, so many times each, to what lies in each part, (rows, parts)."""
        for row, weights in self.weights.items():
            found = np.bincount(part, weights, total.shape[1])
            total[row] += found if times == 1 else times * found

    def sampled(self, defects_too: bool) -> tuple[Pixels, int]:
        """Some of them, and of how many each is one: all where they are defective, which few are, and that matters."""
        if defects_too and all(row % ROWS for row in self.weights):
            return self, 1
        return self.take(slice(None, None, _SAMPLE)), _SAMPLE


class _Table(NamedTuple):
    """The part of every 2**shift keys, for one look-up a pixel where a cut needs two."""

    shift: int
    first: int
    parts: NDArray[np.intp]

    @classmethod
    def of(cls, resolution: int, first_cell: int, finer: NDArray[np.intp], offset: NDArray[np.intp]) -> _Table:
        """From the two of each cell, of which none is finer than the resolution."""
        steps = CELL - resolution
        keys = np.arange(first_cell << steps, (first_cell + len(finer)) << steps) << resolution
        parts = (keys >> np.repeat(finer, 1 << steps)) + np.repeat(offset, 1 << steps)
        return cls(resolution, first_cell << steps, parts.astype(np.intp))

    def part(self, keys: Keys) -> NDArray[np.intp]:
        """The number of the part that each key lies in."""
        place = keys >> self.shift
        place -= self.first
        return self.parts.take(place, mode="clip")


class _Cut(NamedTuple):
    """Intervals cut into parts: a key's part is number `(key >> shift) + offset`, by the two of its interval."""

    shift: NDArray[np.int32]
    offset: NDArray[np.int32]
    parts: int
    table: _Table | None
    """Of the first cut, where no part is finer than its resolution."""

    def part(self, pixels: Pixels) -> NDArray[np.intp]:
        """The number of the part that each pixel lies in."""
        if self.table is not None:
            return self.table.part(pixels.keys)
        assert pixels.interval is not None
        part = pixels.keys >> self.shift.take(pixels.interval, mode="clip")  # of the modes, the fastest
        part += self.offset.take(pixels.interval, mode="clip")
        return part.astype(np.intp)

    def weigh(self, pieces: Sequence[Pixels], rows: int) -> Floats:
        """How much lies in each part, (rows, parts)."""
        total = np.zeros((rows, self.parts))
        for pixels in pieces:
            pixels.weigh(self.part(pixels), total)
        return _without_defects(total)

    def among(self, number: NDArray[np.int32], least: int, pixels: Pixels) -> Pixels:
        """The pixels in parts that have a number from 0, which becomes their interval's; none lies below the least."""
        pixels = pixels.take(np.flatnonzero(pixels.keys >= least))  # often few, and looking further costs more
        interval = number.take(self.part(pixels))
        at = np.flatnonzero(interval >= 0)
        return pixels.take(at)._replace(interval=interval[at])


class _Intervals(NamedTuple):
    """Where pixels are still to be told apart, in ascending order."""

    lowest: NDArray[np.integer[Any]]
    """(n,), the lowest key of each."""
    shift: NDArray[np.integer[Any]]
    """(n,): each has 2 ** shift keys."""
    room: Floats
    """(F, n), how many pixels of each kind an interval there may hold."""
    crowding: Floats
    """(n,), how many times as many it holds, by what is known so far."""

    @classmethod
    def first(
        cls, span: NDArray[np.float32], pieces: Sequence[Pixels], before: Pixels, rows: int, fineness: Fineness
    ) -> _Intervals:
        """Cells of 2**16 keys, with what a sample says about them."""
        first_cell, last_cell = (int(key) >> CELL for key in keys_of(span))
        lowest = np.arange(first_cell, last_cell + 1) << CELL
        sample = np.zeros((rows, len(lowest)))
        few = [pixels.sampled(fineness.defective is not None) for pixels in pieces]
        for pixels, times in [*few, (before, 1)]:
            pixels.weigh(_cells(pixels.keys, first_cell), sample, times)
        sample = np.maximum(_without_defects(sample), 0)
        room = fineness.room(sample)
        return cls(lowest, np.full(len(lowest), CELL), room, _crowding(fineness.parted(sample), room))

    def cut(self, resolution: int | None) -> tuple[_Cut, _Intervals]:
        """Each cut into so many equal parts that they should be half full at most; and the parts."""
        halvings = np.ceil(np.log2(np.maximum(2 * self.crowding, 1))).astype(int)
        finer = np.maximum(self.shift - halvings, resolution or 0)
        parts = 1 << (self.shift - finer)
        offset = np.cumsum(parts) - parts - (self.lowest >> finer)
        table = None if resolution is None else _Table.of(resolution, int(self.lowest[0]) >> CELL, finer, offset)
        cut = _Cut(finer.astype(np.int32), offset.astype(np.int32), int(parts.sum()), table)
        lowest = (np.arange(cut.parts) - np.repeat(offset, parts)) << np.repeat(finer, parts)
        return cut, _Intervals(lowest, np.repeat(finer, parts), np.repeat(self.room, parts, axis=1), np.zeros(0))

    def take(self, chosen: NDArray[np.bool_], crowding: Floats) -> _Intervals:
        """Some of them, and how crowded they are."""
        return _Intervals(self.lowest[chosen], self.shift[chosen], self.room[:, chosen], crowding[chosen])


def count(span: NDArray[np.float32], pieces: list[Pixels], before: Tally, fineness: Fineness) -> Tally:
    """Count pixels, taking them from the list, beside what was counted before; scores lie in the span.

    Intervals begin as cells of 2**16 keys. One that holds more pixels than it has room for is cut into equal parts, and
    these are counted, until the pixels in such intervals are so few that they can be sorted.
    """
    rows = len(before.counts)
    counted = Pixels.of_tally(before)
    intervals = _Intervals.first(span, pieces, counted, rows, fineness)
    pieces.append(counted)
    settled: list[Tally] = []
    resolution: int | None = max(0, CELL - (_TABLE // len(intervals.lowest)).bit_length() + 1)
    while sum(len(pixels.keys) for pixels in pieces) > BLOCK:
        cut, parts = intervals.cut(resolution)
        resolution = None
        counts = cut.weigh(pieces, rows)
        crowding = _crowding(fineness.parted(counts), parts.room)
        again = (crowding > 1) & (parts.shift > 0)
        done = np.flatnonzero(counts.any(axis=0) & ~again)
        settled.append(Tally(parts.lowest[done].astype(np.int32), parts.shift[done].astype(np.int8), counts[:, done]))
        intervals = parts.take(again, crowding)
        number = np.where(again, np.cumsum(again) - 1, -1).astype(np.int32)
        least = int(intervals.lowest.min(initial=1 << 31))
        pieces[:] = [cut.among(number, least, pieces.pop(0)) for _ in range(len(pieces))]
    settled.append(_sort(pieces, rows))
    return _joined(settled, before)


def _crowding(parted: Floats, room: Floats) -> Floats:
    """(B,), how many times its room each interval holds, of the kind of pixel that it holds the most of."""
    return np.asarray((parted / room).max(axis=0))


def _without_defects(total: Floats) -> Floats:
    """Turn rows of all pixels into rows of the normal ones."""
    total[0::ROWS] -= total[1::ROWS]
    return total


def _cells(keys: Keys, first: int) -> NDArray[np.intp]:
    """The number of each key's cell, from 0 for the first."""
    cell = keys >> CELL
    cell -= first
    return cell.astype(np.intp)


def _sort(pieces: Sequence[Pixels], rows: int) -> Tally:
    """An interval for each different key."""
    distinct = np.unique(np.concatenate([pixels.keys for pixels in pieces]))
    counts = np.zeros((rows, len(distinct)))
    for pixels in pieces:
        pixels.weigh(np.searchsorted(distinct, pixels.keys), counts)
    return Tally(distinct, np.zeros(len(distinct), np.int8), _without_defects(counts))


def _joined(tallies: Sequence[Tally], before: Tally) -> Tally:
    """Tallies of different keys as one; what was counted before is spread as widely as it was."""
    starts, spread, counts = (np.concatenate(arrays, axis=-1) for arrays in zip(*tallies, strict=True))
    order = np.argsort(starts, kind="stable")  # quick, for they come in sorted runs
    starts, spread = starts[order], spread[order]
    np.maximum.at(spread, np.searchsorted(starts, before.starts, side="right") - 1, before.spread)
    return Tally(starts, spread, counts[:, order])
