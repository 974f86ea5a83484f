"""What the rows of a store say, as trials, scores and records, and a record as its row has it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.api import FloatArray
from harness.api.corruptions import SEVERITIES
from harness.trials.folders_left_out import without_folders
from harness.trials.record import Record
from harness.trials.rows import Row, trial_of
from harness.trials.trial import Evidence, Outcome
from harness.trials.typed import read, written


class Reader:
    """Reads rows one after another. What many of them say alike is kept once, so that 200,000 fit into memory."""

    def __init__(self) -> None:
        self._test_sets: dict[tuple[Any, Any], tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._told: dict[Any, Any] = {}

    def outcome(self, row: Row) -> Outcome:
        """What a sound row says, without the counts of pixels. Raises ValueError, naming the trial."""
        evidence = None
        if row.status == "done":
            paths, defects = self._test_set(row)
            sound = _all_finite(row)
            evidence = Evidence(
                normal={pool: _scores(row.id, normal, sound=sound) for pool, normal, _ in row.scores},
                test={pool: _scores(row.id, test, len(paths), sound=sound) for pool, _, test in row.scores},
                defects=defects,
                paths=paths,
                corrupted=_corrupted(row, len(paths)),
            )
        record = record_of(row)
        told = vars(record)
        for name in _ALIKE:
            told[name] = self._once(told[name])
        outcome = Outcome(trial_of(row.key), row.status, row.reason, self._once(row.fingerprint), evidence, record)
        no_folder = not any(mark in text for text in (row.record, row.reason) for mark in "/\\")
        return outcome if no_folder else without_folders(outcome)

    def _once(self, value: Any) -> Any:
        """An equal value that was read before, or else this one."""
        if not value:
            return value
        try:
            told = tuple(sorted(value.items())) if isinstance(value, Mapping) else value
            return self._told.setdefault(told, value)
        except TypeError:  # a value within has no hash
            return value

    def _test_set(self, row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            if row.test_set not in self._test_sets:
                self._test_sets[row.test_set] = _test_set(row)  # type: ignore[index]
            return self._test_sets[row.test_set]  # type: ignore[index]
        except TypeError:  # damaged beyond having a hash
            return _test_set(row)


_SCORE = np.dtype("<f8")
_ALIKE = (
    *("plugins", "code", "versions", "machine", "pools", "default_pool"),
    *("pixel_versions", "pool_faults", "corruption_faults", "resolved", "grave"),
)
"""Of a record: what many trials have in common."""


_decode = json.JSONDecoder(parse_constant=lambda _: None).decode


def record_of(row: Row) -> Record:
    """How its trial came about. Raises ValueError, naming the trial."""
    try:
        told = _decode(row.record)
        if not isinstance(told, dict):
            raise ValueError(f"it is {told!r:.60}, expected fields by name")
        losses = told.get("loss_history") or []
        if None in losses:  # an older harness has kept NaN; what a fit reported after that says nothing
            told["loss_history"] = losses[: losses.index(None)]
        found: Record = read({**told, "finished_at": row.finished_at}, Record)
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
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
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the test images of trial {row.id}: {error}") from error
    return paths, defects


def _all_finite(row: Row) -> bool:
    """Whether all scores are numbers, looked at together, which takes a third of the time."""
    try:
        return bool(np.isfinite(np.frombuffer(b"".join(one for _, *both in row.scores for one in both), _SCORE)).all())
    except (TypeError, ValueError):
        return False


def _scores(trial_id: str, packed: bytes, images: int | None = None, *, sound: bool = False) -> FloatArray:
    """Scores of so many images, or of any number; `sound` says that they are finite. Raises ValueError."""
    damaged = f"scores of trial {trial_id} are damaged"
    try:
        scores = np.frombuffer(packed, _SCORE)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{damaged}: {error}") from error
    if images not in (None, len(scores)):
        raise ValueError(f"{damaged}: there are {len(scores)} for {images} images")
    if not sound and not np.isfinite(scores).all():  # in a store without digests, that nobody has noticed before
        raise ValueError(f"{damaged}: {np.count_nonzero(~np.isfinite(scores))} of {len(scores)} are not finite")
    return scores


def _corrupted(row: Row, images: int) -> dict[str, dict[str, FloatArray]]:
    """Corruption to pool to the scores (S, N) of test images. Raises ValueError."""
    found: dict[str, dict[str, FloatArray]] = {}
    for corruption, pool, packed in row.corrupted:
        steps = len(SEVERITIES)
        scores = _scores(row.id, packed, steps * images)
        found.setdefault(str(corruption), {})[str(pool)] = scores.reshape(steps, images)
    return found


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no number for: NaN would make the record unreadable for SQLite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
