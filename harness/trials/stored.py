"""What the rows of a store say, as trials, scores and records, and a record as its row has it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.api import FloatArray
from harness.trials.folders_left_out import without_folders
from harness.trials.record import Record
from harness.trials.rows import Row
from harness.trials.trial import Evidence, Outcome, Trial
from harness.trials.typed import read, written


def outcome_of(row: Row) -> Outcome:
    """What a sound row says, without the counts of pixels. Raises ValueError, naming the trial."""
    evidence = None
    if row.status == "done":
        paths, defects = _test_set(row)
        evidence = Evidence(
            normal={pool: _scores(row.id, normal) for pool, normal, _ in row.scores},
            test={pool: _scores(row.id, test, len(paths)) for pool, _, test in row.scores},
            defects=defects,
            paths=paths,
        )
    return without_folders(
        Outcome(
            trial=Trial.read(json.loads(row.key)),
            status=row.status,
            reason=row.reason,
            fingerprint=row.fingerprint,
            evidence=evidence,
            record=record_of(row),
        )
    )


def record_of(row: Row) -> Record:
    """How its trial came about. Raises ValueError, naming the trial."""
    try:
        told = json.loads(row.record, parse_constant=lambda _: None)
        losses = told.get("loss_history") or []
        if None in losses:  # an older harness has kept NaN; what a fit reported after that says nothing
            told["loss_history"] = losses[: losses.index(None)]
        found: Record = read({**told, "finished_at": row.finished_at}, Record)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"the record of trial {row.id}: {error}") from error
    return found


def record_text(record: Record) -> str:
    """A record as its row has it, without the time of its end, which has a column of its own."""
    return json.dumps(_finite(written(replace(record, finished_at=""))), sort_keys=True, allow_nan=False)


def _test_set(row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and defect kinds of the test images of a trial. Raises ValueError."""
    try:
        paths, defects = (read(json.loads(text), tuple[str, ...], "it") for text in row.test_set or ())
        if len(paths) != len(defects):
            raise ValueError(f"there are {len(paths)} names and {len(defects)} defect kinds")
    except (TypeError, ValueError) as error:
        raise ValueError(f"the test images of trial {row.id}: {error}") from error
    return paths, defects


def _scores(trial_id: str, packed: bytes, images: int | None = None) -> FloatArray:
    """Scores of so many images, or of any number. Raises ValueError."""
    damaged = f"scores of trial {trial_id} are damaged"
    try:
        scores = np.frombuffer(packed, "<f8")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{damaged}: {error}") from error
    if images not in (None, len(scores)):
        raise ValueError(f"{damaged}: there are {len(scores)} for {images} images")
    return scores


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no number for: NaN would make the record unreadable for SQLite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
