"""Evidence to verdicts: for each pool and threshold a limit, the counts that follow, and the metrics. No fit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.api import GOOD, BoolArray, FloatArray, OracleThreshold, Threshold
from harness.metrics.image import Counts, Ranking
from harness.metrics.intervals import auroc_interval, wilson
from harness.metrics.limits import finite, limit_of
from harness.metrics.pools import EVERY_POOL
from harness.plugin.spec import spell
from harness.trials.trial import UNUSED, Evidence, Outcome, Trial

METRICS = ("normal_rate", "abnormal_rate", "accuracy", "balanced_accuracy", "f1", "auroc", "average_precision")
"""Rates in [0, 1], higher is better; the last two need no threshold."""

PIXEL_METRICS = ("aupro_0.30", "pixel_auroc", "pixel_average_precision")
"""Of maps against masks, in [0, 1], higher is better; they need neither threshold nor pool."""

METRIC_VERSION = 1
"""Rises when a metric's definition changes; verdicts of different versions are not ranked together."""

Interval = tuple[float, float]
"""Lower and upper bound, at 95 %."""


@dataclass(frozen=True)
class Verdict:
    """What one threshold makes of one trial's scores of one pool."""

    outcome: Outcome
    pool: str
    threshold: str
    oracle: bool
    limit: float | None = None
    """An image that scores above it is called anomalous; None where there is no verdict, as for the next three."""
    counts: Counts | None = None
    auroc: float | None = None
    average_precision: float | None = None
    status: str = "done"
    reason: str = ""
    detected: Mapping[str, tuple[int, int]] | None = None
    """What `detection` gives, where a verdict was read from a row and has no scores."""
    scores: str | None = None
    """The hash of the scores behind it, likewise."""
    rightly: BoolArray | None = field(default=None, compare=False, repr=False)
    """What `right` gives, likewise."""

    @property
    def trial(self) -> Trial:
        """What was fitted."""
        return self.outcome.trial

    def metric(self, name: str) -> float | None:
        """One of METRICS or PIXEL_METRICS; None where it is not defined."""
        if name in PIXEL_METRICS:
            value = (self.outcome.record.pixels or {}).get(name)
        elif name in ("auroc", "average_precision"):
            value = self.auroc if name == "auroc" else self.average_precision
        else:
            value = getattr(self.counts, name) if self.counts else None
        return None if value is None or value != value else float(value)

    def interval(self, name: str) -> Interval | None:
        """A metric's interval from the size of its test set; None where there is none, as for F1 and pixel metrics.

        Wilson's for a rate; Newcombe's method 10 (Statistics in Medicine 17 (1998) 873) for the mean of two rates, and
        his method 5 (25 (2006) 559) for the AUROC: each can be worked out again from what a row holds.
        """
        counts, value = self.counts, self.metric(name)
        if counts is None or value is None:
            return None
        if name == "auroc":
            return auroc_interval(value, counts.n_normal, counts.n_abnormal)
        normal, abnormal = (counts.right_normal, counts.n_normal), (counts.right_abnormal, counts.n_abnormal)
        if name == "balanced_accuracy":
            (low, high), (other_low, other_high) = wilson(*normal), wilson(*abnormal)
            below = math.hypot(counts.normal_rate - low, counts.abnormal_rate - other_low)
            above = math.hypot(high - counts.normal_rate, other_high - counts.abnormal_rate)
            return counts.balanced_accuracy - below / 2, counts.balanced_accuracy + above / 2
        both = (normal[0] + abnormal[0], normal[1] + abnormal[1])
        shares = {"normal_rate": normal, "abnormal_rate": abnormal, "accuracy": both}
        return wilson(*shares[name]) if name in shares else None

    def bounds(self) -> dict[str, float | None]:
        """The intervals that a row holds, by column."""
        accuracy, auroc = (self.interval(name) or (None, None) for name in ("accuracy", "auroc"))
        names = ("accuracy_low", "accuracy_high", "auroc_low", "auroc_high")
        return dict(zip(names, (*accuracy, *auroc), strict=True))

    def detection(self) -> dict[str, tuple[int, int]]:
        """Defect kind to how many of its images are called anomalous, and of how many; empty without a verdict."""
        evidence, called = self.outcome.evidence, self._called()
        if self.detected is not None:
            return dict(self.detected)
        if evidence is None or called is None:
            return {}
        found = Counter(kind for kind, said in zip(evidence.defects, called.tolist(), strict=True) if said)
        return {kind: (found[kind], n) for kind, n in sorted(Counter(evidence.defects).items()) if kind != GOOD}

    def right(self) -> BoolArray | None:
        """(N,), whether each test image is called what it is, in the data set's order; None where that is not known."""
        evidence, called = self.outcome.evidence, self._called()
        return self.rightly if evidence is None or called is None else np.asarray(called == evidence.labels)

    def _called(self) -> BoolArray | None:
        """(N,), whether each test image is called anomalous; None without scores or a verdict."""
        evidence = self.outcome.evidence
        return None if evidence is None or self.limit is None else np.asarray(evidence.test[self.pool] > self.limit)

    def row(self) -> dict[str, Any]:
        """All columns of a verdict, as csv and json have them."""
        counts, record = self.counts, self.outcome.record
        settings = self.trial._asdict()
        return {
            **{name: settings.pop(name) for name in ("dataset", "category", "model", "encoder", "loss")},
            "pool": self.pool,
            "threshold": self.threshold,
            "oracle": self.oracle,
            "seed": settings.pop("seed"),
            "weights": settings.pop("weights"),
            **settings,
            "n_normal": counts.n_normal if counts else None,
            "n_abnormal": counts.n_abnormal if counts else None,
            "right_normal": counts.right_normal if counts else None,
            "right_abnormal": counts.right_abnormal if counts else None,
            **{name: self.metric(name) for name in METRICS},
            **self.bounds(),
            "limit": self.limit,
            **{name: self.metric(name) for name in PIXEL_METRICS},
            "detection": {kind: list(found) for kind, found in self.detection().items()},
            "fit_seconds": record.fit_seconds,
            "train_images_per_second": record.train_images_per_second,
            "n_train": record.n_train,
            "incomplete": record.incomplete,
            "fingerprint": self.outcome.fingerprint,
            "metric_version": METRIC_VERSION,
            "trial": self.outcome.id,
            "status": self.status,
            "reason": self.reason,
        }


def judge(outcome: Outcome, thresholds: Sequence[Threshold], pools: Sequence[str] | None = None) -> Iterator[Verdict]:
    """Every verdict on one outcome; None takes the pool that its model suits, [EVERY_POOL] all that it has scores of.

    One that is not done has one verdict; one that a pool did not score has one that says so.
    """
    evidence = outcome.evidence
    spelt = [spell(threshold) for threshold in thresholds]
    if evidence is None:
        pool = ",".join(pools) if pools else UNUSED
        for threshold, name in zip(thresholds, spelt, strict=True):
            yield Verdict(outcome, pool, name, threshold.oracle, status=outcome.status, reason=outcome.reason)
        return
    labels = evidence.labels
    for pool in _pools(outcome, evidence, pools):
        if pool not in evidence.test:
            status, reason = _unscored(outcome, pool)
            for threshold, name in zip(thresholds, spelt, strict=True):
                yield Verdict(outcome, pool, name, threshold.oracle, status=status, reason=reason)
            continue
        normal, scores = evidence.normal[pool], evidence.test[pool]
        ranking = Ranking(scores, labels)
        auroc, average_precision = ranking.auroc(), ranking.average_precision()
        for threshold, name in zip(thresholds, spelt, strict=True):
            try:
                limit = _limit(threshold, normal, scores, labels)
            except Exception as error:  # a plugin's threshold may raise anything; the other verdicts stand
                reason = f"threshold {name}: {type(error).__name__}: {error}"
                yield Verdict(outcome, pool, name, threshold.oracle, status="error", reason=reason)
                continue
            counts = ranking.counts(limit)
            yield Verdict(outcome, pool, name, threshold.oracle, limit, counts, auroc, average_precision)


def _limit(threshold: Threshold, normal: FloatArray, scores: FloatArray, labels: BoolArray) -> float:
    if isinstance(threshold, OracleThreshold):
        return finite(threshold.fit_oracle(scores.copy(), labels.copy()))
    return limit_of(threshold, normal)


def _pools(outcome: Outcome, evidence: Evidence, wanted: Sequence[str] | None) -> Sequence[str]:
    if UNUSED in evidence.test:
        return [UNUSED]
    if wanted == [EVERY_POOL]:
        return list(evidence.test)
    return [outcome.record.default_pool] if wanted is None else wanted


def _unscored(outcome: Outcome, pool: str) -> tuple[str, str]:
    """The status and the reason of a verdict by a pool that a trial has no scores of."""
    if fault := outcome.record.pool_faults.get(pool):
        return "error", fault
    again = f"`harness run --pools '{pool}'`, with the options of this run, fits it again and scores it so"
    return "skipped", f"it was not scored by pool {pool}, and error maps are not kept: {again}"
