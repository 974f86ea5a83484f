"""A verdict as one flat row of an export, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.api import BoolArray, Counts
from harness.api.corruptions import SEVERITIES
from harness.metrics.measured import Given, Measured
from harness.trials import typed
from harness.trials.record import Record
from harness.trials.trial import Outcome, Trial
from harness.verdicts.packing import Packed
from harness.verdicts.proof import check_stated
from harness.verdicts.told import check_told
from harness.verdicts.verdict import METRIC_VERSION, METRICS, PIXEL_METRICS, Errors, SingleImages, Verdict

Row = dict[str, Any]

EVIDENCE, DIGEST, CORRUPTED_SCORES = "evidence", "digest", "corrupted_scores"
"""Columns that only files have: the scores of a trial and pool, in the first row of these, null in the others; and a
digest of all other columns, by which an altered or damaged row is known."""

_MEASURED = ("fit_seconds", "train_images_per_second", "n_train")
_NOT_PROVENANCE = {*_MEASURED, "incomplete", "pixels", "pool_faults", "resolved", "asked_batch_size"}
"""Of a record: what has columns of its own, and what is of use to the machine that fitted only."""

_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("pool", "threshold", "status", "reason", "incomplete", "fingerprint", "trial"), str),
    **dict.fromkeys(("n_normal", "n_abnormal", "right_normal", "right_abnormal"), int | None),
    **dict.fromkeys((*METRICS, *PIXEL_METRICS, *_MEASURED), float | None),
    **dict.fromkeys(("limit", "accuracy_low", "accuracy_high", "auroc_low", "auroc_high"), float | None),
    "oracle": bool,
    "metric_version": int,
    "detection": Mapping[str, tuple[int, ...]],
    "right": str | None,
    "scores": str | None,
    "provenance": Mapping[str, Any],
}
"""The types of columns that are no setting of a trial."""


@dataclass(frozen=True)
class ExportedImages(SingleImages):
    """What a row says of single test images; their scores stayed where they were exported."""

    detected: Mapping[str, tuple[int, int]]
    changed: Mapping[str, Errors]
    rightly: BoolArray | None
    hashed: str | None
    hashed_changed: str | None
    brought: Packed | None

    def detection(self) -> dict[str, tuple[int, int]]:
        return dict(self.detected)

    def corrupted(self) -> dict[str, Errors]:
        return dict(self.changed)

    def right(self) -> BoolArray | None:
        return self.rightly

    def scores(self) -> str | None:
        return self.hashed

    def corrupted_scores(self) -> str | None:
        return self.hashed_changed

    def packed(self) -> Packed | None:
        return self.brought


def row_of(verdict: Verdict) -> Row:
    """A verdict's columns, on which test images it is right, the scores behind it with a hash, and its provenance."""
    images, record = verdict.images, typed.written(verdict.outcome.record)
    provenance = {name: value for name, value in record.items() if name not in _NOT_PROVENANCE}
    scores, changed = images.packed(), images.corrupted_scores()
    return {
        **verdict.row(),
        "right": _spelt(images.right()),
        "scores": images.scores(),
        **({} if changed is None else {CORRUPTED_SCORES: changed}),
        **({} if scores is None else {EVIDENCE: scores}),
        "provenance": provenance,
    }


def _spelt(right: BoolArray | None) -> str | None:
    """A digit for each test image, in the data set's order: 1 where it is called what it is."""
    return None if right is None else (right + np.uint8(ord("0"))).tobytes().decode()


def verdict_of(row: Mapping[str, Any]) -> Verdict:
    """The verdict that a row says, taken at its word; `row_of` makes the same row of it again.

    Raises ValueError, saying what is wrong, for what is no such row, and where figures do not follow from its counts.
    """
    for name, kind in _TYPES.items():
        if name not in row:
            raise ValueError(f"it lacks {name!r}")
        typed.read(row[name], kind, name)
    if row["metric_version"] != METRIC_VERSION:
        raise ValueError(f"its metric_version is {row['metric_version']}, expected {METRIC_VERSION}: export it anew")
    if row["status"] not in ("done", "skipped", "error"):
        raise ValueError(f"status is {row['status']!r:.60}, expected done, skipped or error")
    trial, given = trial_of(row), _given(row)
    expected = trial.identity(row["fingerprint"])
    if row["trial"] != expected:
        raise ValueError(f"trial is {row['trial']!r:.60}, its settings give {expected!r}{_unknown(row, given)}")
    counts = _counts(row)
    low, high = row["auroc_low"], row["auroc_high"]
    if (low is None) != (high is None):
        raise ValueError(f"auroc_low and auroc_high come together, and are {low} and {high}")
    verdict = Verdict(
        outcome=Outcome(trial, row["status"], row["reason"], row["fingerprint"], record=_record(row)),
        pool=row["pool"],
        threshold=row["threshold"],
        oracle=row["oracle"],
        limit=row["limit"],
        counts=counts,
        auroc=row["auroc"],
        average_precision=row["average_precision"],
        status=row["status"],
        reason=row["reason"],
        images=ExportedImages(
            detected={kind: (found, n) for kind, (found, n) in row["detection"].items()},
            changed=_changed(row, counts),
            rightly=_rightly(row["right"], counts),
            hashed=row["scores"],
            hashed_changed=typed.read(row.get(CORRUPTED_SCORES), str | None, CORRUPTED_SCORES),
            brought=row.get(EVIDENCE),
        ),
        measured=Measured((), given=given) if given else None,
        proof="stated",
    )
    check_told(verdict)
    check_stated(row, verdict)
    return verdict


def _record(row: Mapping[str, Any]) -> Record:
    """What a row remembers of its trial. Raises ValueError."""
    pixels = {name: row[name] for name in PIXEL_METRICS}
    columns = {name: row[name] for name in (*_MEASURED, "incomplete")}
    some = any(value is not None for value in pixels.values())
    record: Record = typed.read({**row["provenance"], **columns, "pixels": pixels if some else None}, Record)
    return record


def _unknown(row: Mapping[str, Any], given: Given) -> str:
    """What may have made a row's id another one: a setting that this harness does not know."""
    known = {*_TYPES, "corrupted", *Trial._fields, *given, "metric_versions", DIGEST, EVIDENCE, CORRUPTED_SCORES}
    for name in row:
        if name not in known:
            at = f"the column {name!r:.60} ({row[name]!r:.60}) is not known here"
            return f"; {at}: use the harness that wrote it, or a newer one"
    return ""


def _counts(row: Mapping[str, Any]) -> Counts | None:
    """Raises ValueError for counts that cannot be."""
    right = [row[name] for name in ("right_normal", "n_normal", "right_abnormal", "n_abnormal")]
    if row["status"] != "done":
        return None
    if None in right or not (0 <= right[0] <= right[1] and 0 <= right[2] <= right[3]):
        raise ValueError(f"it is right on {right[0]} of {right[1]} normal and {right[2]} of {right[3]} abnormal images")
    return Counts(*right)


def _changed(row: Mapping[str, Any], counts: Counts | None) -> dict[str, Errors]:
    """What a row says of changed images. Raises ValueError for more errors than images."""
    told = typed.read(row.get("corrupted", {}), Mapping[str, Mapping[str, tuple[int, ...]]], "corrupted")
    found = {}
    for name, errors in told.items():
        sides = [errors.get("false_alarms", ()), errors.get("misses", ())]
        most = (counts.n_normal, counts.n_abnormal) if counts else (0, 0)
        sound = all(0 <= k <= n for side, n in zip(sides, most, strict=True) for k in side)
        if not sound or [len(side) for side in sides] != [len(SEVERITIES)] * 2:
            raise ValueError(
                f"corrupted is {errors!r:.80} for {name!r:.60}, expected {len(SEVERITIES)} counts of false alarms and "
                f"as many of misses, of {most[0]} normal and {most[1]} anomalous images"
            )
        found[name] = Errors(*sides)
    return found


def _given(row: Mapping[str, Any]) -> Given:
    """The metrics that were asked for when it was written. Raises ValueError."""
    versions = typed.read(row.get("metric_versions", {}), Mapping[str, int], "metric_versions")
    asked = {name: version for name, version in versions.items() if name not in PIXEL_METRICS}
    return {name: (typed.read(row.get(name), float | None, name), version) for name, version in asked.items()}


def _rightly(spelt: str | None, counts: Counts | None) -> BoolArray | None:
    """Raises ValueError for digits that the counts do not have."""
    if spelt is None:
        return None
    right, wrong = spelt.count("1"), spelt.count("0")
    of = counts.n_normal + counts.n_abnormal if counts else 0
    expected = counts.right_normal + counts.right_abnormal if counts else 0
    if (right, wrong, len(spelt)) != (expected, of - expected, of):
        raise ValueError(f"right is {spelt!r:.60}, expected {of} digits, {expected} of them 1 and the others 0")
    return np.asarray(np.frombuffer(spelt.encode(), np.uint8) == ord("1"))


def trial_of(row: Mapping[str, Any]) -> Trial:
    """The trial that a row is of. Raises ValueError."""
    return Trial.read({name: row[name] for name in Trial._fields if name in row})
