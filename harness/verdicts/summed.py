"""Verdicts without the scores behind them, so that a million of them fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from harness.trials.trial import Evidence, Outcome
from harness.verdicts.judging import Judge, ScoredImages
from harness.verdicts.verdict import Errors, SingleImages, Verdict

Detection = tuple[tuple[str, tuple[int, int]], ...]
"""Defect kind, and how many of its images were found, of how many."""
Changed = tuple[tuple[str, Errors], ...]
"""Corruption and what is judged wrongly under it."""


@dataclass(frozen=True, slots=True)
class SummedImages(SingleImages):
    """The test images of a trial, of which only is known how many were judged rightly."""

    found: Detection
    changed: Changed = ()

    def detection(self) -> dict[str, tuple[int, int]]:
        return dict(self.found)

    def corrupted(self) -> dict[str, Errors]:
        return dict(self.changed)


class Summing:
    """Judges outcomes and lets go of their scores, one trial after another; what many have in common is kept once."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._images: dict[tuple[Detection, Changed], SummedImages] = {}

    def of(self, outcome: Outcome) -> Iterator[Verdict]:
        """The verdicts on one outcome without its scores."""
        bare = replace(outcome, evidence=None)
        vars(bare)["id"] = outcome.id
        return self._judge.of(outcome, self._summed, bare)

    def _summed(self, evidence: Evidence, pool: str, limit: float | None, known: dict[str, Any]) -> SummedImages:
        images = ScoredImages(evidence, pool, limit, known)
        told = tuple(images.detection().items()), tuple(images.corrupted().items())
        if (known_before := self._images.get(told)) is None:
            known_before = self._images.setdefault(told, SummedImages(*told))
        return known_before
