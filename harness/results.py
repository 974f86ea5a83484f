"""Verdicts as JSON lines with their provenance: what leaderboards/results holds, and what machines exchange."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UsageError
from harness.judge import Verdict
from harness.metrics import Counts
from harness.trial import Evidence, Outcome, Trial

Row = dict[str, Any]

_PROVENANCE = ("plugins", "versions", "machine", "finished_at", "score_seconds", "loss_history")
_IDENTITY = ("trial", "pool", "threshold", "metric_version")
"""What two rows of the same verdict have in common."""
_MEASURED = ("fit_seconds", "train_images_per_second")


def row_of(verdict: Verdict) -> Row:
    """A verdict's columns, a hash of the scores behind it, and its provenance."""
    record, evidence = verdict.outcome.record, verdict.outcome.evidence
    provenance = {name: record[name] for name in _PROVENANCE if name in record}
    scores = None if evidence is None else hash_of(evidence, verdict.pool)
    return {**verdict.row(), "scores": scores, "provenance": provenance}


def hash_of(evidence: Evidence, pool: str) -> str:
    """16 hexadecimal digits of the scores of one pool, equal only where every score is."""
    digest = hashlib.sha256()
    for scores in (evidence.normal[pool], evidence.test[pool]):
        digest.update(np.ascontiguousarray(scores, dtype="<f8").data)
    return digest.hexdigest()[:16]


def verdict_of(row: Mapping[str, Any]) -> Verdict:
    """The verdict that a row was made of, without its scores. Raises KeyError, TypeError for what is no such row."""
    trial = Trial(**{name: row[name] for name in Trial._fields})
    pixels = {name: row[name] for name in ("aupro_0.30", "pixel_auroc", "pixel_average_precision")}
    record = {
        **row["provenance"],
        **{name: row[name] for name in (*_MEASURED, "n_train")},
        "incomplete": row["incomplete"],
        "pixels": pixels if any(value is not None for value in pixels.values()) else None,
    }
    counts = None
    if row["n_normal"] is not None:
        counts = Counts(row["right_normal"], row["n_normal"], row["right_abnormal"], row["n_abnormal"])
    return Verdict(
        outcome=Outcome(trial, row["status"], row["reason"], row["fingerprint"], record=record),
        pool=row["pool"],
        threshold=row["threshold"],
        oracle=row["oracle"],
        limit=row["limit"],
        counts=counts,
        auroc=row["auroc"],
        average_precision=row["average_precision"],
        status=row["status"],
        reason=row["reason"],
        detected={kind: (found[0], found[1]) for kind, found in row["detection"].items()},
    )


def write(rows: Iterable[Row]) -> str:
    """JSON lines, sorted, so that equal rows give equal text in whatever order they come."""
    lines = {json.dumps(row, sort_keys=True, allow_nan=False, ensure_ascii=False): row for row in rows}
    return "".join(f"{line}\n" for line, _ in sorted(lines.items(), key=lambda item: (_order(item[1]), item[0])))


def read(file: Path) -> list[Row]:
    """The rows of a file of JSON lines. Raises UsageError naming file and line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"results {str(file)!r} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            verdict_of(row)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            said = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise UsageError(f"results {str(file)!r}, line {number} is not a verdict: {said}") from error
        rows.append(row)
    return rows


@dataclass
class Merged:
    """Rows of several sources as one."""

    rows: list[Row] = field(default_factory=list)
    same: int = 0
    """Rows that another source had too, with the same scores."""
    conflicts: list[str] = field(default_factory=list)
    """Rows that another source has with other scores; the first source's row was kept."""


def merge(sources: Sequence[tuple[str, Iterable[Row]]]) -> Merged:
    """Same verdict and same scores is one row; same verdict and other scores is a conflict, and nothing is overwritten.

    A row that is done takes the place of one that is not.
    """
    kept: dict[tuple[Any, ...], tuple[str, Row]] = {}
    merged = Merged()
    for name, rows in sources:
        for row in rows:
            key = tuple(row[column] for column in _IDENTITY)
            first, earlier = kept.get(key, (name, None))
            if earlier is None or (row["status"] == "done" and earlier["status"] != "done"):
                kept[key] = (name, row)
            elif row["status"] != "done" or row["scores"] == earlier["scores"]:
                merged.same += 1
            else:
                trial = Trial(**{column: row[column] for column in Trial._fields})
                merged.conflicts.append(
                    f"{trial.category} · {trial.method} · seed {trial.seed} · pool {row['pool']}: "
                    f"{name} has other scores ({row['scores']}) than {first} ({earlier['scores']})"
                )
    merged.rows = [row for _, row in kept.values()]
    return merged


def _order(row: Row) -> tuple[str, ...]:
    names = ("dataset", "category", "model", "encoder", "loss", "pool", "threshold")
    return (*(str(row[name]) for name in names), f"{row['image_size']:06}", f"{row['seed']:06}", str(row["trial"]))
