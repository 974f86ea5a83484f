"""Which of several detectors to take, by a rule that is written down, and how good that choice is.

The rule: the highest worth, which is the mean of the AUROC (of bad images against good ones that the detector had not
seen) and of the share of bad images found at its limit; of those that lie within TIE of it, the cheapest. No image that
chooses also reports: the images are dealt into folds, and those of each fold are judged by the detector that the rule
chooses on the other folds, at the limit that the other folds set. Limits rise with what choosing by the same good
images costs (`harness.verdicts.chosen_limits`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, FloatArray, Ranking
from harness.metrics.guarantees import at_most, conformal_place, images_needed, tolerance_place
from harness.metrics.significance import mcnemar
from harness.verdicts.chosen_limits import (
    Limited,
    alpha_of,
    keeps_on_average,
    keeps_with_confidence,
    limited_by_choosing,
)

TIE = 0.005
"""Worths that differ by no more are a tie, which goes to the cheaper detector."""
FOLDS = 5
SHARES = (0.05, 0.1, 0.2)
"""Shares of false alarms that a limit may be set for; the lowest that the good images suffice for is taken."""
_PROMISING = ("conformal", "tolerance")
"""Thresholds that keep a share of false alarms: on average, and with a stated confidence."""
FEWEST = math.ceil(round(1 / SHARES[-1], 9)) - 1
"""Good images that any limit takes."""


@dataclass(frozen=True)
class Candidate:
    """One detector with its scores of the same images."""

    name: str
    """For people, as `patchcore on effnet_lite0`."""
    good: FloatArray
    """(N,), of good images that it had not seen."""
    bad: FloatArray
    """(M,), of bad ones."""
    cost: float
    """Where it stands from cheap to dear: of equals the cheaper is taken. A place, for seconds differ between runs."""

    @property
    def auroc(self) -> float:
        """The chance that a bad image scores above a good one; nan without bad ones."""
        labels = np.repeat([False, True], [len(self.good), len(self.bad)])
        return Ranking(np.concatenate([self.good, self.bad]), labels).auroc()


@dataclass(frozen=True)
class Count:
    """So many of so many images that are judged wrongly."""

    wrong: int
    of: int

    @property
    def at_most(self) -> float:
        """The rate that it may be at most, with 95 % confidence."""
        return at_most(self.wrong, self.of)


@dataclass(frozen=True)
class RunnerUp:
    """A detector that was not chosen."""

    name: str
    auroc: float
    p: float | None
    """Of McNemar's test that it judges as many images rightly as the chosen one; None without bad images."""
    worse: bool
    """Whether it is wrong on more images than the chosen one."""


@dataclass(frozen=True)
class Choice:
    """What the rule comes to."""

    chosen: int
    """The place of the detector among the candidates."""
    promise: Promise
    """What was aimed at."""
    limit: float
    false_alarms: Count
    misses: Count | None
    """None without bad images."""
    found: Mapping[str, tuple[int, int]]
    """Kind of defect to how many of its images are found, and of how many."""
    runners_up: Sequence[RunnerUp]
    steady: int
    """In how many of the folds the same detector is chosen."""
    folds: int
    kept: Promise | None = None
    """What sets this limit: stricter than what was aimed at, where choosing by the same images costs something."""
    share: float = 1.0
    """Of false alarms, kept by the limit on average, as far as the good images show, the choosing counted in."""
    enough: bool = True
    """Whether that keeps what was aimed at."""

    def more_good_images(self, share: float) -> int:
        """How many more good images without a false alarm would bound the rate at this share; 0 where none are needed.

        With 95 % confidence.
        """
        if self.false_alarms.at_most <= share:
            return 0
        needed = most = images_needed(share)
        while at_most(self.false_alarms.wrong, most) > share:
            needed, most = most, 2 * most
        while needed < most:
            between = (needed + most) // 2
            needed, most = (
                (needed, between) if at_most(self.false_alarms.wrong, between) <= share else (between + 1, most)
            )
        return most - self.false_alarms.of


def share_for(n: int) -> float | None:
    """The share of false alarms that a limit of n good images is set for; None where n is too few for any."""
    return next((share for share in SHARES if conformal_place(n, share) is not None), None)


@dataclass(frozen=True)
class Promise:
    """What a limit is to keep: a share of false alarms on average, or with 95 % confidence."""

    share: float
    confident: bool = False

    @property
    def threshold(self) -> str:
        """The threshold that sets such limits, as it is spelt."""
        average, confident = _PROMISING
        return f"{confident if self.confident else average}[alpha={self.share!r}]"

    def place(self, n: int) -> int | None:
        """Which of n ascending scores keeps it, counted from 1; None where n is too few."""
        return tolerance_place(n, self.share, 0.95) if self.confident else conformal_place(n, self.share)


def limit_at(scores: FloatArray, promise: Promise) -> float:
    """The limit that keeps a promise, from scores (N,), or the highest of them where they are too few."""
    return _score_at(scores, promise.place(len(scores)) or len(scores))


def choose(
    candidates: Sequence[Candidate],
    good_groups: NDArray[np.intp],
    kinds: Sequence[str],
    promise: Promise,
    seed: int = 0,
    fresh_good: Sequence[FloatArray] | None = None,
) -> Choice:
    """Choose among candidates, cheapest first or not, and count how often the choice is wrong.

    Good images of one group (N,) are kept in one fold; the bad ones are of these kinds (M,). Good images that no
    detector was fitted to nor chosen by (K,), if there are some, are what false alarms are counted on instead.
    """
    chosen, limited = _chosen(candidates, promise)
    good_fold = _dealt(good_groups, seed)
    bad_fold = _dealt(np.arange(len(kinds)), seed + 1, np.unique(kinds, return_inverse=True)[1] if kinds else None)
    folds = int(max(good_fold.max(), bad_fold.max() if len(kinds) else 0)) + 1
    alarms, missed = np.zeros(len(good_fold), dtype=bool), np.zeros(len(kinds), dtype=bool)
    steady = 0
    for fold in range(folds):
        good, bad = good_fold != fold, bad_fold != fold
        others = [Candidate(one.name, one.good[good], one.bad[bad], one.cost) for one in candidates]
        at, inner = _chosen(others, promise)
        steady += at == chosen
        limit = _score_at(others[at].good, inner.place)
        alarms[~good] = candidates[at].good[~good] > limit
        missed[~bad] = candidates[at].bad[~bad] <= limit
    limit = _score_at(candidates[chosen].good, limited.place)
    if fresh_good is not None:
        alarms = np.asarray(fresh_good[chosen] > limit)
    counted, found = Counter(kinds), Counter(kind for kind, one in zip(kinds, missed.tolist(), strict=True) if not one)
    return Choice(
        chosen=chosen,
        promise=promise,
        limit=limit,
        false_alarms=Count(int(alarms.sum()), len(alarms)),
        misses=Count(int(missed.sum()), len(missed)) if len(kinds) else None,
        found={kind: (found[kind], n) for kind, n in sorted(counted.items())},
        runners_up=_runners_up(candidates, chosen, promise),
        steady=steady,
        folds=folds,
        kept=_kept(promise, limited.place, len(good_fold)),
        share=limited.share,
        enough=limited.enough,
    )


def _chosen(candidates: Sequence[Candidate], promise: Promise) -> tuple[int, Limited]:
    """The place of the best candidate, and that of its limit, which rises with what choosing by it costs."""
    n = len(candidates[0].good)
    enough = (keeps_with_confidence if promise.confident else keeps_on_average)(promise.share, n)
    costs = np.array([one.cost for one in candidates])
    limited = limited_by_choosing(
        [one.good for one in candidates],
        [one.bad for one in candidates],
        promise.place(n) or n,
        enough,
        lambda worths: np.where(worths >= worths.max(axis=0) - TIE, costs[:, None], np.inf).argmin(axis=0),
    )
    worths = [_worth(one, _score_at(one.good, limited.place)) for one in candidates]
    return cheapest_of_the_best(worths, costs.tolist()), limited


def _kept(promise: Promise, place: int, n: int) -> Promise:
    """What takes this place of n scores; what was aimed at, where that takes it too or is out of reach of so few."""
    return promise if promise.place(n) in (place, None) else Promise(alpha_of(place, n))


def _score_at(scores: FloatArray, place: int) -> float:
    return float(np.sort(scores)[place - 1])


def cheapest_of_the_best(worths: Sequence[float], costs: Sequence[float]) -> int:
    """The rule: the place of the cheapest of those whose worth is within TIE of the highest.

    Higher worths are better; a worth that is nan does not count, and of nothing but such the cheapest is taken.
    """
    highest = max((one for one in worths if one == one), default=math.nan)
    among = [at for at, one in enumerate(worths) if one >= highest - TIE] or list(range(len(worths)))
    return min(among, key=lambda at: costs[at])


def worth_of(auroc: float, found: float) -> float:
    """The worth of a detector in [0, 1]: the mean of its AUROC and of the share of bad images found at its limit.

    Limits have to keep the same promise for worths to be compared.
    """
    return (auroc + found) / 2


def keeps_a_promise(threshold: str) -> bool:
    """Whether limits of this spelling keep a rate of false alarms, if they are set on images that were not fitted."""
    return threshold.partition("[")[0] in _PROMISING


def _worth(one: Candidate, limit: float) -> float:
    """Nan without bad ones."""
    return worth_of(one.auroc, float(np.mean(one.bad > limit))) if len(one.bad) else math.nan


def _dealt(groups: NDArray[np.intp], seed: int, strata: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
    """The fold (N,) of each image: groups stay together, and each stratum is dealt out evenly."""
    numbers, first = np.unique(groups, return_index=True)
    drawn = np.random.default_rng(seed).permutation(len(numbers))
    if strata is not None:
        drawn = drawn[np.argsort(strata[first[drawn]], kind="stable")]
    fold = np.empty(len(numbers), dtype=np.intp)
    fold[drawn] = np.arange(len(numbers)) % FOLDS
    return np.asarray(fold[np.searchsorted(numbers, groups)])


def _runners_up(candidates: Sequence[Candidate], chosen: int, promise: Promise) -> list[RunnerUp]:
    """The others, best first, each tested against the chosen one on all images at limits of the same share."""
    right = [_right(one, promise) for one in candidates]
    found = []
    for at, one in enumerate(candidates):
        if at != chosen:
            p = mcnemar(right[chosen], right[at]) if len(one.bad) else None
            found.append(RunnerUp(one.name, one.auroc, p, bool(right[at].sum() < right[chosen].sum())))
    return sorted(found, key=lambda one: (-one.auroc if one.auroc == one.auroc else 0.0, one.p or 0.0))


def _right(candidate: Candidate, promise: Promise) -> BoolArray:
    limit = limit_at(candidate.good, promise)
    return np.concatenate([candidate.good <= limit, candidate.bad > limit])
