"""Which verdicts a note is of: what a reader sees beside `verified` has to be what was signed, or follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.verdicts.digests import scores_digest
from harness.verdicts.exports import digest_of, row_of
from harness.verdicts.judging import ScoredImages
from harness.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from harness.verification.notes import Refit


def matching(refit: Refit, verdicts: Sequence[Verdict], digests: Sequence[str]) -> list[bool]:
    """Of each verdict on one trial, whether the note is of it. Digests are those of the rows of an export, or empty.

    It is of the rows that were signed. It is also of verdicts by other thresholds on the same scores, where they follow
    from these scores and the trial remembers the same, to the second, as in a row that was signed.
    """
    as_signed = [
        _same_scores(refit, verdict) is not False and bool(_digests(verdict, digest).intersection(refit.rows))
        for verdict, digest in zip(verdicts, digests, strict=True)
    ]
    signed = [verdict for verdict, is_one in zip(verdicts, as_signed, strict=True) if is_one]
    return [
        is_one or (_same_scores(refit, verdict) is True and _follows(verdict) and _remembers(verdict, signed))
        for verdict, is_one in zip(verdicts, as_signed, strict=True)
    ]


def _same_scores(refit: Refit, verdict: Verdict) -> bool | None:
    """Whether scores and labels are the signed ones; None where there are none, here or there."""
    said, images = refit.scores.get(verdict.pool), verdict.images
    if said is None or not isinstance(images, ScoredImages):
        return None
    return scores_digest(images.evidence, verdict.pool) == said


def _digests(verdict: Verdict, digest: str) -> set[str]:
    """Of the row of an export; of a stored trial, those of the rows that an export would have."""
    if digest:
        return {digest}
    found = {digest_of(row_of(verdict))}
    if verdict.measured and _follows(verdict):  # metrics that were asked for later are no part of what was signed
        found.add(digest_of(row_of(replace(verdict, measured=None))))
    return found


def _follows(verdict: Verdict) -> bool:
    """Whether all its figures but those that the trial remembers were worked out here from scores."""
    measured = verdict.measured
    asked = all(measured.follows(name) for name in measured.names) if measured else True
    return verdict.proof in ("", "recomputed") and asked


def _remembers(verdict: Verdict, signed: Sequence[Verdict]) -> bool:
    """Whether a signed verdict has the same record and, where changed images were scored, the same scores of these."""
    changed = verdict.images.corrupted_scores()
    return any(
        one.outcome.record == verdict.outcome.record
        and (changed is None or (one.pool == verdict.pool and one.images.corrupted_scores() == changed))
        for one in signed
    )
