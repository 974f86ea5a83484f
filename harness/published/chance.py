"""How many numbers would be equivalent by chance: what a total of them has to be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from harness.api import Counts, FloatArray
from harness.metrics.ranks import rank_correlation
from harness.published.comparison import Comparison
from harness.published.table import DECIDED, RATES, PublishedTable
from harness.verdicts.methods import Method

_SHUFFLES = 9_999
_RATES = 101  # constant rates that are tried, from 0 to 1

_Line = Mapping[str, Comparison]
"""Of one method on one data: its comparisons by metric."""


@dataclass(frozen=True)
class Chance:
    """Comparable numbers, and how many would be equivalent if ours knew nothing of the published methods."""

    comparisons: Sequence[Comparison]
    free: frozenset[int]
    """Places of the numbers that do not follow from the two rates beside them, as the accuracy does."""
    shuffled: float
    """Equivalent on average when our rows are dealt out anew to the published ones, within each category."""
    p: float | None
    """How often such a deal has as many equivalent numbers as there are, or more; None where nothing can be dealt."""
    constant: int
    """Equivalent for a detector that calls every image anomalous equally often, at the best such rate by category."""
    mean_row: int
    """Equivalent for the mean of the published rows of a category, in the place of ours."""
    correlations: Mapping[str, float | None]
    """By metric, the rank correlation of our methods with the published ones; None over categories, or under three."""

    def count(self, word: str, of_free: bool = False) -> int:
        """How many comparisons have this verdict; of the free ones alone if asked."""
        found = enumerate(self.comparisons)
        return sum(c.verdict == word for place, c in found if not of_free or place in self.free)


def chance_of(table: PublishedTable, comparable: Sequence[Comparison]) -> dict[str, Chance]:
    """By category, and under "" of all of them together."""
    by_data: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparable:
        data = comparison.row.category, comparison.verdicts[0].outcome.fingerprint
        by_data.setdefault(data, []).append(comparison)
    found: dict[str, Chance] = {}
    dealt_all = np.zeros(_SHUFFLES)
    several = [category for category, _ in by_data]
    for (category, fingerprint), group in by_data.items():
        lines = _lines(group)
        matches = _matches(lines)
        dealt = _deals(matches)
        dealt_all += dealt
        name = category if several.count(category) == 1 else f"{category}, data {fingerprint}"
        found[name] = Chance(
            group,
            _free(group, lines),
            float(matches.mean(axis=0).sum()),
            _p(dealt, float(matches.trace()), len(lines) > 1),
            _constant(group),
            sum(c.would_be(_published_mean(table, c)) == "equivalent" for c in group),
            {metric: _rank_correlation(lines, metric) for metric in dict.fromkeys(c.metric for c in group)},
        )
    if len(found) > 1:
        found[""] = _together(list(found.values()), dealt_all)
    return found


def shuffled_of(comparable: Sequence[Comparison]) -> list[float]:
    """For each number, how often it is equivalent to one of our rows of its category, dealt out by chance."""
    found = []
    for one in comparable:
        others = [
            other
            for other in comparable
            if (other.metric, other.row.category, other.verdicts[0].outcome.fingerprint)
            == (one.metric, one.row.category, one.verdicts[0].outcome.fingerprint)
        ]
        found.append(fmean(one.would_be(other.ours.mean, other.ours.n) == "equivalent" for other in others))
    return found


def _together(parts: Sequence[Chance], dealt: FloatArray) -> Chance:
    comparisons = [comparison for part in parts for comparison in part.comparisons]
    starts = np.cumsum([0, *(len(part.comparisons) for part in parts)]).tolist()
    free = frozenset(start + place for start, part in zip(starts, parts, strict=False) for place in part.free)
    equivalent = sum(comparison.verdict == "equivalent" for comparison in comparisons)
    return Chance(
        comparisons,
        free,
        sum(part.shuffled for part in parts),
        _p(dealt, equivalent, any(part.p is not None for part in parts)),
        sum(part.constant for part in parts),
        sum(part.mean_row for part in parts),
        {},
    )


def _lines(group: Sequence[Comparison]) -> list[_Line]:
    lines: dict[tuple[Method, str], dict[str, Comparison]] = {}
    for comparison in group:
        lines.setdefault((comparison.method, comparison.row.place), {})[comparison.metric] = comparison
    return list(lines.values())


def _matches(lines: Sequence[_Line]) -> FloatArray:
    """(L, L): how many numbers of our line j are equivalent to those published that line i stands beside."""
    return np.array(
        [
            [
                sum(
                    c.would_be(ours[metric].ours.mean, ours[metric].ours.n) == "equivalent"
                    for metric, c in beside.items()
                    if metric in ours
                )
                for beside in lines
            ]
            for ours in lines
        ],
        dtype=float,
    )


def _deals(matches: FloatArray) -> FloatArray:
    """The total of each of many deals of our lines to the published ones."""
    draws = np.random.default_rng(0)
    order = draws.permuted(np.tile(np.arange(len(matches)), (_SHUFFLES, 1)), axis=1)
    return np.asarray(matches[order, np.arange(len(matches))].sum(axis=1))


def _p(dealt: FloatArray, seen: float, any_to_deal: bool) -> float | None:
    return float((1 + (dealt >= seen - 1e-9).sum()) / (1 + len(dealt))) if any_to_deal else None


def _free(group: Sequence[Comparison], lines: Sequence[_Line]) -> frozenset[int]:
    follows = {id(c) for line in lines if all(rate in line for rate in RATES) for m, c in line.items() if m in DECIDED}
    return frozenset(place for place, comparison in enumerate(group) if id(comparison) not in follows)


def _constant(group: Sequence[Comparison]) -> int:
    totals = [
        sum(c.would_be(value) == "equivalent" for c in group if (value := _without_information(c, alarms)) is not None)
        for alarms in np.linspace(0, 1, _RATES).tolist()
    ]
    return max(totals)


def _without_information(comparison: Comparison, alarms: float) -> float | None:
    """The metric of a detector that calls this share of the images anomalous, whatever is on them."""
    counts = comparison.verdicts[0].counts
    if comparison.metric in ("auroc", "pixel_auroc"):
        return 0.5
    if counts is None or comparison.metric.startswith(("pixel", "aupro")):
        return None
    if comparison.metric == "average_precision":
        return counts.n_abnormal / (counts.n_normal + counts.n_abnormal)
    many = 1000  # so that the rates are the share itself, and not the nearest that few images can have
    expected = Counts(
        round((1 - alarms) * many * counts.n_normal),
        many * counts.n_normal,
        round(alarms * many * counts.n_abnormal),
        many * counts.n_abnormal,
    )
    return float(getattr(expected, comparison.metric))


def _published_mean(table: PublishedTable, comparison: Comparison) -> float:
    """Of all rows that the source prints for the category."""
    rows = [row for row in table.rows if row.category == comparison.row.category and comparison.metric in row.values]
    return fmean(float(row.values[comparison.metric].value) for row in rows)


def _rank_correlation(lines: Sequence[_Line], metric: str) -> float | None:
    """Spearman's; None for fewer than three methods, or where all are equal."""
    pairs = [(line[metric].ours.mean, float(line[metric].published.value)) for line in lines if metric in line]
    return rank_correlation([ours for ours, _ in pairs], [published for _, published in pairs])
