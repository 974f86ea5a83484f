"""A drawn trial, fitted again and held against what an export says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from harness.api import Split, Threshold
from harness.errors import DataError, UsageError
from harness.plugin.registry import Registry
from harness.trials.grid import versions_here
from harness.trials.observers import Observer
from harness.trials.trial import Evidence, Outcome, Trial
from harness.trials.worker import Worker
from harness.verdicts.digests import scores_digest
from harness.verdicts.judging import ScoredImages, judge
from harness.verdicts.verdict import Verdict
from harness.verification.beside_scores import beside_scores, other_record
from harness.verification.notes import Refit
from harness.verification.tolerances import Tolerance

_BY_FIGURES = "by limits and AUROC, for its scores did not come along"


@dataclass(frozen=True)
class Claim:
    """What an export says of one trial."""

    verdicts: Sequence[Verdict]
    """All finished ones."""
    rows: Sequence[str]
    """The digests of their rows."""

    @property
    def trial(self) -> Trial:
        """Which it is."""
        return self.verdicts[0].trial

    @property
    def fingerprint(self) -> str:
        """Of its data."""
        return self.verdicts[0].outcome.fingerprint

    @property
    def evidence(self) -> dict[str, Evidence]:
        """Pool to its scores, where these came along."""
        return {v.pool: v.images.evidence for v in self.verdicts if isinstance(v.images, ScoredImages)}


def check(claim: Claim, worker: Worker, observer: Observer, tolerance: Tolerance) -> Refit:
    """Fit a trial again, if it can be, and say whether its scores are the stated ones."""
    stated = claim.evidence
    base = Refit(
        claim.verdicts[0].outcome.id,
        "impossible",
        *tolerance,
        scores={pool: scores_digest(evidence, pool) for pool, evidence in sorted(stated.items())},
        rows=tuple(sorted(claim.rows)),
    )
    if why := _cannot(claim, worker):
        return _ended(base, why)
    try:
        images = worker.split_of(claim.trial)
        split = worker.presented(claim.trial, images)
    except DataError as error:
        return _ended(base, str(error))
    if split.fingerprint != claim.fingerprint:
        return _ended(base, f"its data is {claim.fingerprint}, here it is {split.fingerprint}")
    if why := _other_labels(stated, split):
        return _ended(base, why, "different")
    again = worker.perform(claim.trial, observer, images)
    if again.evidence is None:
        return _ended(base, again.reason)
    if why := other_record(claim.verdicts[0].outcome.record, again.record):
        return _ended(base, why, "different")
    figures, compared = beside_scores(claim.verdicts[0].outcome.record, again.record, stated, again.evidence)
    base = replace(base, compared=compared)
    shares = [*_shares(claim, again, again.evidence, worker.registry), *figures]
    if any(share is None for share in shares) or not shares:
        return _ended(base, "its pools gave no scores here")
    worst = max(share for share in shares if share is not None)
    result = "equal" if worst == 0 else "within tolerance" if worst <= tolerance.share else "different"
    return replace(base, result=result, share=worst, reason="" if stated or not worst else _BY_FIGURES)


def _ended(base: Refit, reason: str, result: str = "impossible") -> Refit:
    return replace(base, result=result, reason=reason)


def _cannot(claim: Claim, worker: Worker) -> str:
    """Why a trial cannot be fitted again with what is installed; empty where it can."""
    try:
        here = versions_here(claim.trial, worker.registry)
    except UsageError as error:
        return str(error)
    if here != claim.trial.versions:
        return (
            f"it is of {claim.trial.versions or 'parts of version 1'}, installed here: {here or 'parts of version 1'}"
        )
    return ""


def _other_labels(stated: dict[str, Evidence], split: Split) -> str:
    for evidence in stated.values():
        if evidence.defects != tuple(split.test.defects):
            return "its labels are not those of the data"
    return ""


def _shares(claim: Claim, again: Outcome, found: Evidence, registry: Registry) -> Iterator[float | None]:
    """For each pool, how far the worst score lies off, as a share of the range; None where there are none."""
    stated = claim.evidence
    for pool in sorted({verdict.pool for verdict in claim.verdicts}):
        if pool not in found.test:
            yield None
        elif pool in stated:
            yield _share(stated[pool], found, pool)
        else:
            yield _share_of_figures(claim, again, found, pool, registry)


def _share(stated: Evidence, found: Evidence, pool: str) -> float | None:
    was, became = (np.concatenate([one.normal[pool], one.test[pool]]) for one in (stated, found))
    if was.shape != became.shape:
        return None
    largest, extent = float(np.abs(became - was).max()), float(np.ptp(was))
    return largest / extent if extent else float(largest > 0)


def _share_of_figures(claim: Claim, again: Outcome, found: Evidence, pool: str, registry: Registry) -> float | None:
    """How far limits lie off, as a share of the range of scores, or the AUROC; 0 where the hash of scores is equal."""
    verdicts = [verdict for verdict in claim.verdicts if verdict.pool == pool]
    if all(verdict.images.scores() == found.hash_of(pool) for verdict in verdicts):
        return 0.0
    extent = float(np.ptp(np.concatenate([found.normal[pool], found.test[pool]]))) or 1.0
    worst: list[float] = []
    for verdict in verdicts:
        with suppress(UsageError):
            threshold = registry.make(Threshold, verdict.threshold)
            (other,) = judge(again, [threshold], [pool])
            if other.limit is not None and verdict.limit is not None and not verdict.oracle:
                worst.append(abs(other.limit - verdict.limit) / extent)
            if other.auroc is not None and verdict.auroc is not None:
                worst.append(abs(other.auroc - verdict.auroc))
    return max(worst, default=None)
