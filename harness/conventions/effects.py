"""How far a convention moves each figure, and whether it moves the ranking of methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from harness.conventions.choices import FIGURES, Convention
from harness.conventions.judging import Judged
from harness.metrics.ranks import rank_correlation, swapped_pairs
from harness.trials.trial import UNUSED, Protocol
from harness.verdicts.methods import Method, method_of


class Data(NamedTuple):
    """What must be equal for methods to be ranked together."""

    dataset: str
    image_size: int
    category: str
    fingerprint: str
    protocol: Protocol = ()


@dataclass(frozen=True)
class Effect:
    """One convention and one figure on one category."""

    data: Data
    convention: Convention
    figure: str
    values: Mapping[Method, tuple[float, float]]
    """Each method's mean over seeds: as the harness judges, and under the convention."""

    @property
    def changes(self) -> dict[Method, float]:
        """Under the convention less the usual."""
        return {method: under - usual for method, (usual, under) in self.values.items()}

    @property
    def mean(self) -> float:
        """The mean change."""
        return fmean(self.changes.values())

    @property
    def furthest(self) -> float:
        """The change of the method that moves most, with its sign."""
        return max(self.changes.values(), key=abs)

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's between the two rankings of methods; None for fewer than three, or where all are equal."""
        return rank_correlation(*self._sides())

    @property
    def swapped(self) -> int:
        """Pairs of methods that stand in opposite orders."""
        return swapped_pairs(*self._sides())

    @property
    def pairs(self) -> int:
        """All pairs of methods."""
        return len(self.values) * (len(self.values) - 1) // 2

    def _sides(self) -> tuple[list[float], list[float]]:
        return [usual for usual, _ in self.values.values()], [under for _, under in self.values.values()]


def effects(trials: Iterable[Judged]) -> list[Effect]:
    """Every convention and figure by category, in the order of conventions as they were met."""
    by_data: dict[Data, list[Judged]] = {}
    for one in trials:
        trial = one.usual.trial
        data = Data(trial.dataset, trial.image_size, trial.category, one.usual.outcome.fingerprint, trial.protocol)
        by_data.setdefault(data, []).append(one)
    found = []
    for data, group in sorted(by_data.items()):
        conventions = dict.fromkeys(convention for one in group for convention in one.found)
        for convention in sorted(conventions, key=_order):
            for figure in FIGURES:
                values = _values(group, convention, figure)
                if values:
                    found.append(Effect(data, convention, figure, values))
    return found


def _order(convention: Convention) -> tuple[int, str, str]:
    """What costs nothing first."""
    return ("scores", "pixel counts", "error maps").index(convention.takes), convention.axis, convention.choice


def _values(group: Sequence[Judged], convention: Convention, figure: str) -> dict[Method, tuple[float, float]]:
    seeds: dict[Method, list[tuple[float, float]]] = {}
    for one in group:
        under = one.found.get(convention, {})
        if figure in under and figure in one.figures:
            method = method_of(one.usual)._replace(pool=UNUSED)
            seeds.setdefault(method, []).append((one.figures[figure], under[figure]))
    return {
        method: (fmean(usual for usual, _ in pairs), fmean(under for _, under in pairs))
        for method, pairs in sorted(seeds.items())
    }
