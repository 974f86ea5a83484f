"""Evidence to verdicts: for each pool and threshold a limit, the counts that follow, and the metrics. No fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.api import GOOD, FloatArray, OracleThreshold, Threshold
from harness.metrics import Counts, Ranking
from harness.spec import spell
from harness.trial import UNUSED, Evidence, Outcome, Trial

METRICS = ("normal_rate", "abnormal_rate", "accuracy", "balanced_accuracy", "f1", "auroc", "average_precision")
"""Rates in [0, 1], higher is better; the last two need no threshold."""

METRIC_VERSION = 1
"""Rises when a metric's definition changes; verdicts of different versions are not ranked together."""


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

    @property
    def trial(self) -> Trial:
        """What was fitted."""
        return self.outcome.trial

    def metric(self, name: str) -> float | None:
        """One of METRICS; None where it is not defined."""
        if name in ("auroc", "average_precision"):
            value = self.auroc if name == "auroc" else self.average_precision
        else:
            value = getattr(self.counts, name) if self.counts else None
        return None if value is None or value != value else float(value)

    def detection(self) -> dict[str, tuple[int, int]]:
        """Defect kind to how many of its images are called anomalous, and of how many; empty without a verdict."""
        evidence = self.outcome.evidence
        if self.detected is not None:
            return dict(self.detected)
        if evidence is None or self.limit is None:
            return {}
        called = evidence.test[self.pool] > self.limit
        kinds = np.array(evidence.defects)
        return {
            str(kind): (int(called[kinds == kind].sum()), int((kinds == kind).sum()))
            for kind in np.unique(kinds)
            if kind != GOOD
        }

    def row(self) -> dict[str, Any]:
        """All columns of a verdict, as csv and json have them."""
        counts, record, pixels = self.counts, self.outcome.record, self.outcome.record.get("pixels") or {}
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
            "limit": self.limit,
            **{name: pixels.get(name) for name in ("aupro_0.30", "pixel_auroc", "pixel_average_precision")},
            "detection": {kind: list(found) for kind, found in self.detection().items()},
            "fit_seconds": record.get("fit_seconds"),
            "train_images_per_second": record.get("train_images_per_second"),
            "n_train": record.get("n_train"),
            "incomplete": record.get("incomplete", ""),
            "fingerprint": self.outcome.fingerprint,
            "metric_version": METRIC_VERSION,
            "trial": self.outcome.id,
            "status": self.status,
            "reason": self.reason,
        }


def judge(outcome: Outcome, thresholds: Sequence[Threshold], pools: Sequence[str] | None = None) -> Iterator[Verdict]:
    """Every verdict on one outcome; None takes the pool that its model suits. One that is not done has one verdict."""
    evidence = outcome.evidence
    if evidence is None:
        pool = ",".join(pools) if pools else UNUSED
        for threshold in thresholds:
            yield Verdict(
                outcome, pool, spell(threshold), threshold.oracle, status=outcome.status, reason=outcome.reason
            )
        return
    labels = evidence.labels
    for pool in _pools(evidence, outcome.record, pools):
        scores = evidence.test[pool]
        ranking = Ranking(scores, labels)
        auroc, average_precision = ranking.auroc(), ranking.average_precision()
        for threshold in thresholds:
            spelt = spell(threshold)
            try:
                limit = _limit(threshold, evidence.normal[pool], scores, evidence)
            except Exception as error:  # a plugin's threshold may raise anything; the other verdicts stand
                reason = f"threshold {spelt}: {type(error).__name__}: {error}"
                yield Verdict(outcome, pool, spelt, threshold.oracle, status="error", reason=reason)
                continue
            counts = ranking.counts(limit)
            yield Verdict(outcome, pool, spelt, threshold.oracle, limit, counts, auroc, average_precision)


def _limit(threshold: Threshold, normal: FloatArray, scores: FloatArray, evidence: Evidence) -> float:
    if isinstance(threshold, OracleThreshold):
        limit = float(threshold.fit_oracle(scores.copy(), evidence.labels))
    else:
        limit = float(threshold.fit(normal.copy()))
    if limit != limit:
        raise ValueError("the limit is nan")
    return limit


def _pools(evidence: Evidence, record: Mapping[str, Any], wanted: Sequence[str] | None) -> Sequence[str]:
    if UNUSED in evidence.test:
        return [UNUSED]
    return [record["default_pool"]] if wanted is None else wanted
