"""How well error maps find defective pixels: AUPRO, AUROC and average precision, in one pass and bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, FloatArray

FPR_LIMIT = 0.3
"""The false positive rate up to which AUPRO is usually given."""

_FINENESS = 2048  # an interval may hold one normal pixel, or this part of those that score above it
_WAITING = 1 << 23  # pixels that wait to be counted together: more cost memory, fewer cost time
_BLOCK = 1 << 17  # pixels that pass through a core's cache together
_SAMPLE = 61  # one pixel in so many tells beforehand where scores crowd; prime, for widths are not
_GRID = 8  # so many rows and columns apart lie the pixels that tell which scores matter
_TABLE = 1 << 18  # entries of the table of the first cut, or twice as many
_CELL = 16  # counting starts with intervals of 2 ** _CELL keys

_Keys = NDArray[np.int32]
_Floats = NDArray[np.float64]
_Kinds = tuple[_Keys, _Keys, _Floats]
"""Keys of all pixels, those of defective ones, and what part of its region each of these is."""


class PixelMetrics:
    """Takes in any number of maps, then tells their metrics, each within 1e-4 of what an exact sort gives.

    Scores are read as float32 and counted in intervals that are finer where scores crowd and towards the top. Those
    below the floor are not told apart, which saves time, and is enough for AUPRO up to the `rate_at_floor`.
    """

    def __init__(self, floor: float = -np.inf) -> None:
        self._floor = np.float32(floor)
        self._below = np.zeros(3)  # normal pixels, defective ones and regions below the floor
        self._maps = 0
        self._span = np.array([np.inf, -np.inf], dtype=np.float32)
        self._waiting: list[_Kinds] = []
        self._pixels_waiting = 0
        self._tally = _Tally(np.zeros(0, np.int32), *np.zeros((3, 0)))

    def update(self, maps: FloatArray, masks: NDArray[Any]) -> None:
        """Take in maps (N, H, W), higher is more anomalous, and masks (N, H, W), nonzero where defective.

        Raises ValueError for shapes that differ and for a score that is not finite in float32.
        """
        _check_shapes(maps, masks)
        for scores, mask in zip(maps, masks, strict=True):
            with np.errstate(over="ignore"):  # refused below, with its place
                single = np.asarray(scores, dtype=np.float32)
            least, most = single.min(), single.max()
            if not np.isfinite([least, most]).all():
                row, column = np.argwhere(~np.isfinite(single))[0]
                place = f"row {row}, column {column} of map {self._maps}"
                raise ValueError(f"the score at {place} is {scores[row, column]}: expected a finite float32")
            self._span = np.array([min(self._span[0], least), max(self._span[1], most)])
            self._waiting.append(self._sorted_out(single.ravel(), np.asarray(mask) != 0))
            self._maps += 1
            self._pixels_waiting += single.size
            if self._pixels_waiting >= _WAITING:
                self._counted()

    def rate_at_floor(self) -> float:
        """Share of the normal pixels that do not lie below the floor, in [0, 1]; 1 where there is none."""
        normal = self._counted().normal
        return 1 - float(self._below[0] / max(normal.sum(), 1))

    def aupro(self, fpr_limit: float = FPR_LIMIT) -> float | None:
        """Mean share found of each 8-connected defective region, over false positive rates from 0 to the limit.

        In [0, 1]; None without a defective or a normal pixel. Bergmann et al., IJCV 2021. Raises ValueError.
        """
        _check_limit(fpr_limit)
        tally = self._counted()
        return _mean_found(tally.overlap, tally.normal, fpr_limit)

    def auroc(self) -> float | None:
        """Chance that a defective pixel scores above a normal one, ties counting half; None without one of each."""
        tally = self._counted()
        return _mean_found(tally.defective, tally.normal, 1.0)

    def average_precision(self) -> float | None:
        """Precision at the score of a defective pixel, on average over them; None without one."""
        tally = self._counted()
        found = np.cumsum(tally.defective[::-1])
        if not found.size or not found[-1]:
            return None
        precision = found / np.maximum(found + np.cumsum(tally.normal[::-1]), 1)
        return float(tally.defective[::-1] @ precision / found[-1])

    def result(self, fpr_limit: float = FPR_LIMIT) -> dict[str, float | None]:
        """All three, under their names in a verdict: `aupro_0.30`, `pixel_auroc`, `pixel_average_precision`."""
        return {
            f"aupro_{fpr_limit:.2f}": self.aupro(fpr_limit),
            "pixel_auroc": self.auroc(),
            "pixel_average_precision": self.average_precision(),
        }

    def _sorted_out(self, scores: NDArray[np.float32], mask: BoolArray) -> _Kinds:
        """What is to be counted of a map, of which what lies below the floor is only summed up."""
        at, share = _defects(mask)
        defective = scores.take(at)
        if self._floor > -np.inf:
            high, found = np.flatnonzero(scores >= self._floor), np.flatnonzero(defective >= self._floor)
            missed = len(at) - len(found), share.sum() - share.take(found).sum()
            self._below += mask.size - len(high) - missed[0], *missed
            scores, defective, share = scores.take(high), defective.take(found), share.take(found)
        return _keys(scores), _keys(defective), share

    def _counted(self) -> _Tally:
        """The tally of all that was taken in so far."""
        if self._waiting:
            every, defective, share = (_blocks(arrays) for arrays in zip(*self._waiting, strict=True))
            pixels = [_Pixels(keys, {0: None}) for keys in every]
            pixels += [_Pixels(keys, {1: None, 2: part}) for keys, part in zip(defective, share, strict=True)]
            self._waiting, self._pixels_waiting = [], 0
            del every, defective, share  # what was counted for good is to be freed while the rest is cut again
            self._tally = _count(np.maximum(self._span, self._floor), pixels, self._tally)
        return self._tally.above(self._below)


def aupro(maps: FloatArray, masks: NDArray[Any], fpr_limit: float = FPR_LIMIT) -> float | None:
    """`PixelMetrics.aupro` of these maps and masks."""
    _check_limit(fpr_limit)
    _check_shapes(maps, masks)
    metrics = _metrics(maps, masks, _reached_by(maps, masks, 1.05 * fpr_limit))
    if metrics.rate_at_floor() < fpr_limit:  # the sample misled
        metrics = _metrics(maps, masks)
    return metrics.aupro(fpr_limit)


def pixel_auroc(maps: FloatArray, masks: NDArray[Any]) -> float | None:
    """`PixelMetrics.auroc` of these maps and masks."""
    return _metrics(maps, masks).auroc()


def pixel_average_precision(maps: FloatArray, masks: NDArray[Any]) -> float | None:
    """`PixelMetrics.average_precision` of these maps and masks."""
    return _metrics(maps, masks).average_precision()


def _metrics(maps: FloatArray, masks: NDArray[Any], floor: float = -np.inf) -> PixelMetrics:
    metrics = PixelMetrics(floor)
    metrics.update(maps, masks)
    return metrics


def _check_limit(fpr_limit: float) -> None:
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"fpr_limit is {fpr_limit!r}: expected a number above 0 and at most 1")


def _check_shapes(maps: FloatArray, masks: NDArray[Any]) -> None:
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps are {maps.shape} and masks {masks.shape}: expected (N, H, W) of both")


def _reached_by(maps: FloatArray, masks: NDArray[Any], share: float) -> float:
    """A score that about this share of the normal pixels reach, by a sample; -inf where that says little."""
    few = np.s_[:, _GRID // 2 :: _GRID, _GRID // 2 :: _GRID]
    normal = maps[few][np.asarray(masks[few]) == 0]
    rank = int(len(normal) * (1 - share) - 2 * len(normal) ** 0.5)  # 4 standard deviations to the safe side
    return _start_of_cell(np.partition(normal, rank)[rank]) if rank > 0 else -np.inf


def _mean_found(found: _Floats, normal: _Floats, fpr_limit: float) -> float | None:
    """Mean share found over false positive rates from 0 to the limit, from counts by ascending score.

    What is found while the rate rises from a to b is, on average over these rates, half found.
    """
    all_found, all_normal = found.sum(), normal.sum()
    if not all_found or not all_normal:
        return None
    rate = np.concatenate([[0.0], np.cumsum(normal[::-1])]) / all_normal
    within = np.minimum(rate, fpr_limit)
    rise, rise_within = np.diff(rate), np.diff(within)
    while_rising = np.divide(rise_within**2, 2 * rise, out=np.zeros_like(rise), where=rise > 0)
    return float(found[::-1] @ (fpr_limit - within[1:] + while_rising) / (fpr_limit * all_found))


def _keys(scores: NDArray[np.float32]) -> _Keys:
    """Whole numbers in the order of the scores, equal where these are equal."""
    keys = (scores + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
    if keys.min(initial=0) < 0:
        keys ^= (keys >> 31) & 0x7FFFFFFF  # the bits of negative numbers run backwards
    return keys


def _start_of_cell(score: float) -> float:
    """The lowest score of the cell that a score lies in."""
    key = _keys(np.array([score], np.float32)) >> _CELL << _CELL
    return float((key ^ (key >> 31) & 0x7FFFFFFF).view(np.float32)[0])


def _defects(mask: BoolArray) -> tuple[NDArray[np.intp], _Floats]:
    """Where the defective pixels lie in the raveled mask, and what part of its region each of them is."""
    at = np.flatnonzero(mask)
    if not at.size:
        return at, np.zeros(0)
    from scipy import ndimage

    rows, columns = at[[0, -1]] // mask.shape[1], at % mask.shape[1]
    box = mask[rows[0] : rows[1] + 1, columns.min() : columns.max() + 1]  # what has no defects is not looked at
    labels, _ = ndimage.label(box, structure=np.ones((3, 3)))
    region = labels[box]
    return at, 1 / np.bincount(region)[region]


def _blocks(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The same numbers in arrays that are neither tiny nor large."""
    if sum(map(len, arrays)) < len(arrays) * _BLOCK / 8:
        arrays = [np.concatenate(arrays)]
    return [array[start : start + _BLOCK] for array in arrays for start in range(0, len(array), _BLOCK)]


class _Tally(NamedTuple):
    """What lies in each of B intervals of keys, in ascending order."""

    starts: _Keys
    """The lowest key of each."""
    normal: _Floats
    """Pixels."""
    defective: _Floats
    """Pixels."""
    overlap: _Floats
    """Regions, each shared out among its pixels."""

    def above(self, below: _Floats) -> _Tally:
        """With one more interval, in front, for the normal pixels, defective ones and regions that lie below."""
        starts = np.append(np.int32(np.iinfo(np.int32).min), self.starts)
        return _Tally(starts, *np.column_stack([below, self[1:]])) if below.any() else self

    def pixels(self) -> _Pixels:
        """As many pixels as intervals, with the weight of all in each."""
        return _Pixels(self.starts, {0: self.normal + self.defective, 1: self.defective, 2: self.overlap})


class _Pixels(NamedTuple):
    """Pixels to be counted."""

    keys: _Keys
    weights: Mapping[int, _Floats | None]
    """In each column that they count in: 0 for all, 1 for the defective, 2 for regions. None: each weighs one."""
    interval: NDArray[np.int32] | None = None
    """The number of the interval that each lies in; None while that is its cell."""

    def take(self, at: NDArray[np.intp] | slice) -> _Pixels:
        """Some of them."""
        weights = {column: None if weights is None else weights[at] for column, weights in self.weights.items()}
        return _Pixels(self.keys[at], weights, None if self.interval is None else self.interval[at])

    def weigh(self, part: NDArray[np.intp], total: _Floats) -> None:
        """Add them to what lies in each part, (3, parts)."""
        for column, weights in self.weights.items():
            total[column] += np.bincount(part, weights, total.shape[1])


class _Table(NamedTuple):
    """The part of every 2**shift keys, for one look-up a pixel where a cut needs two."""

    shift: int
    first: int
    parts: NDArray[np.intp]

    @classmethod
    def of(cls, resolution: int, first_cell: int, finer: NDArray[np.intp], offset: NDArray[np.intp]) -> _Table:
        """From the two of each cell, of which none is finer than the resolution."""
        steps = _CELL - resolution
        keys = np.arange(first_cell << steps, (first_cell + len(finer)) << steps) << resolution
        parts = (keys >> np.repeat(finer, 1 << steps)) + np.repeat(offset, 1 << steps)
        return cls(resolution, first_cell << steps, parts.astype(np.intp))

    def part(self, keys: _Keys) -> NDArray[np.intp]:
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

    def part(self, pixels: _Pixels) -> NDArray[np.intp]:
        """The number of the part that each pixel lies in."""
        if self.table is not None:
            return self.table.part(pixels.keys)
        assert pixels.interval is not None
        part = pixels.keys >> self.shift.take(pixels.interval, mode="clip")  # of the modes, the fastest
        part += self.offset.take(pixels.interval, mode="clip")
        return part.astype(np.intp)

    def weigh(self, pieces: Sequence[_Pixels]) -> _Floats:
        """How much of normal pixels, defective ones and regions lies in each part, (3, parts)."""
        total = np.zeros((3, self.parts))
        for pixels in pieces:
            pixels.weigh(self.part(pixels), total)
        total[0] -= total[1]
        return total

    def among(self, number: NDArray[np.int32], least: int, pixels: _Pixels) -> _Pixels:
        """The pixels in parts that have a number from 0, which becomes their interval's; none lies below the least."""
        pixels = pixels.take(np.flatnonzero(pixels.keys >= least))  # often few, and looking further costs more
        interval = number.take(self.part(pixels))
        at = np.flatnonzero(interval >= 0)
        return pixels.take(at)._replace(interval=interval[at])


def _cells(keys: _Keys, first: int) -> NDArray[np.intp]:
    """The number of each key's cell, from 0 for the first."""
    cell = keys >> _CELL
    cell -= first
    return cell.astype(np.intp)


def _count(span: NDArray[np.float32], pieces: list[_Pixels], before: _Tally) -> _Tally:
    """Count pixels, taking them from the list, beside what was counted before; scores lie in the span.

    Intervals are fitted to the normal ones. They begin as cells of 2**16 keys. One that holds more pixels than it has
    room for is cut into equal parts, and these are counted, until the pixels in such intervals are so few that they can
    be sorted.
    """
    first_cell, last_cell = (int(key) >> _CELL for key in _keys(span))
    lowest = np.arange(first_cell, last_cell + 1) << _CELL
    shift = np.full(len(lowest), _CELL)
    sample = np.zeros((3, len(lowest)))
    for pixels in pieces:
        few = pixels.take(slice(None, None, _SAMPLE))
        few.weigh(_cells(few.keys, first_cell), sample)
    sample *= _SAMPLE
    pieces.append(before.pixels())
    pieces[-1].weigh(_cells(before.starts, first_cell), sample)
    normal = np.maximum(sample[0] - sample[1], 0)
    room = np.maximum((normal.sum() - np.cumsum(normal)) / _FINENESS, 1)
    settled: list[tuple[NDArray[np.integer[Any]], _Floats]] = []
    resolution: int | None = max(0, _CELL - (_TABLE // len(lowest)).bit_length() + 1)
    while sum(len(pixels.keys) for pixels in pieces) > _BLOCK:
        halvings = np.ceil(np.log2(np.maximum(2 * normal / room, 1))).astype(int)  # half full at most
        finer = np.maximum(shift - halvings, resolution or 0)
        parts = 1 << (shift - finer)
        offset = np.cumsum(parts) - parts - (lowest >> finer)
        table = None if resolution is None else _Table.of(resolution, first_cell, finer, offset)
        cut = _Cut(finer.astype(np.int32), offset.astype(np.int32), int(parts.sum()), table)
        resolution = None
        lowest = (np.arange(cut.parts) - np.repeat(offset, parts)) << np.repeat(finer, parts)
        shift, room = np.repeat(finer, parts), np.repeat(room, parts)

        counts = cut.weigh(pieces)
        again = (counts[0] > room) & (shift > 0)
        done = np.flatnonzero(counts.any(axis=0) & ~again)
        settled.append((lowest[done], counts[:, done]))

        number = np.where(again, np.cumsum(again) - 1, -1).astype(np.int32)
        lowest, shift, room, normal = lowest[again], shift[again], room[again], counts[0, again]
        least = int(lowest.min(initial=1 << 31))
        pieces = [cut.among(number, least, pieces.pop(0)) for _ in range(len(pieces))]
    settled.append(_sort(pieces))
    starts, counts = (np.concatenate(arrays, axis=-1) for arrays in zip(*settled, strict=True))
    order = np.argsort(starts, kind="stable")  # quick, for they come in sorted runs
    return _Tally(starts[order].astype(np.int32), *counts[:, order])


def _sort(pieces: Sequence[_Pixels]) -> tuple[_Keys, _Floats]:
    """The different keys, in order, and how much of normal pixels, defective ones and regions each has."""
    distinct = np.unique(np.concatenate([pixels.keys for pixels in pieces]))
    counts = np.zeros((3, len(distinct)))
    for pixels in pieces:
        pixels.weigh(np.searchsorted(distinct, pixels.keys), counts)
    counts[0] -= counts[1]
    return distinct, counts
