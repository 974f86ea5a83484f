"""The rows of a leaderboard: a method's figures over seeds and categories, and the floors beside it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import NamedTuple

from harness.trials.trial import Outcome
from harness.verdicts.methods import Method
from harness.verdicts.seeds import outlying_seeds
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict

RANKED_BY = "balanced_accuracy"
"""The default: no constant answer reaches more than one half, however few images are normal."""


class Stat(NamedTuple):
    """A metric over seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation; None for one seed."""
    low: float
    high: float
    n: int


def stat(values: Sequence[float]) -> Stat:
    """Mean, spread and range of at least one value."""
    n, first = len(values), values[0]
    if n == 1:
        return Stat(first, None, first, first, 1)
    mean = fmean(values)
    squares = sum((value - mean) ** 2 for value in values)  # statistics.stdev takes 30 times as long
    return Stat(mean, math.sqrt(squares / (n - 1)), min(values), max(values), n)


@dataclass(eq=False)  # and not frozen, which takes three times as long to make, a hundred thousand times
class BoardRow:
    """One row of a board. Its figures are computed when they are asked for, since most rows are never looked at."""

    method: Method
    floor: float
    """The accuracy of the better constant answer."""
    verdicts: Sequence[Verdict] = ()
    """The verdicts behind a row on one category, in the order of seeds."""
    parts: Sequence[BoardRow] = ()
    """The rows behind a mean over categories, one for each."""
    rank: int | None = None
    """From 1; ties share; None for a method that lacks categories which others have."""
    common: frozenset[int] | None = None
    """The seeds that every row of its table has, where rows differ in theirs: it is ranked on these."""
    below: Sequence[BoardRow] = ()
    """On one category, the rows of fitted floors that are judged as it is."""
    known: tuple[str, float | None] | None = None
    """A metric and what `worth` found of it: a row is ranked in its category, and again in the mean over categories."""

    @cached_property
    def stats(self) -> Mapping[str, Stat]:
        """Statistics of each metric: over seeds on one category, otherwise over the means of categories."""
        return {
            metric: stat(values)
            for metric in (*METRICS, *PIXEL_METRICS, *self.asked)
            if (values := self._values(metric))
        }

    @property
    def asked(self) -> tuple[str, ...]:
        """The metrics that were asked for beside METRICS."""
        return self.parts[0].asked if self.parts else _asked(self.verdicts[0])

    def mean(self, metric: str) -> float | None:
        """The metric's mean alone; None where it is not defined on every category."""
        return _mean(self._values(metric))

    def worth(self, metric: str) -> float | None:
        """The metric's mean over the seeds that every row of its category has: what rows are ranked by."""
        if self.known is None or self.known[0] != metric:
            self.known = metric, self._worth(metric)
        return self.known[1]

    def _worth(self, metric: str) -> float | None:
        if self.parts:
            means = [part.worth(metric) for part in self.parts]
            known = [mean for mean in means if mean is not None]
            return _mean(known) if len(known) == len(means) else None
        if not self.common:
            return self.mean(metric)
        values = [v.metric(metric) for v in self.verdicts if v.trial.seed in self.common]
        return _mean([value for value in values if value is not None])

    @property
    def seeds(self) -> int:
        """The number of seeds; over categories, the smallest number on any of them."""
        return min(part.seeds for part in self.parts) if self.parts else len(self.verdicts)

    @property
    def categories(self) -> int:
        """The number of categories behind it."""
        return len(self.parts) or 1

    @property
    def beats_floors(self) -> bool:
        """Whether its accuracy is above that of both constant answers."""
        return (self.mean("accuracy") or 0.0) > self.floor

    def fitted_floor(self, metric: str) -> float | None:
        """What the best fitted floor has that is judged as it is; None where none is, or on a category is not."""
        if self.parts:
            means = [part.fitted_floor(metric) for part in self.parts]
            known = [mean for mean in means if mean is not None]
            return fmean(known) if len(known) == len(means) else None
        seeds = {verdict.trial.seed for verdict in self.verdicts}
        means = [row.mean_over(seeds, metric) for row in self.below]
        best = max if higher_is_better(self, metric) else min
        return best((mean for mean in means if mean is not None), default=None)

    def mean_over(self, seeds: Collection[int], metric: str) -> float | None:
        """The metric's mean over those of its seeds that are among these, or else over all of its own."""
        among = [verdict for verdict in self.verdicts if verdict.trial.seed in seeds] or self.verdicts
        values = [value for verdict in among if (value := verdict.metric(metric)) is not None]
        return fmean(values) if values else None

    def beats_fitted_floors(self, metric: str) -> bool:
        """Whether it is better by a metric than each fitted floor that is judged as it is; true where there is none."""
        floor, mean = self.fitted_floor(metric), self.mean(metric)
        if floor is None or mean is None:
            return True
        return mean > floor if higher_is_better(self, metric) else mean < floor

    @property
    def verdict(self) -> Verdict | None:
        """The only verdict behind it, if there is just one; it has the intervals."""
        return self.verdicts[0] if len(self.verdicts) == 1 else None

    @property
    def pooled_accuracy(self) -> float:
        """The accuracy over the images of all categories together."""
        counts = [verdict.counts for part in self.parts or [self] for verdict in part.verdicts if verdict.counts]
        return sum(c.right_normal + c.right_abnormal for c in counts) / sum(c.n_normal + c.n_abnormal for c in counts)

    @property
    def outcomes(self) -> list[Outcome]:
        """The trials behind it, on all its categories."""
        return [verdict.outcome for part in self.parts or [self] for verdict in part.verdicts]

    @property
    def outlying_seeds(self) -> tuple[int, ...]:
        """Seeds far from the others."""
        return outlying_seeds(self.verdicts, RANKED_BY)

    def _values(self, metric: str) -> list[float]:
        if not self.parts:
            return [value for verdict in self.verdicts if (value := verdict.metric(metric)) is not None]
        means = [mean for part in self.parts if (mean := part.mean(metric)) is not None]
        return means if len(means) == len(self.parts) else []


def _mean(values: Sequence[float]) -> float | None:
    """None of no values; of one value that value, which `fmean` takes far longer to find."""
    return fmean(values) if len(values) > 1 else values[0] if values else None


def higher_is_better(line: BoardRow, metric: str) -> bool:
    """Whether a higher value of this metric is better."""
    if line.parts:
        return higher_is_better(line.parts[0], metric)
    measured = line.verdicts[0].measured
    return measured is None or metric not in measured.metrics or measured.metrics[metric].higher_is_better


def merit(line: BoardRow, metric: str) -> float:
    """What a row is ranked by, negative where lower is better, so that more is better; 0 where it is not defined."""
    worth = line.worth(metric) or 0.0
    return worth if higher_is_better(line, metric) else -worth


def _asked(verdict: Verdict) -> tuple[str, ...]:
    return verdict.measured.names if verdict.measured else ()
