"""Curves along a protocol: how a figure changes with the number of training images, or with the share of bad ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from harness.trials.trial import CROSSFIT, PROTOCOL, Protocol
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import Method, Track
from harness.verdicts.rows import BoardRow, higher_is_better, stat

AXES: Mapping[str, str] = {"shots": "training images", "contaminate": "defective share of the training images"}
"""The protocols whose values are numbers, and what they count."""
_NAMES = tuple(PROTOCOL)
_FEWEST_SEEDS = 2
_ERRORS = 2.0
"""A curve that lies within this many standard errors (over seeds) of its last point is within its noise."""


class Point(NamedTuple):
    """A figure at one value of the axis, as a mean over seeds."""

    at: float
    mean: float
    sd: float | None
    """Over seeds; None for one."""
    seeds: int
    by_seed: Mapping[int, float] = {}


@dataclass(frozen=True)
class Curve:
    """One method along the axis."""

    method: Method
    points: Sequence[Point]
    """By rising value; at least two."""
    higher_is_better: bool
    unset: Sequence[float] = ()
    """Values at which its own threshold could not set a limit and others could, for example with too few images."""

    @property
    def enough(self) -> float | None:
        """The lowest value from which the curve stays within its noise of the last point; None if there is none.

        The noise is two standard errors of the difference, seed by seed, so both points need two seeds in common. The
        last point itself does not count.
        """
        *before, last = self.points
        found = None
        for point in reversed(before):
            seeds = point.by_seed.keys() & last.by_seed.keys()
            if len(seeds) < _FEWEST_SEEDS:
                return None
            apart = stat([last.by_seed[seed] - point.by_seed[seed] for seed in sorted(seeds)])
            behind = apart.mean if self.higher_is_better else -apart.mean
            if behind > _ERRORS * (apart.sd or 0.0) / math.sqrt(apart.n):
                break
            found = point.at
        return found


@dataclass(frozen=True)
class Curves:
    """Curves that share an axis, of one category or of the mean over categories. The best one comes first."""

    axis: str
    track: Track
    """What all points share, with the usual value for the axis."""
    tracks: Sequence[Track]
    """The tracks that the points come from."""
    category: str | None
    lines: Sequence[Curve]


def curves_of(boards: Sequence[Board], metric: str) -> list[Curves]:
    """All curves that can be drawn from ranked boards which differ in the value of an axis."""
    return [found for axis in AXES for found in _along(axis, boards, metric)]


def _along(axis: str, boards: Sequence[Board], metric: str) -> Iterator[Curves]:
    groups: dict[tuple[Track, str | None, tuple[tuple[str, str], ...]], dict[Track, Board]] = {}
    for board in boards:
        data = () if axis == "contaminate" else tuple(_data(board))
        place = (board.track._replace(protocol=_without(board.track.protocol, axis)), board.category, data)
        groups.setdefault(place, {})[board.track] = board
    for (track, category, _), group in groups.items():
        lines = _lines(axis, group, metric) if len(group) > 1 else []
        if lines:
            yield Curves(axis, track, tuple(group), category, lines)


def _data(board: Board) -> list[tuple[str, str]]:
    """Each category of a board with its data: if the data changed between runs, its points make no curve."""
    verdicts = [part.verdicts[0] for line in board.lines[:1] for part in line.parts or [line]]
    return sorted((verdict.trial.category, verdict.outcome.fingerprint) for verdict in verdicts)


def _without(protocol: Protocol, axis: str) -> Protocol:
    values = list(protocol or PROTOCOL.values())
    values[_NAMES.index(axis)] = PROTOCOL[axis]
    return () if values == list(PROTOCOL.values()) else tuple(values)


def _lines(axis: str, group: Mapping[Track, Board], metric: str) -> list[Curve]:
    points: dict[Method, dict[float, Point]] = {}
    better = True
    for track, board in sorted(group.items(), reverse=True):  # one shot comes last, to find its method among the others
        value = (track.protocol or tuple(PROTOCOL.values()))[_NAMES.index(axis)]
        categories = max(len(line.parts) for line in board.lines)
        for line in board.lines:
            if len(line.parts) < categories:
                continue  # a mean of fewer categories cannot stand beside that of all
            known = line.method._replace(calibrate=CROSSFIT)
            alone = axis == "shots" and value == 1 and line.method not in points and known in points
            point = _point(line, metric, _place(axis, value, line))
            better = higher_is_better(line, metric)
            if point is not None:
                points.setdefault(known if alone else line.method, {})[point.at] = point
    everywhere: dict[Method, set[float]] = {}
    for method, of in points.items():
        everywhere.setdefault(method._replace(threshold=""), set()).update(of)
    unset = {method: sorted(everywhere[method._replace(threshold="")] - of.keys()) for method, of in points.items()}
    curves = [
        Curve(method, [of[at] for at in sorted(of)], better, unset[method])
        for method, of in sorted(points.items())
        if len(of) > 1
    ]
    sign = -1 if better else 1
    return sorted(curves, key=lambda curve: sign * curve.points[-1 if axis == "shots" else 0].mean)


def _place(axis: str, value: float, line: BoardRow) -> float | None:
    """The place of a row on the axis; with all shots, the number of images that it was fitted to."""
    if axis != "shots" or value:
        return float(value)
    counts = [outcome.record.n_train for outcome in line.outcomes]
    known = [count for count in counts if count is not None]
    return fmean(known) if known else None


def _point(line: BoardRow, metric: str, at: float | None) -> Point | None:
    """For each seed that all categories have, the mean over categories; then the mean of these."""
    by_category = [
        {v.trial.seed: value for v in part.verdicts if (value := v.metric(metric)) is not None}
        for part in line.parts or [line]
    ]
    seeds = set.intersection(*map(set, by_category))
    if at is None or not seeds:
        return None
    means = {seed: fmean(by_seed[seed] for by_seed in by_category) for seed in sorted(seeds)}
    found = stat(list(means.values()))
    return Point(at, found.mean, found.sd, found.n, means)
