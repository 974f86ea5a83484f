"""Whether an export can join a board: what is wrong with it, and what nobody could see from the file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.api import Model
from harness.plugin.grammar import parse
from harness.plugin.registry import Registry
from harness.printable import counted
from harness.verdicts.exports import Export
from harness.verdicts.judging import ScoredImages
from harness.verdicts.merging import merge
from harness.verdicts.verdict import PIXEL_METRICS, Verdict

Official = Callable[[str], Mapping[str, tuple[int, int]]]
"""A data set to its categories with their numbers of normal and of anomalous test images, where these are known."""


@dataclass(frozen=True)
class Submission:
    """What was found, a line each."""

    faults: Sequence[str]
    """What has to be mended."""
    unchecked: Sequence[str]
    """What the file says and could not be checked."""


def look_at(export: Export, others: Sequence[Export], official: Official, registry: Registry) -> Submission:
    """An export beside those that are on the boards already."""
    done = [verdict for verdict in export.verdicts if verdict.status == "done"]
    faults = [*export.faults, *_without_scores(done), *_conflicts(export, others)]
    faults += [*_other_images(done, others), *_odd_counts(done, official)]
    return Submission(
        faults if done else ["it has no finished trial", *faults], list(_unchecked(done, others, registry))
    )


def _without_scores(done: Sequence[Verdict]) -> Iterator[str]:
    if bare := sum(verdict.proof == "stated" for verdict in done):
        yield f"{bare} of {counted(len(done), 'row')} came without scores: export them anew with this harness"


def _conflicts(export: Export, others: Sequence[Export]) -> Iterator[str]:
    """Verdicts that another file has otherwise; the same trial on other hardware is no fault, and is told apart."""
    for other in others:
        machines = {v.outcome.id: v.outcome.record.machine for v in other.verdicts}
        same = [
            row
            for row, verdict in zip(export.rows, export.verdicts, strict=True)
            if machines.get(verdict.outcome.id) == verdict.outcome.record.machine
        ]
        yield from merge([(other.file.name, other.rows), (export.file.name, same)]).conflicts


def _labels(exports: Sequence[Verdict]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    for verdict in exports:
        if isinstance(verdict.images, ScoredImages):
            yield verdict.outcome.fingerprint, verdict.images.evidence.defects, verdict.trial.category


def _other_images(done: Sequence[Verdict], others: Sequence[Export]) -> Iterator[str]:
    known = {data: defects for other in others for data, defects, _ in _labels(other.verdicts)}
    odd = {(data, category) for data, defects, category in _labels(done) if known.get(data, defects) != defects}
    for data, category in sorted(odd):
        yield f"category {category}: its labels are not those that others have of the same data ({data})"


def _odd_counts(done: Sequence[Verdict], official: Official) -> Iterator[str]:
    seen = {(v.trial.dataset, v.trial.category, v.counts.n_normal, v.counts.n_abnormal) for v in done if v.counts}
    for dataset, category, normal, abnormal in sorted(seen):
        expected = official(dataset).get(category)
        if expected not in (None, (normal, abnormal)):
            yield (
                f"category {category}: {normal} normal and {abnormal} anomalous test images, the data set has "
                f"{expected[0]} and {expected[1]}"
            )


def _unchecked(done: Sequence[Verdict], others: Sequence[Export], registry: Registry) -> Iterator[str]:
    trials = len({verdict.outcome.id for verdict in done})
    gives = "the trial gives" if trials == 1 else f"the {trials} trials give"
    yield f"whether {gives} these scores: `harness verify FILE --sample N --seed S` fits some again"
    known = {data for other in others for data, _, _ in _labels(other.verdicts)}
    new = sorted({(category, data) for data, _, category in _labels(done) if data not in known})
    for category, data in new:
        yield f"the labels of {category} (data {data}), which no export here has: `verify` holds them against images"
    if limits := sorted({verdict.threshold for verdict in done if verdict.proof == "limit stated"}):
        yield f"the limits of {', '.join(limits)}, which is not installed here: --plugin FILE takes it along"
    floors = {verdict.trial.model for verdict in done if verdict.outcome.record.floor}
    if unknown := sorted(model for model in floors if parse(model)[0] not in registry.offers(Model)):
        yield f"whether {', '.join(unknown)} is a floor, which is not ranked: it is not installed here"
    if any(verdict.metric(name) is not None for verdict in done for name in PIXEL_METRICS):
        yield "pixel metrics, for an export has no error maps"
    yield "times, machine and versions, which are what whoever fitted them says"
