"""How fast trials go, and how long the rest will take. README.md beside this says why rich's estimate does not do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from harness.api import FloatArray, Progress
from harness.trials.trial import Trial

_NOTHING: Mapping[str, Any] = MappingProxyType({})

Clock = Callable[[], float]
"""Seconds since anything."""

_SHARED = 0.01
"""The ridge on what a category or part contributes, against 1 for each trial seen: a few trials tell parts apart."""
_OWN = 0.1
"""The ridge on what a combination costs beyond its parts, which takes more trials to be believed."""
_LATE = 0.1
"""Of what a trial took so far, it is taken to need more, where it has taken longer than foreseen."""


@dataclass
class _Running:
    begun: float
    images: int = 0
    share: float = 0.0
    """Of the epochs, that are done; 0 where nothing was said."""
    said: float = 0.0
    """When that was."""


class Pace:
    """The trials that run, since when, and at what speed."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.running: dict[Trial, _Running] = {}

    def started(self, trial: Trial) -> None:
        """A trial begins, or begins again."""
        self.running[trial] = _Running(self.clock())

    def progressed(self, trial: Trial, progress: Progress) -> float | None:
        """Training images a second so far; None where no time has passed."""
        running = self.running.setdefault(trial, _Running(self.clock()))
        running.images += progress.images
        if progress.epoch_done:
            running.share, running.said = progress.epoch / progress.epochs, self.clock()
        elapsed = self.clock() - running.begun
        return running.images / elapsed if elapsed > 0 else None

    def ended(self, trial: Trial) -> float | None:
        """The seconds it took; None for one that never began."""
        running = self.running.pop(trial, None)
        return None if running is None else self.clock() - running.begun


class _Kind(NamedTuple):
    """What is taken to cost the same, whatever the seed."""

    category: str
    model: str
    encoder: str
    loss: str
    method: str


def _kind(trial: Trial) -> _Kind:
    return _Kind(trial.category, trial.model, trial.encoder, trial.loss, trial.method)


class _Costs:
    """The logarithm of the seconds an image takes is a sum of what category, model, encoder, loss and method add.

    A ridge regression finds what: so a method costs what its parts cost in others, until it was seen itself.
    """

    def __init__(self, kinds: Iterable[_Kind], images: Mapping[str, int]) -> None:
        self._images = images
        places = dict.fromkeys(place for kind in kinds for place in zip(_Kind._fields, kind, strict=True))
        self._columns = {place: 2 + at for at, place in enumerate(places)}  # after those of all, and of earlier runs
        ridge = [_OWN if axis == "method" else _SHARED for axis, _ in places]
        self._gram = np.diag([1e-6, _SHARED, *ridge])
        self._moment = np.zeros(len(self._gram))
        self.count = 0

    def copy(self) -> _Costs:
        """One that learns without teaching this one."""
        other = _Costs((), self._images)
        other._columns, other.count = self._columns, self.count
        other._gram, other._moment = self._gram.copy(), self._moment.copy()
        return other

    def learn(self, kind: _Kind, seconds: float, *, earlier: bool = False) -> None:
        """One trial's cost; that of an earlier run may have been on another machine, which is one factor for all."""
        at = [*self._at(kind), *([1] if earlier else [])]
        self._gram[np.ix_(at, at)] += 1
        self._moment[at] += np.log(max(seconds, 1e-3) / self._images.get(kind.category, 1))
        self.count += 1

    def of(self, kinds: list[_Kind]) -> FloatArray:
        """Seconds of each kind."""
        solved = np.linalg.solve(self._gram, self._moment)
        images = np.array([self._images.get(kind.category, 1) for kind in kinds])
        seconds: FloatArray = np.exp([solved[self._at(kind)].sum() for kind in kinds]) * images
        return seconds

    def _at(self, kind: _Kind) -> list[int]:
        return [0, *(self._columns[place] for place in zip(_Kind._fields, kind, strict=True))]


class TimeLeft:
    """Estimates the seconds that remain, from those that trials took and the epochs that running ones have done."""

    def __init__(
        self,
        trials: Iterable[Trial],
        *,
        stored: Mapping[str, float] = _NOTHING,
        images: Mapping[str, int] = _NOTHING,
        clock: Clock = time.monotonic,
    ) -> None:
        """`stored` has the seconds of trials by key that need no fit; `images` those to fit on, by category, if known.

        Categories of which nothing is known are taken to be alike.
        """
        plan = [(trial.key, _kind(trial)) for trial in trials]
        whole = images if all(kind.category in images for _, kind in plan) else _NOTHING
        self._costs = _Costs((kind for _, kind in plan), whole)
        for key, kind in plan:
            if key in stored:
                self._costs.learn(kind, stored[key], earlier=True)
        self._stored = frozenset(stored)
        self._waiting = Counter(kind for key, kind in plan if key not in stored)
        self._failed: dict[str, float] = {}
        self._pace = Pace(clock)
        self._lanes = 1

    def started(self, trial: Trial) -> None:
        """A trial begins."""
        if trial not in self._pace.running:
            self._take(trial)
        self._pace.started(trial)
        self._lanes = max(self._lanes, len(self._pace.running))

    def progressed(self, trial: Trial, progress: Progress) -> float | None:
        """A trial goes on; at so many training images a second, as `Pace` has it."""
        return self._pace.progressed(trial, progress)

    def found(self, trial: Trial) -> None:
        """A trial needs no fit."""
        self._take(trial)

    def ended(self, trial: Trial, *, done: bool) -> None:
        """A trial is off the list; one that failed says nothing of those that will not."""
        seconds = self._pace.ended(trial)
        if seconds is None:
            self._take(trial)
        elif done:
            self._costs.learn(_kind(trial), seconds)
            self._failed.pop(trial.method, None)
        else:
            self._failed[trial.method] = seconds

    def _take(self, trial: Trial) -> None:
        """Off the list of those that wait, if it was on it."""
        if trial.key not in self._stored:
            self._waiting[_kind(trial)] -= 1

    def seconds(self) -> float | None:
        """None while nothing is known."""
        now, running = self._pace.clock(), self._pace.running
        costs = self._costs.copy()
        for trial, one in running.items():
            if one.share:
                costs.learn(_kind(trial), (one.said - one.begun) / one.share)
        if not costs.count:
            return None
        rest = []
        for trial, cost in zip(running, costs.of([_kind(trial) for trial in running]), strict=True):
            one = running[trial]
            whole = (one.said - one.begun) / one.share if one.share else float(cost)
            rest.append(max(whole - (now - one.begun), _LATE * (now - one.begun)))
        waiting = [kind for kind, count in self._waiting.items() if count > 0]
        each = [self._failed.get(kind.method, cost) for kind, cost in zip(waiting, costs.of(waiting), strict=True)]
        work = sum(rest) + sum(self._waiting[kind] * cost for kind, cost in zip(waiting, each, strict=True))
        return float(max([work / self._lanes, *rest, *each]))
