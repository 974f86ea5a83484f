"""By which convention a published number could be reached: where to look, and no proof of what its authors did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.conventions import AUPRO, Convention, Judged
from harness.published.comparison import Comparison

_CALLED = {"aupro_0.30": AUPRO}
"""Figures that published tables name with their limit."""


@dataclass(frozen=True)
class Reached:
    """One published number, and ours under every convention that could be told."""

    comparison: Comparison
    values: Mapping[Convention, float]
    """Ours under each, the mean over seeds."""
    by_chance: float
    """How many of our methods of the category could reach it so, as a share."""

    @property
    def by(self) -> list[Convention]:
        """Those that bring ours within one test image of the published number, nearest first."""
        near = [name for name, value in self.values.items() if within_one_image(self.comparison, value)]
        return sorted(near, key=lambda name: abs(self.values[name] - float(self.comparison.published.value)))

    @property
    def as_judged(self) -> bool:
        """Whether ours lies that near as the harness judges."""
        return within_one_image(self.comparison, self.comparison.ours.mean)

    @property
    def nearest(self) -> tuple[Convention | None, float]:
        """The convention under which ours comes nearest, and ours there; None where no convention is nearer."""
        every = [(None, self.comparison.ours.mean), *self.values.items()]
        return min(every, key=lambda found: abs(found[1] - float(self.comparison.published.value)))


def within_one_image(comparison: Comparison, value: float) -> bool:
    """Whether a value lies no further from what prints as the published number than one test image counts."""
    printed, step = comparison.published, 1 / comparison.images
    return float(printed.low) - step <= value <= float(printed.high) + step


def reached(comparable: Sequence[Comparison], trials: Sequence[Judged]) -> list[Reached]:
    """Every comparable number with ours under each convention, in the same order."""
    by_trial = {one.usual.outcome.id: one for one in trials}
    under = [_under(comparison, by_trial) for comparison in comparable]
    found = []
    for comparison, values in zip(comparable, under, strict=True):
        beside = [
            (other, alternatives)
            for other, alternatives in zip(comparable, under, strict=True)
            if _of_one_data(other, comparison)
        ]
        near = [
            any(within_one_image(comparison, value) for value in (other.ours.mean, *alternatives.values()))
            for other, alternatives in beside
        ]
        found.append(Reached(comparison, values, fmean(near)))
    return found


def _of_one_data(one: Comparison, other: Comparison) -> bool:
    keys = [(c.metric, c.row.category, c.verdicts[0].outcome.fingerprint) for c in (one, other)]
    return keys[0] == keys[1]


def _under(comparison: Comparison, by_trial: Mapping[str, Judged]) -> dict[Convention, float]:
    """The mean over our seeds under each convention that all of them have."""
    figure = _CALLED.get(comparison.metric, comparison.metric)
    trials = [by_trial[verdict.outcome.id] for verdict in comparison.verdicts if verdict.outcome.id in by_trial]
    if not trials:
        return {}
    conventions = [name for name in trials[0].found if all(figure in one.found.get(name, {}) for one in trials)]
    return {name: fmean(one.found[name][figure] for one in trials) for name in conventions}
