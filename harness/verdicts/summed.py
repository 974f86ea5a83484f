"""Verdicts without the scores behind them, so that a million of them fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.trials.trial import Outcome
from harness.verdicts.verdict import Errors, SingleImages, Verdict

Detection = tuple[tuple[str, int, int], ...]
"""Defect kind, how many of its images were found, and of how many."""


@dataclass(frozen=True, slots=True)
class SummedImages(SingleImages):
    """The test images of a trial, of which only is known how many were judged rightly."""

    found: Detection
    changed: tuple[tuple[str, Errors], ...] = ()
    """Corruption and what is judged wrongly under it."""

    def detection(self) -> dict[str, tuple[int, int]]:
        return {kind: (found, n) for kind, found, n in self.found}

    def corrupted(self) -> dict[str, Errors]:
        return dict(self.changed)


class Summing:
    """Takes the scores out of verdicts, one trial after another; what many have in common is kept once."""

    def __init__(self) -> None:
        self._images: dict[SummedImages, SummedImages] = {}

    def of(self, outcome: Outcome, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
        """The verdicts on one outcome without its scores, in their order."""
        bare = replace(outcome, evidence=None)
        vars(bare)["id"] = outcome.id
        for verdict in verdicts:
            found = tuple((kind, *pair) for kind, pair in verdict.images.detection().items())
            summed = SummedImages(found, tuple(verdict.images.corrupted().items()))
            images = self._images.setdefault(summed, summed)
            yield replace(verdict, outcome=bare, images=images)
