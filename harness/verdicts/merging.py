"""Exports of several machines as one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.verdicts.export_rows import EVIDENCE, Row, trial_of
from harness.verdicts.verdict import METRICS, PIXEL_METRICS

_IDENTITY = ("trial", "pool", "threshold", "metric_version")
"""What two rows of the same verdict have in common."""


_FIGURES = (
    *("status", "limit", "n_normal", "n_abnormal", "right_normal", "right_abnormal"),
    *(*METRICS, *PIXEL_METRICS, "detection", "right", "oracle"),
)
"""What must be equal in two rows of the same verdict and the same scores."""


@dataclass
class Merged:
    """Rows of several sources as one."""

    rows: list[Row] = field(default_factory=list)
    same: int = 0
    """Rows that were there already: with the same scores, or of a trial that has since been done."""
    conflicts: list[str] = field(default_factory=list)
    """Rows that another source has with other scores or figures; the first source's row was kept."""


def merge(sources: Sequence[tuple[str, Iterable[Row]]]) -> Merged:
    """Same verdict and same scores is one row; other scores or figures are a conflict, and nothing is overwritten.

    Of two rows that differ in nothing, the one with scores is kept. A row that is done takes the place of those of the
    same trial that are not, whatever their pool, and of those that failed before its data was known.
    """
    kept: dict[tuple[Any, ...], tuple[str, Row]] = {}
    merged = Merged()
    for name, rows in sources:
        for row in rows:
            key = tuple(row[column] for column in _IDENTITY)
            first, earlier = kept.get(key, (name, None))
            if earlier is None or (row["status"] == "done" and earlier["status"] != "done"):
                kept[key] = (name, row)
            elif row["status"] != "done" or not (apart := _apart(row, earlier)):
                merged.same += 1
                if EVIDENCE in row and EVIDENCE not in earlier and row["status"] == "done":
                    kept[key] = (first, row)
            else:
                what, here, there = apart
                trial = trial_of(row)
                merged.conflicts.append(
                    f"{trial.title} · pool {row['pool']} · threshold "
                    f"{row['threshold']}: {name} has other {what} ({here}) than {first} ({there})"
                )
    done = {trial_of(row) for _, row in kept.values() if row["scores"] is not None}
    merged.rows = [row for _, row in kept.values() if row["scores"] is not None or trial_of(row) not in done]
    merged.same += len(kept) - len(merged.rows)
    return merged


def _apart(row: Row, earlier: Row) -> tuple[str, Any, Any] | None:
    """The scores, or else the first figure, in which two rows of one verdict differ, with both values."""
    if row["scores"] != earlier["scores"]:
        return "scores", row["scores"], earlier["scores"]
    for name in _FIGURES:
        here, there = row[name], earlier[name]
        numbers = isinstance(here, float) and isinstance(there, float)  # which two machines may round otherwise
        alike = math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-12) if numbers else here == there
        if not alike and not (name == "right" and None in (here, there)):  # which earlier exports do not have
            return name, here, there
    return None
