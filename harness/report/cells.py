"""The trials of a plan, before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import Threshold
from harness.plugin.spec import spell
from harness.printable import counted
from harness.report.protocols import with_protocols
from harness.report.table import Document, Table
from harness.trials.grid import Cell
from harness.verdicts.methods import RANDOM_FEATURES

COLUMNS = ("dataset", "category", "model", "encoder", "loss", "seed", "weights", "image_size", "epochs", "reason")


def cells_document(cells: Sequence[Cell], thresholds: Sequence[Threshold], pools: Sequence[str] | None) -> Document:
    """Every trial, with the reason if it would be skipped, and by what they would be judged."""
    known = [{**cell.trial._asdict(), "reason": cell.reason, "weights": _weights(cell)} for cell in cells]
    columns = with_protocols(COLUMNS, (cell.trial.protocol for cell in cells))
    rows = [{column: row[column] for column in columns} for row in known]
    fitting = sum(not cell.reason for cell in cells)
    judged = f"thresholds {', '.join(spell(t) for t in thresholds)}; pools {', '.join(pools or ['of each model'])}"
    table = Table(
        title=counted(len(cells), "trial"),
        headings=columns,
        rows=[[str(value) for value in row.values()] for row in rows],
        numbers=frozenset({"seed", "image_size", "epochs"}),
        notes=[f"{fitting} to fit, {len(cells) - fitting} that do not fit together; judged by {judged}."],
    )
    return Document(lambda: [table], lambda: rows, columns)


def _weights(cell: Cell) -> str:
    return RANDOM_FEATURES if cell.trial.random_features else cell.trial.weights
