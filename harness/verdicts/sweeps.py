"""Sweeps: rows that differ in numbers of their options alone, and how much choosing the best of them flatters it.

The best of several settings on the test images is better there than on new ones. How much follows from a nested choice:
the setting is chosen on some categories, or else on some images, and judged on the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from harness.api import Ranking
from harness.errors import UsageError
from harness.plugin.spec import parse
from harness.trials.trial import UNUSED
from harness.verdicts.judging import ScoredImages
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import Method
from harness.verdicts.rows import BoardRow, higher_is_better, merit
from harness.verdicts.verdict import METRICS, Verdict

FEWEST = 3
"""Rows that make a sweep; two may be two methods."""
FOLDS = 5
_REPEATS = 10
"""How often images are dealt into folds, for one deal is a matter of chance."""
_NETWORK = "name"
"""The option that says which network an encoder is, and so no number of a sweep."""


@dataclass(frozen=True)
class Sweep:
    """The rows of one method on one board, best first."""

    lines: Sequence[BoardRow]
    options: tuple[str, ...]
    """Those whose numbers differ."""
    flattered: float | None
    """By how much the best row beats a nested choice, by what ranks the board; None where that is not known."""

    @property
    def best(self) -> BoardRow:
        """The row that stands for all."""
        return self.lines[0]


def sweeps_of(board: Board, ranked_by: str) -> list[Sweep]:
    """The sweeps among the ranked rows of a board."""
    families: dict[object, list[BoardRow]] = {}
    for line in board.lines:
        families.setdefault(_family(line.method), []).append(line)
    found = []
    for lines in families.values():
        ranked = [line for line in lines if line.rank is not None and line.worth(ranked_by) is not None]
        options = differing([line.method[:3] for line in lines])
        if len(ranked) >= FEWEST and len(ranked) == len(lines) and options:
            ordered = sorted(ranked, key=lambda line: -merit(line, ranked_by))
            found.append(Sweep(ordered, options, _flattered(ordered, ranked_by)))
    return found


def has_sweeps(methods: Iterable[tuple[str, str, str]]) -> bool:
    """Whether some of these models, encoders and losses make a sweep."""
    families: dict[object, set[tuple[str, str, str]]] = {}
    for method in methods:
        families.setdefault(tuple(map(_base, method)), set()).add(method)
    return any(len(family) >= FEWEST and differing(sorted(family)) for family in families.values())


def differing(methods: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The options in which methods of one name differ, if all these are numbers; one at its default is not said."""
    options: dict[tuple[int, str], set[str | None]] = {}
    every = [[_options(part) for part in method] for method in methods]
    names = dict.fromkeys((axis, name) for method in every for axis, found in enumerate(method) for name in found)
    for axis, name in names:
        options[axis, name] = {method[axis].get(name) for method in every}
    varying = {key: values for key, values in options.items() if len(values) > 1}
    numbers = all(value is None or _is_number(value) for values in varying.values() for value in values)
    return tuple(name for _, name in varying) if numbers else ()


def _family(method: Method) -> object:
    return (*map(_base, method[:3]), *method[3:])


def _base(part: str) -> tuple[str, str]:
    try:
        name, options = (part, {}) if part == UNUSED else parse(part)
    except UsageError:  # a published name may be any text
        return part, ""
    return name, options.get(_NETWORK, "")


def _options(part: str) -> Mapping[str, str]:
    try:
        options = {} if part == UNUSED else parse(part)[1]
    except UsageError:
        return {}
    return {name: value for name, value in options.items() if name != _NETWORK}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _flattered(lines: Sequence[BoardRow], metric: str) -> float | None:
    if lines[0].parts:
        return _over_categories(lines, metric)
    return _over_images(lines, metric) if metric in METRICS else None


def _over_categories(lines: Sequence[BoardRow], metric: str) -> float | None:
    """Each category is judged by the row that is best on the others."""
    table = np.array([[merit(part, metric) for part in line.parts] for line in lines])
    if any(part.worth(metric) is None for line in lines for part in line.parts):
        return None
    others = table.sum(axis=1, keepdims=True) - table
    nested = table[others.argmax(axis=0), np.arange(table.shape[1])]
    return float(table[0].mean() - nested.mean())


def _over_images(lines: Sequence[BoardRow], metric: str) -> float | None:
    """Each fold of the images is judged by the row that is best on the other folds; the mean over several deals."""
    seeds = set.intersection(*({verdict.trial.seed for verdict in line.verdicts} for line in lines))
    every = [[verdict for verdict in line.verdicts if verdict.trial.seed in seeds] for line in lines]
    images = every[0][0].images if seeds else None
    if not isinstance(images, ScoredImages) or not all(_is_scored(one) for line in every for one in line):
        return None
    labels, sign = images.evidence.labels, 1 if higher_is_better(lines[0], metric) else -1
    folds = min(FOLDS, int(labels.sum()), int((~labels).sum()))
    if folds < 2:
        return None
    gaps = []
    for deal in range(_REPEATS):
        fold = _dealt(labels, folds, deal)
        for one in range(folds):
            own, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
            chosen = max(range(len(every)), key=lambda at: sign * _mean(every[at], metric, others))
            gaps.append(sign * (_mean(every[0], metric, own) - _mean(every[chosen], metric, own)))
    return fmean(gaps)


def _is_scored(verdict: Verdict) -> bool:
    return isinstance(verdict.images, ScoredImages) and verdict.limit is not None


def _dealt(labels: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.intp]:
    """The fold (N,) of each image; both classes are dealt out evenly."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    ordered = drawn[np.argsort(labels[drawn], kind="stable")]
    fold = np.empty(len(labels), dtype=np.intp)
    fold[ordered] = np.arange(len(labels)) % folds
    return fold


def _mean(verdicts: Sequence[Verdict], metric: str, at: NDArray[np.intp]) -> float:
    return fmean(_on(verdict, metric, at) for verdict in verdicts)


def _on(verdict: Verdict, metric: str, at: NDArray[np.intp]) -> float:
    """A metric of some images alone."""
    assert isinstance(verdict.images, ScoredImages)
    assert verdict.limit is not None
    evidence = verdict.images.evidence
    ranking = Ranking(evidence.test[verdict.images.pool][at], evidence.labels[at])
    if metric == "auroc":
        return ranking.auroc()
    if metric == "average_precision":
        return ranking.average_precision()
    return float(getattr(ranking.counts(verdict.limit), metric))
