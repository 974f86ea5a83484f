"""Which paired test fits a metric on the test images of one category, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, Counts, FloatArray, Metric, PixelMetric, Ranking
from harness.metrics.delong import Placements, placements
from harness.metrics.measured import Measured
from harness.metrics.paired_bootstrap import bootstrapped
from harness.metrics.significance import Pair, compare_aurocs, compare_bootstrapped, compare_decisions
from harness.verdicts.rows import BoardRow
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict

DECISIONS, DELONG, BOOTSTRAP = "decisions", "delong", "bootstrap"
_OF_ONE_CLASS = {"normal_rate": False, "abnormal_rate": True}
_OF_DECISIONS = ("accuracy", "balanced_accuracy", *_OF_ONE_CLASS)


@dataclass(frozen=True)
class ByImage:
    """What single images say of the rows of a board, by fit."""

    test: str
    """DECISIONS (McNemar's test where there is one seed), DELONG or BOOTSTRAP."""
    metric: str
    """What is tested: `accuracy` for decisions on all images."""
    lines: Sequence[BoardRow]
    """Those of which it is known, best first."""
    values: Sequence[dict[int, Any]]
    """Of each line, seed to what its fit makes of the images."""
    images: int
    """How many images count."""

    def pairs(self, names: Sequence[str]) -> list[Pair]:
        """Every two lines, called so, over the seeds that both have."""
        values = dict(zip(names, self.values, strict=True))
        if self.test == DELONG:
            return compare_aurocs(values)
        return compare_bootstrapped(values, self.images) if self.test == BOOTSTRAP else compare_decisions(values)


def by_image(lines: Sequence[BoardRow], metric: str, images: int) -> ByImage:
    """AUROCs for DeLong's test, decisions for what counts these, and drawn sets of images for any other metric.

    Decisions are tested as well where a metric cannot be had of single images: where scores are not here, and of
    pixels, which are counted by kind of defect.
    """
    if metric in _OF_ONE_CLASS:
        anomalous = _OF_ONE_CLASS[metric]
        known, values = _of_each(lines, lambda verdict: _right_on(verdict, anomalous=anomalous))
        if known:
            return ByImage(DECISIONS, metric, known, values, len(next(iter(values[0].values()))))
    elif metric not in _OF_DECISIONS:
        made = _placed if metric == "auroc" else lambda verdict: _bootstrapped(verdict, metric)
        known, values = _of_each(lines, made)
        if known:
            return ByImage(DELONG if metric == "auroc" else BOOTSTRAP, metric, known, values, images)
    known, values = _of_each(lines, lambda verdict: verdict.images.right())
    return ByImage(DECISIONS, "accuracy", known, values, images)


def _of_each(lines: Sequence[BoardRow], made: Callable[[Verdict], Any]) -> tuple[list[BoardRow], list[dict[int, Any]]]:
    """The lines of which something is known, and what, by seed."""
    found = [(line, {v.trial.seed: one for v in line.verdicts if (one := made(v)) is not None}) for line in lines]
    return [line for line, values in found if values], [values for _, values in found if values]


def _right_on(verdict: Verdict, *, anomalous: bool) -> BoolArray | None:
    """Whether each image of one class is judged rightly."""
    right, ranking = verdict.images.right(), verdict.images.ranking()
    return None if right is None or ranking is None else np.asarray(right[ranking.labels == anomalous])


def _placed(verdict: Verdict) -> Placements | None:
    ranking = verdict.images.ranking()
    if ranking is None or ranking.labels.all() or not ranking.labels.any():
        return None
    return placements(ranking.scores, ranking.labels)


def _bootstrapped(verdict: Verdict, metric: str) -> FloatArray | None:
    """A metric on all test images and on drawn sets of them, negative where lower is better."""
    ranking, right = verdict.images.ranking(), verdict.images.right()
    part = verdict.measured.metrics.get(metric) if verdict.measured else None
    if ranking is None or right is None or isinstance(part, PixelMetric) or metric in PIXEL_METRICS:
        return None
    if part is None and metric not in METRICS:
        return None
    sign = 1 if part is None or part.higher_is_better else -1
    figures = sign * bootstrapped(lambda drawn: _figure(metric, part, ranking, right, drawn), ranking.labels)
    return figures if np.isfinite(figures[0]) else None


def _figure(metric: str, part: Metric | None, ranking: Ranking, right: BoolArray, drawn: NDArray[np.intp]) -> float:
    labels, rightly = ranking.labels[drawn], right[drawn]
    n, normal = int(labels.sum()), int((~labels).sum())
    counts = Counts(int(rightly[~labels].sum()), normal, int(rightly[labels].sum()), n)
    if metric == "f1":
        return counts.f1
    sub = Ranking(ranking.scores[drawn], labels)
    if part is None:
        return sub.average_precision()
    value = Measured((part,), sub).value(metric, counts)
    return np.nan if value is None else value
