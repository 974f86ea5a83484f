"""Evidence to verdicts: for each pool and threshold a limit, the counts that follow, and the metrics. No fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from harness.api import GOOD, BoolArray, FloatArray, Metric, OracleThreshold, Ranking, Threshold
from harness.errors import TooFewError, error_line, error_text
from harness.metrics.limits import finite, limit_of
from harness.metrics.measured import Measured
from harness.metrics.pools import EVERY_POOL
from harness.plugin.spec import spell
from harness.printable import command
from harness.trials.folders_left_out import short
from harness.trials.trial import UNUSED, Evidence, Outcome
from harness.verdicts.packing import Packed, packed
from harness.verdicts.verdict import Errors, SingleImages, Verdict

NO_TEST_IMAGES = "there are no test images, so that nothing can be ranked; the model is fitted all the same"
"""Why a finished trial has no verdict."""


@dataclass(frozen=True, slots=True)
class ScoredImages(SingleImages):
    """The test images of a trial with their scores, called anomalous above a limit; None where there is no limit."""

    evidence: Evidence
    pool: str
    limit: float | None
    known: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was worked out of these scores for verdicts at other limits, which share it."""

    def detection(self) -> dict[str, tuple[int, int]]:
        defects, called = self.evidence.defects, self._called()
        if called is None:
            return {}
        found = Counter(kind for kind, said in zip(defects, called.tolist(), strict=True) if said)
        return {kind: (found[kind], n) for kind, n in sorted(Counter(defects).items()) if kind != GOOD}

    def corrupted(self) -> dict[str, Errors]:
        limit, labels = self.limit, self.evidence.labels
        if limit is None:
            return {}
        called = {name: of[self.pool] > limit for name, of in self.evidence.corrupted.items() if self.pool in of}
        return {
            name: Errors(*(tuple(wrong.sum(axis=1).tolist()) for wrong in (said[:, ~labels], ~said[:, labels])))
            for name, said in called.items()
        }

    def right(self) -> BoolArray | None:
        called = self._called()
        return None if called is None else np.asarray(called == self.evidence.labels)

    def scores(self) -> str:
        if "hash" not in self.known:
            self.known["hash"] = self.evidence.hash_of(self.pool)
        return str(self.known["hash"])

    def packed(self) -> Packed:
        if "packed" not in self.known:
            self.known["packed"] = packed(self.evidence, self.pool)
        return cast("Packed", self.known["packed"])

    def ranking(self) -> Ranking:
        return Ranking(self.evidence.test[self.pool], self.evidence.labels)

    def _called(self) -> BoolArray | None:
        """(N,), whether each test image is called anomalous."""
        return None if self.limit is None else np.asarray(self.evidence.test[self.pool] > self.limit)


def judge(
    outcome: Outcome,
    thresholds: Sequence[Threshold],
    pools: Sequence[str] | None = None,
    metrics: Sequence[Metric] = (),
) -> Iterator[Verdict]:
    """Every verdict on one outcome; None takes the pool that its model suits, [EVERY_POOL] all that it has scores of.

    One that is not done has one verdict; one that a pool did not score has one that says so. Beside those that every
    verdict has, it has these metrics.
    """
    evidence = outcome.evidence
    spelt = [spell(threshold) for threshold in thresholds]
    # By what it is given, and not by what it says of itself.
    oracles = [isinstance(threshold, OracleThreshold) or bool(threshold.oracle) for threshold in thresholds]
    if evidence is None:
        pool = ",".join(pools) if pools else UNUSED
        for name, oracle in zip(spelt, oracles, strict=True):
            yield Verdict(outcome, pool, name, oracle, status=outcome.status, reason=outcome.reason)
        return
    labels = evidence.labels
    for pool in _pools(outcome, evidence, pools):
        if pool not in evidence.test or not len(labels):
            status, reason = _unscored(outcome, pool) if pool not in evidence.test else ("skipped", NO_TEST_IMAGES)
            for name, oracle in zip(spelt, oracles, strict=True):
                yield Verdict(outcome, pool, name, oracle, status=status, reason=reason)
            continue
        known: dict[str, Any] = {}
        normal, scores = evidence.normal[pool], evidence.test[pool]
        ranking = Ranking(scores, labels)
        auroc, average_precision = ranking.auroc(), ranking.average_precision()
        measured = Measured(metrics, ranking, pixels=evidence.pixels) if metrics else None
        for threshold, name, oracle in zip(thresholds, spelt, oracles, strict=True):
            try:
                limit = _limit(threshold, normal, scores, labels)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin's threshold may raise anything; other verdicts are not affected
                reason = error_text(error) if isinstance(error, TooFewError) else _words(name, error)
                images = ScoredImages(evidence, pool, None, known)
                yield Verdict(outcome, pool, name, oracle, status="error", reason=reason, images=images)
                continue
            counts = ranking.counts(limit)
            figures = (limit, counts, auroc, average_precision)
            images = ScoredImages(evidence, pool, limit, known)
            yield Verdict(outcome, pool, name, oracle, *figures, images=images, measured=measured)


def _words(threshold: str, error: BaseException) -> str:
    return short(f"threshold {threshold}: {error_line(error)}")


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
    again = (
        f"`{command('harness', 'run', '--pools', pool)}`, with the options of this run, fits it again and scores it so"
    )
    return "skipped", f"it was not scored by pool {pool}, and error maps are not kept: {again}"
