"""Figures of one pool's scores of one trial by any metric, each worked out once and only when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from harness.api import CountMetric, Counts, Interval, Metric, PixelCounts, PixelMetric, Ranking, ScoreMetric
from harness.errors import error_line
from harness.metrics.pixel import PixelEvidence
from harness.plugin.spec import spell

Given = Mapping[str, tuple[float | None, int]]
"""Metric to the value that a row has of it, and the version of the metric that it was made with."""


class Measured:
    """What metrics make of scores (which a verdict read from a row has not) and of the counts at a limit."""

    def __init__(
        self,
        metrics: Iterable[Metric],
        ranking: Ranking | None = None,
        given: Given | None = None,
        pixels: PixelEvidence | None = None,
    ) -> None:
        self.metrics: Mapping[str, Metric] = {spell(metric): metric for metric in metrics}
        self.given: Given = given or {}
        self.faults: dict[str, str] = {}
        """Metric to why it has no value, where a plugin made a mistake."""
        self._ranking = ranking
        self._pixels = pixels
        self._known: dict[str, float | None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All metrics that it has figures of."""
        return tuple(dict.fromkeys((*self.metrics, *self.given)))

    @property
    def of_scores(self) -> bool:
        """Whether it is made of scores that are here, as those of a store, and not of a row of an export."""
        return self._ranking is not None

    @property
    def has_pixels(self) -> bool:
        """Whether the counts of pixels are here that pixel metrics are made from."""
        return self._pixels is not None

    def version(self, name: str) -> int:
        """Of a metric; 1 for one that is not here."""
        return self.metrics[name].version if name in self.metrics else self.given.get(name, (None, 1))[1]

    def follows(self, name: str) -> bool:
        """Whether its value is worked out from counts or scores, and not read from a row."""
        metric = self.metrics.get(name)
        return isinstance(metric, CountMetric) or (isinstance(metric, ScoreMetric) and self._ranking is not None)

    def value(self, name: str, counts: Counts | None) -> float | None:
        """A metric's value; None where it is not defined or not to be had, as from a row of another version."""
        metric = self.metrics.get(name)
        if isinstance(metric, CountMetric):
            return None if counts is None else self._checked(name, metric, counts)
        if isinstance(metric, ScoreMetric) and self._ranking is not None:
            if name not in self._known:
                self._known[name] = self._checked(name, metric, self._ranking)
            return self._known[name]
        if isinstance(metric, PixelMetric) and self._pixels is not None:
            if name not in self._known:
                there = not metric.defect or metric.defect in self._pixels.defect_kinds
                counts_of = self._pixels.counts(metric.defect or None) if there else None
                self._known[name] = None if counts_of is None else self._checked(name, metric, counts_of)
            return self._known[name]
        value, version = self.given.get(name, (None, 0))
        return value if metric is None or metric.version == version else None

    def interval(self, name: str, counts: Counts | None) -> Interval | None:
        """Its interval; None where it has none."""
        metric = self.metrics.get(name)
        made_from: Counts | Ranking | None
        if isinstance(metric, CountMetric):
            made_from = counts
        elif isinstance(metric, ScoreMetric):
            made_from = self._ranking
        else:
            return None
        if made_from is None:
            return None
        try:
            bounds = metric.interval(made_from)  # type: ignore[arg-type]  # each kind of metric takes its own
            low, high = (None, None) if bounds is None else (float(bound) for bound in bounds)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin's metric may raise anything
            self.faults[name] = f"its interval: {error_line(error)}"
            return None
        if low is None or high is None:
            return None
        least, most = metric.range
        if not least <= low <= high <= most:
            self.faults[name] = (
                f"its interval: it gave {low:g} to {high:g}, expected {least:g} to {most:g}, the lower first"
            )
            return None
        return low, high

    def floor(self, name: str, counts: Counts) -> float | None:
        """What an answer scores that is the same for all images, by its counts; it ranks none above another."""
        metric = self.metrics.get(name)
        if isinstance(metric, CountMetric):
            return self._checked(name, metric, counts)
        if isinstance(metric, ScoreMetric):
            labels = np.arange(counts.n_normal + counts.n_abnormal) >= counts.n_normal
            return self._checked(name, metric, Ranking(np.zeros(len(labels)), labels))
        return None

    def _checked(self, name: str, metric: Any, made_from: Counts | Ranking | PixelCounts) -> float | None:
        try:
            value = float(metric.value(made_from))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin's metric may raise anything
            self.faults[name] = error_line(error)
            return None
        low, high = metric.range
        if value == value and not low <= value <= high:
            self.faults[name] = f"it gave {value:g}, expected {low:g} to {high:g}"
            return None
        return value if value == value else None
