"""A stored trial, fitted again: whether its scores are the same, how far they are apart, and what has changed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from harness.api import Threshold
from harness.errors import DataError, UsageError
from harness.plugin.in_process import IN_PROCESS
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import parse
from harness.trials.observers import Observer
from harness.trials.record import Record
from harness.trials.trial import UNUSED, Evidence, Outcome
from harness.trials.worker import Worker
from harness.verdicts.judging import judge

TOLERANCE = 1e-3
"""How far a score may lie from the stored one, as a share of the range of that pool's stored scores."""

Result = Literal["equal", "within tolerance", "different", "impossible"]

_ASPECTS = {
    "versions": "version of",
    "machine": "machine's",
    "plugins": "plugin of the",
    "code": "code of",
    "resolved": "option",
}
"""What a record remembers by name, and how a change of one of those is called."""


class Difference(NamedTuple):
    """What has become of one pool's scores and, by one threshold, of its decisions."""

    pool: str
    threshold: str
    largest: float
    """Between a score and the stored one, of calibration and test images."""
    share: float
    """The same, of the range of the stored scores."""
    auroc: float | None
    """Of the stored scores; None where there is none, as for the next two."""
    auroc_again: float | None
    decisions: int | None
    """How many test images are decided otherwise."""
    images: int
    """All test images."""


class Change(NamedTuple):
    """Something that a record remembers and that is otherwise now; empty where one side does not have it."""

    what: str
    stored: str
    now: str


@dataclass(frozen=True)
class Reproduction:
    """The result of fitting a trial again."""

    stored: Outcome
    result: Result
    reason: str = ""
    """Why it was impossible; empty where it was not."""
    differences: Sequence[Difference] = ()
    changes: Sequence[Change] = ()


def reproduce(
    stored: Outcome, worker: Worker, observer: Observer, thresholds: Sequence[Threshold], tolerance: float = TOLERANCE
) -> Reproduction:
    """Fit a stored trial again and compare.

    Raises UsageError where its data set cannot be asked for as it is, or where no plugin here has one of its parts.
    """
    trial, evidence = stored.trial, stored.evidence
    refuse_missing_parts(stored, worker.registry)
    if evidence is None:
        return Reproduction(
            stored, "impossible", f"it has no scores, but is stored as {stored.status}: {stored.reason}"
        )
    changed = tuple(changes(stored.record, worker.known_before(trial)))
    try:
        split = worker.split_of(trial)
        fingerprint = worker.presented(trial, split).fingerprint
    except DataError as error:
        return Reproduction(stored, "impossible", str(error), changes=changed)
    if fingerprint != stored.fingerprint:
        changed = (Change("data", stored.fingerprint, fingerprint), *changed)
        left_out = f": {split.incomplete}" if split.incomplete not in ("", stored.record.incomplete) else ""
        return Reproduction(stored, "impossible", f"its data has changed{left_out}", changes=changed)
    again = worker.perform(trial, observer, split)
    if again.evidence is None:
        return Reproduction(stored, "impossible", again.reason, changes=changed)
    changed = tuple(changes(stored.record, again.record))
    if evidence.test.keys() != again.evidence.test.keys():
        return Reproduction(stored, "impossible", "its model gives scores of another kind", changes=changed)
    differences = tuple(_differences(stored, evidence, again, again.evidence, thresholds))
    result: Result = "different"
    if _equal(evidence, again.evidence):
        result = "equal"
    elif all(difference.share <= tolerance for difference in differences):
        result = "within tolerance"
    return Reproduction(stored, result, "", differences, changed)


def refuse_missing_parts(stored: Outcome, registry: Registry) -> None:
    """Raises UsageError that says where a part came from which no plugin offers here, and what to do."""
    pools = stored.evidence.test if stored.evidence else {}
    wanted = [(kind, getattr(stored.trial, kind, ""), maker) for kind, maker in stored.record.plugins.items()]
    wanted += [("pool", pool, stored.record.pools.get(pool, "")) for pool in pools if pool != UNUSED]
    for kind, spelt, maker in wanted:
        if kind not in KINDS or not spelt or parse(spelt)[0] in registry.offers(KINDS[kind]):
            continue
        name = parse(spelt)[0]
        if maker.startswith(IN_PROCESS):
            raise UsageError(
                f"{kind} {name!r} was defined in the notebook or script that fitted this trial, and no plugin has it: "
                "save it with its hook in a .py file and give --plugin FILE.py"
            )
        raise UsageError(
            f"{kind} {name!r} of this trial came from {maker or 'a plugin'}, which is not here: install it, or give "
            "--plugin FILE.py"
        )


def changes(stored: Record, now: Record) -> Iterator[Change]:
    """Where two records differ in what they both look at: versions, machine, plugins, code, open options, threads."""
    for name, called in _ASPECTS.items():
        before, after = getattr(stored, name), getattr(now, name)
        if before and after:
            # If the code could not be read on one side, nobody knows whether it differs.
            for key in sorted(before.keys() & after.keys() if name == "code" else before.keys() | after.keys()):
                yield from _change(f"{called} {key}", before.get(key), after.get(key))
    if stored.threads is not None and now.threads is not None:
        yield from _change("threads", stored.threads, now.threads)


def _change(what: str, before: Any, after: Any) -> Iterator[Change]:
    if before != after:
        yield Change(what, *("" if value is None else str(value) for value in (before, after)))


def _equal(stored: Evidence, again: Evidence) -> bool:
    """Whether every score of every pool is equal bit for bit."""
    return all(
        np.array_equal(stored.test[pool], again.test[pool]) and np.array_equal(stored.normal[pool], again.normal[pool])
        for pool in stored.test
    )


def _differences(
    stored: Outcome, evidence: Evidence, again: Outcome, evidence_again: Evidence, thresholds: Sequence[Threshold]
) -> Iterator[Difference]:
    pools = sorted(evidence.test)
    for before, after in zip(judge(stored, thresholds, pools), judge(again, thresholds, pools), strict=True):
        pool = before.pool
        was, became = (np.concatenate([one.normal[pool], one.test[pool]]) for one in (evidence, evidence_again))
        largest, extent = float(np.abs(became - was).max()), float(np.ptp(was))
        decisions = None
        if before.limit is not None and after.limit is not None:
            decided = evidence.test[pool] > before.limit
            decisions = int((decided != (evidence_again.test[pool] > after.limit)).sum())
        yield Difference(
            pool,
            before.threshold,
            largest,
            largest / extent if extent else float(largest > 0),
            before.metric("auroc"),
            after.metric("auroc"),
            decisions,
            len(evidence.test[pool]),
        )
