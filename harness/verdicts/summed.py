"""Verdicts without the scores behind them, so that a million of them fit into memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from harness.trials.trial import Evidence, Outcome
from harness.verdicts.judging import Judge, ScoredImages
from harness.verdicts.together import AT_ONCE, Group, known_of
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
    """Judges outcomes and lets go of their scores, many trials at a time; what many have in common is kept once."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._alone = [replace(judge, thresholds=[one]) for one in judge.thresholds]
        self._images: dict[tuple[Detection, Changed], SummedImages] = {}

    def all(self, outcomes: Iterable[Outcome], whole: Collection[str] = ()) -> Iterator[Verdict]:
        """The verdicts on these outcomes in their order, without their scores but for the trials that stay whole."""
        left = iter(outcomes)
        while lot := list(islice(left, AT_ONCE)):
            asked = [() if one.id in whole else self._asked(one) for one in lot]
            known = known_of([one.evidence for one in lot], asked, self._judge.thresholds)
            for at, outcome in enumerate(lot):
                if outcome.id in whole:
                    yield from self._judge.of(outcome)
                elif not asked[at]:
                    yield from self.of(outcome)
                else:
                    yield from self._known(outcome, {pool: known[at, pool] for pool in asked[at]})

    def of(self, outcome: Outcome) -> Iterator[Verdict]:
        """The verdicts on one outcome without its scores."""
        return self._judge.of(outcome, self._summed, _bare(outcome))

    def _asked(self, outcome: Outcome) -> Sequence[str]:
        """The pools that it is judged by; none where one of them has no scores, of which the judge says more."""
        evidence = outcome.evidence
        if evidence is None or not evidence.defects:
            return ()
        pools = self._judge.pools_of(outcome, evidence)
        return pools if all(pool in evidence.test for pool in pools) else ()

    def _known(self, outcome: Outcome, pools: Mapping[str, tuple[Group, int]]) -> Iterator[Verdict]:
        """The verdicts on an outcome of whose pools this is known; for what is not, the judge is asked."""
        bare, evidence, images = _bare(outcome), outcome.evidence, self._images
        assert evidence is not None
        for pool, (group, place) in pools.items():
            auroc, precision = group.auroc[place], group.average_precision[place]
            for column, (_, name, oracle), alone in zip(group.columns, self._judge.named, self._alone, strict=True):
                if column is None or self._judge.metrics or evidence.corrupted:
                    yield from alone.by(pool, evidence, bare, self._summed)
                    continue
                limits, counts, found = column
                told = (found[place], ())
                shared = images.get(told) or images.setdefault(told, SummedImages(*told))
                yield Verdict(bare, pool, name, oracle, limits[place], counts[place], auroc, precision, images=shared)

    def _summed(self, evidence: Evidence, pool: str, limit: float | None, known: dict[str, Any]) -> SummedImages:
        images = ScoredImages(evidence, pool, limit, known)
        return self._shared((tuple(images.detection().items()), tuple(images.corrupted().items())))

    def _shared(self, told: tuple[Detection, Changed]) -> SummedImages:
        if (before := self._images.get(told)) is None:
            before = self._images.setdefault(told, SummedImages(*told))
        return before


def _bare(outcome: Outcome) -> Outcome:
    """The same without its scores, and with its id, which takes long to work out."""
    bare = copy(outcome)
    vars(bare).update(evidence=None, id=outcome.id)
    return bare
