"""Verdicts as JSON lines with their provenance: what leaderboards/results holds, and what machines exchange."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import BoolArray, Counts
from harness.errors import UsageError
from harness.files import write_text
from harness.metrics.measured import Given, Measured
from harness.trials import typed
from harness.trials.record import Record
from harness.trials.trial import KEPT_NAMES, Outcome, Trial
from harness.verdicts.verdict import METRIC_VERSION, METRICS, PIXEL_METRICS, SingleImages, Verdict

Row = dict[str, Any]

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
    rightly: BoolArray | None
    hashed: str | None

    def detection(self) -> dict[str, tuple[int, int]]:
        return dict(self.detected)

    def right(self) -> BoolArray | None:
        return self.rightly

    def scores(self) -> str | None:
        return self.hashed


def row_of(verdict: Verdict) -> Row:
    """A verdict's columns, on which test images it is right, a hash of the scores behind it, and its provenance."""
    images, record = verdict.images, typed.written(verdict.outcome.record)
    provenance = {name: value for name, value in record.items() if name not in _NOT_PROVENANCE}
    return {**verdict.row(), "right": _spelt(images.right()), "scores": images.scores(), "provenance": provenance}


def _spelt(right: BoolArray | None) -> str | None:
    """A digit for each test image, in the data set's order: 1 where it is called what it is."""
    return None if right is None else (right + np.uint8(ord("0"))).tobytes().decode()


def verdict_of(row: Mapping[str, Any]) -> Verdict:
    """The verdict that a row was made of, without its scores; `row_of` makes the same row of it again.

    Raises ValueError, saying what is wrong, for what is no such row.
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
    return Verdict(
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
            rightly=_rightly(row["right"], counts),
            hashed=row["scores"],
        ),
        measured=Measured((), given=given) if given else None,
    )


def _record(row: Mapping[str, Any]) -> Record:
    """What a row remembers of its trial. Raises ValueError."""
    pixels = {name: row[name] for name in PIXEL_METRICS}
    columns = {name: row[name] for name in (*_MEASURED, "incomplete")}
    some = any(value is not None for value in pixels.values())
    record: Record = typed.read({**row["provenance"], **columns, "pixels": pixels if some else None}, Record)
    return record


def _unknown(row: Mapping[str, Any], given: Given) -> str:
    """What may have made a row's id another one: a setting that this harness does not know."""
    known = {*_TYPES, *Trial._fields, *given, "metric_versions"}
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


def write(rows: Iterable[Row]) -> str:
    """JSON lines, sorted, so that equal rows give equal text in whatever order they come."""
    lines = {json.dumps(row, sort_keys=True, allow_nan=False): row for row in rows}
    return "".join(f"{line}\n" for line, _ in sorted(lines.items(), key=lambda item: (_order(item[1]), item[0])))


def save(rows: Iterable[Row], file: Path) -> None:
    """Write rows so that the file is at all times whole, as it was or as it will be. Raises OSError."""
    write_text(file, write(rows))


def read(file: Path) -> list[Row]:
    """The rows of a file of JSON lines. Raises UsageError naming file and line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"results {str(file)!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
            if not isinstance(row, dict):
                raise ValueError(f"it is a {type(row).__name__}, expected an object with columns")
            row = _completed(row)
            row |= verdict_of(row).bounds()  # earlier exports have an AUROC's by bootstrap
        except (ValueError, TypeError, RecursionError) as error:
            raise UsageError(f"results {str(file)!r}, line {number} is not a verdict: {error}") from error
        rows.append(row)
    return rows


def _completed(row: Row) -> Row:
    """A row with the columns that earlier exports lack, or have by another name."""
    renamed = {new: row[old] for new, old in KEPT_NAMES.items() if old in row and new not in row}
    rest = {name: value for name, value in row.items() if name not in KEPT_NAMES.values()}
    return {"right": None, **Trial._field_defaults, **rest, **renamed}


def _finite(text: str) -> float:
    """JSON has neither nan nor infinity, which `1e999` is too."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.60} is no finite number")
    return value


def _whole(text: str) -> int:
    """A whole number that any arithmetic with floats can take: Python's own have no end."""
    value = int(text)
    if abs(value) >= 2**63:
        raise ValueError(f"{text:.60} is no number of 64 bits")
    return value


def trial_of(row: Mapping[str, Any]) -> Trial:
    """The trial that a row is of. Raises ValueError."""
    return Trial.read({name: row[name] for name in Trial._fields if name in row})


def _order(row: Row) -> tuple[str, ...]:
    names = ("dataset", "category", "model", "encoder", "loss", "pool", "threshold")
    return (*(str(row[name]) for name in names), f"{row['image_size']:06}", f"{row['seed']:06}", str(row["trial"]))
