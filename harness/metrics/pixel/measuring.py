"""Takes in error maps and masks, some at a time, and tells how well the maps find defective pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import GOOD, FloatArray, PixelCounts, Region
from harness.metrics.pixel import curves
from harness.metrics.pixel.counting import BLOCK, Pixels, count
from harness.metrics.pixel.curves import MAX_FPR
from harness.metrics.pixel.evidence import PixelEvidence
from harness.metrics.pixel.keys import Keys, keys_of, origin_of, single
from harness.metrics.pixel.regions import WHOLE, Regions, annotated_shares
from harness.metrics.pixel.tally import ROWS, Fineness, Floats, Tally

FINENESS = Fineness(normal=2048, defective=4096)
"""By which average precision is right to 1e-4 wherever defective pixels lie."""
RANKS_ONLY = Fineness(normal=2048)
"""Enough for AUPRO and AUROC."""
MOST_KINDS = 32
"""Defect kinds that are counted apart; further ones are counted together, so that memory stays bounded."""
OTHER = ""
"""The name under which further kinds are counted."""

_WAITING = 1 << 23  # pixels that wait to be counted together: more cost memory, fewer cost time


class _Waiting(NamedTuple):
    """One map that is still to be counted."""

    group: int
    keys: Keys
    defective: Keys
    share: Floats
    """What part of its region each defective pixel is."""


class PixelMetrics:
    """Takes in any number of maps, then tells their metrics, each within 1e-4 of what an exact sort gives.

    Scores are read as float32 and counted in intervals that are finer where scores crowd and towards the top. Those
    below the floor are not told apart, which saves time, and is enough for AUPRO up to the `rate_at_floor`; with a
    floor there are no kinds. The regions say what AUPRO counts.
    """

    def __init__(self, floor: float = -np.inf, fineness: Fineness = FINENESS, regions: Regions = WHOLE) -> None:
        self._floor = np.float32(floor)
        self._regions = regions
        self._fineness = fineness
        self._below = np.zeros(ROWS)  # what lies below the floor
        self._maps = 0
        self._origin: float | None = None
        self._span = np.array([np.inf, -np.inf], dtype=np.float32)
        self._groups: dict[str, int] = {}
        self._waiting: list[_Waiting] = []
        self._pixels_waiting = 0
        self._tally = Tally.empty()

    def update(
        self,
        maps: FloatArray,
        masks: NDArray[Any],
        kinds: Sequence[str] | None = None,
        regions: Sequence[Sequence[Region]] | None = None,
    ) -> None:
        """Take in maps (N, H, W), higher is more anomalous, and masks (N, H, W), nonzero where defective.

        N defect kinds are told apart in the evidence. Where regions were annotated apart, those of each map, (H, W),
        take the place of its mask. Raises ValueError for shapes that differ and for a score that is
        not finite in float32.
        """
        check_shapes(maps, masks)
        if self._origin is None and len(maps):
            self._origin = 0.0 if self._floor > -np.inf else origin_of(maps[0])
        for at, (scores, mask) in enumerate(zip(maps, masks, strict=True)):
            sure = single(scores, self._origin or 0.0)
            least, most = sure.min(), sure.max()
            if not np.isfinite([least, most]).all():
                row, column = np.argwhere(~np.isfinite(sure))[0]
                place = f"row {row}, column {column} of map {self._maps}"
                raise ValueError(f"the score at {place} is {scores[row, column]}: expected a finite float32")
            self._span = np.array([min(self._span[0], least), max(self._span[1], most)])
            flat = sure.ravel()
            if regions is None:
                defective = self._regions.shares(np.asarray(mask) != 0, flat)
            else:
                defective = annotated_shares(regions[at], flat)
            self._wait(self._group(GOOD if kinds is None else kinds[at]), flat, *defective)
            self._maps += 1
            if self._pixels_waiting >= _WAITING:
                self._counted()

    def rate_at_floor(self) -> float:
        """Share of the normal pixels that do not lie below the floor, in [0, 1]; 1 where there is none."""
        return 1 - float(self._below[0] / max(self.counts().normal.sum(), 1))

    def aupro(self, max_fpr: float = MAX_FPR) -> float | None:
        """`curves.aupro` of what was taken in. Raises ValueError."""
        curves.check_limit(max_fpr)
        return curves.aupro(self.counts(), max_fpr)

    def auroc(self) -> float | None:
        """`curves.auroc` of what was taken in."""
        return curves.auroc(self.counts())

    def average_precision(self) -> float | None:
        """`curves.average_precision` of what was taken in."""
        return curves.average_precision(self.counts())

    def result(self, max_fpr: float = MAX_FPR) -> dict[str, float | None]:
        """`curves.summary` of what was taken in."""
        return curves.summary(self.counts(), max_fpr)

    def evidence(self) -> PixelEvidence:
        """What is worth keeping of all that was taken in: few numbers, from which every pixel metric follows."""
        assert self._floor == -np.inf, "what lies below a floor was not told apart"
        return PixelEvidence.of(self._counted(), tuple(self._groups), self._origin or 0.0)

    def _group(self, kind: str) -> int:
        if kind not in self._groups and len(self._groups) >= MOST_KINDS:
            kind = OTHER
        return self._groups.setdefault(kind, len(self._groups))

    def _wait(self, group: int, scores: NDArray[np.float32], at: NDArray[np.intp], share: Floats) -> None:
        """Sort out what is to be counted of a map, of which what lies below the floor is only summed up."""
        defective = scores.take(at)
        self._pixels_waiting += scores.size
        if self._floor > -np.inf:
            high, found = np.flatnonzero(scores >= self._floor), np.flatnonzero(defective >= self._floor)
            missed = len(at) - len(found), share.sum() - share.take(found).sum()
            self._below += scores.size - len(high) - missed[0], *missed
            scores, defective, share = scores.take(high), defective.take(found), share.take(found)
        self._waiting.append(_Waiting(group, keys_of(scores), keys_of(defective), share))

    def _counted(self) -> Tally:
        """The tally of all that was taken in so far and does not lie below the floor."""
        if self._waiting:
            pieces = _pieces(self._waiting)
            self._waiting, self._pixels_waiting = [], 0  # what was counted is to be freed while the rest is cut again
            before = self._tally.of_groups(len(self._groups))
            self._tally = count(np.maximum(self._span, self._floor), pieces, before, self._fineness)
        return self._tally

    def counts(self) -> PixelCounts:
        """All that was taken in, what lies below the floor as one interval; `curves` makes metrics of it."""
        tally = self._counted()
        if not self._groups:
            return Tally.empty(1).of_one_group()
        together = tally._replace(counts=tally.groups.sum(axis=0)).above(self._below)
        return together.of_one_group(self._origin or 0.0)


def check_shapes(maps: FloatArray, masks: NDArray[Any]) -> None:
    """Raises ValueError for maps and masks that are not (N, H, W) of both."""
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps are {maps.shape} and masks {masks.shape}: expected (N, H, W) of both")


def _pieces(waiting: Sequence[_Waiting]) -> list[Pixels]:
    """All pixels of each group, and its defective ones once more, in arrays that are neither tiny nor large."""
    pieces = []
    for group in sorted({one.group for one in waiting}):
        first, own = ROWS * group, [one for one in waiting if one.group == group]
        pieces += [Pixels(keys, {first: None}) for keys in _blocks([one.keys for one in own])]
        defective = zip(_blocks([one.defective for one in own]), _blocks([one.share for one in own]), strict=True)
        pieces += [Pixels(keys, {first + 1: None, first + 2: share}) for keys, share in defective]
    return pieces


def _blocks(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The same numbers in arrays that are neither tiny nor large."""
    if sum(map(len, arrays)) < len(arrays) * BLOCK / 8:
        arrays = [np.concatenate(arrays)]
    return [array[start : start + BLOCK] for array in arrays for start in range(0, len(array), BLOCK)]
