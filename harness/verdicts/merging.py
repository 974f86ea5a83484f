"""Exports of several machines as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.verdicts.exports import Row, trial_of

_IDENTITY = ("trial", "pool", "threshold", "metric_version")
"""What two rows of the same verdict have in common."""


@dataclass
class Merged:
    """Rows of several sources as one."""

    rows: list[Row] = field(default_factory=list)
    same: int = 0
    """Rows that were there already: with the same scores, or of a trial that has since been done."""
    conflicts: list[str] = field(default_factory=list)
    """Rows that another source has with other scores; the first source's row was kept."""


def merge(sources: Sequence[tuple[str, Iterable[Row]]]) -> Merged:
    """Same verdict and same scores is one row; same verdict and other scores is a conflict, and nothing is overwritten.

    A row that is done takes the place of those of the same trial that are not, whatever their pool, and of those that
    failed before its data was known.
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
                trial = trial_of(row)
                merged.conflicts.append(
                    f"{trial.category} · {trial.method} · seed {trial.seed} · pool {row['pool']}: "
                    f"{name} has other scores ({row['scores']}) than {first} ({earlier['scores']})"
                )
    done = {trial_of(row) for _, row in kept.values() if row["scores"] is not None}
    merged.rows = [row for _, row in kept.values() if row["scores"] is not None or trial_of(row) not in done]
    merged.same += len(kept) - len(merged.rows)
    return merged
