"""Evidence to verdicts: for each pool and threshold a limit, the counts that follow, and the metrics. No fit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np

from harness.api import BoolArray, FloatArray, Metric, OracleThreshold, Ranking, Threshold
from harness.errors import TooFewError, error_line, error_text
from harness.metrics.limits import finite, limit_of
from harness.metrics.measured import Measured
from harness.metrics.pools import EVERY_POOL
from harness.plugin.spec import spell
from harness.printable import command
from harness.trials.folders_left_out import short
from harness.trials.trial import UNUSED, Evidence, Outcome, images_of_kinds
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
        limit = self.limit
        if limit is None:
            return {}
        if "kinds" not in self.known:
            scores, kinds = self.evidence.test[self.pool], images_of_kinds(tuple(self.evidence.defects)).items()
            self.known["kinds"] = {kind: np.sort(scores[at]).tolist() for kind, at in kinds}
        kinds = self.known["kinds"].items()
        return {kind: (len(scores) - bisect_right(scores, limit), len(scores)) for kind, scores in kinds}

    def corrupted(self) -> dict[str, Errors]:
        limit = self.limit
        if limit is None or not self.evidence.corrupted:
            return {}
        labels = self.evidence.labels
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

    def corrupted_scores(self) -> str | None:
        if "changed" not in self.known:
            self.known["changed"] = self.evidence.hash_of_corrupted(self.pool)
        return self.known["changed"] or None

    def packed(self) -> Packed:
        if "packed" not in self.known:
            self.known["packed"] = packed(self.evidence, self.pool)
        return cast("Packed", self.known["packed"])

    def ranking(self) -> Ranking:
        return Ranking(self.evidence.test[self.pool], self.evidence.labels)

    def _called(self) -> BoolArray | None:
        """(N,), whether each test image is called anomalous."""
        return None if self.limit is None else np.asarray(self.evidence.test[self.pool] > self.limit)


@dataclass(frozen=True)
class Judge:
    """Thresholds, pools and metrics by which outcomes are judged, one after another.

    Pools: None takes the pool that each model suits, [EVERY_POOL] all that there are scores of. Verdicts have these
    metrics beside those that every verdict has.
    """

    thresholds: Sequence[Threshold]
    pools: Sequence[str] | None = None
    metrics: Sequence[Metric] = ()

    @cached_property
    def named(self) -> list[tuple[Threshold, str, bool]]:
        """Thresholds as they are spelt, and whether they see labels: by what they are given, not by what they say."""
        of = ((one, spell(one), isinstance(one, OracleThreshold)) for one in self.thresholds)
        return [(one, name, given or bool(one.oracle)) for one, name, given in of]

    def of(
        self, outcome: Outcome, images_of: Callable[..., SingleImages] | None = None, shown: Outcome | None = None
    ) -> Iterator[Verdict]:
        """Every verdict on one outcome. One that is not done has one; one that a pool did not score says so.

        Verdicts judge single images by what `images_of` makes of evidence, pool, limit and what is known of these
        scores, by default ScoredImages, and are shown as verdicts on the outcome `shown`, by default the given one.
        """
        evidence, about = outcome.evidence, shown or outcome
        if evidence is None:
            pool = ",".join(self.pools) if self.pools else UNUSED
            for _, name, oracle in self.named:
                yield Verdict(about, pool, name, oracle, status=outcome.status, reason=outcome.reason)
            return
        for pool in self.pools_of(outcome, evidence):
            if pool in evidence.test and evidence.defects:
                yield from self.by(pool, evidence, about, images_of or ScoredImages)
                continue
            status, reason = _unscored(outcome, pool) if pool not in evidence.test else ("skipped", NO_TEST_IMAGES)
            for _, name, oracle in self.named:
                yield Verdict(about, pool, name, oracle, status=status, reason=reason)

    def pools_of(self, outcome: Outcome, evidence: Evidence) -> Sequence[str]:
        """The pools that it is judged by, whether it has scores of them or not."""
        return _pools(outcome, evidence, self.pools)

    def by(
        self, pool: str, evidence: Evidence, about: Outcome, images_of: Callable[..., SingleImages]
    ) -> Iterator[Verdict]:
        """The verdicts by a pool that there are scores of."""
        known: dict[str, Any] = {}
        normal, ranking = evidence.normal[pool], Ranking(evidence.test[pool], evidence.labels)
        auroc, average_precision = ranking.auroc(), ranking.average_precision()
        measured = Measured(self.metrics, ranking, pixels=evidence.pixels) if self.metrics else None
        for threshold, name, oracle in self.named:
            try:
                with np.errstate(all="ignore"):  # a limit that overflows is refused, which is said in its row
                    limit = _limit(threshold, normal, ranking)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a plugin's threshold may raise anything; other verdicts are not affected
                reason = error_text(error) if isinstance(error, TooFewError) else _words(name, error)
                images = images_of(evidence, pool, None, known)
                yield Verdict(about, pool, name, oracle, status="error", reason=reason, images=images)
                continue
            figures = (limit, ranking.counts(limit), auroc, average_precision)
            images = images_of(evidence, pool, limit, known)
            yield Verdict(about, pool, name, oracle, *figures, images=images, measured=measured)


def judge(
    outcome: Outcome,
    thresholds: Sequence[Threshold],
    pools: Sequence[str] | None = None,
    metrics: Sequence[Metric] = (),
) -> Iterator[Verdict]:
    """Every verdict on one outcome, as `Judge` finds them."""
    return Judge(thresholds, pools, metrics).of(outcome)


def _words(threshold: str, error: BaseException) -> str:
    return short(f"threshold {threshold}: {error_line(error)}")


def _limit(threshold: Threshold, normal: FloatArray, ranking: Ranking) -> float:
    if isinstance(threshold, OracleThreshold):
        return finite(threshold.fit_oracle(ranking.scores.copy(), ranking.labels.copy()))
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
