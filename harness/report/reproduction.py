"""Whether a stored trial gave the same scores when it was fitted again."""

from __future__ import annotations

from typing import Any

from harness.printable import printable
from harness.report.table import Document, Table
from harness.verdicts.reproduction import Reproduction

COLUMNS = ("trial", "result", "reason", "differences", "changes")


def reproduction_document(found: Reproduction, tolerance: float) -> Document:
    """For people, the result, what became of the scores, and what has changed; for programs, one row."""
    row = {
        "trial": found.stored.id,
        "result": found.result,
        "reason": found.reason,
        "differences": [difference._asdict() for difference in found.differences],
        "changes": [change._asdict() for change in found.changes],
    }
    tables = [_scores(found, tolerance)] if found.differences else []
    tables.append(_changes(found))
    return Document(lambda: tables, lambda: [row], COLUMNS)


def result_in_words(found: Reproduction, tolerance: float) -> str:
    """The result in one line."""
    said = {
        "equal": "equal, every score bit for bit",
        "within tolerance": f"within tolerance, no score further off than {tolerance:g} of their range",
        "different": f"different, a score is further off than {tolerance:g} of their range",
        "impossible": f"impossible: {printable(found.reason)}",
    }[found.result]
    return f"{found.stored.trial.title} ({found.stored.id}) is {said}"


def _scores(found: Reproduction, tolerance: float) -> Table:
    headings = ("pool", "threshold", "largest difference", "of the range", "AUROC", "now", "decided otherwise")
    return Table(
        title=result_in_words(found, tolerance),
        headings=headings,
        rows=[
            [
                one.pool,
                one.threshold,
                f"{one.largest:.3g}",
                f"{one.share:.2g}",
                _figure(one.auroc),
                _figure(one.auroc_again),
                "" if one.decisions is None else f"{one.decisions} of {one.images}",
            ]
            for one in found.differences
        ],
        numbers=frozenset(headings[2:]),
    )


def _changes(found: Reproduction) -> Table:
    unchanged = "Nothing that its record remembers of data, versions, machine, plugins and code."
    return Table(
        title="What has changed since" if found.differences else result_in_words(found, 0),
        headings=("what", "stored", "now"),
        rows=[[printable(cell) for cell in change] for change in found.changes],
        notes=[] if found.changes else [unchanged],
    )


def _figure(value: Any) -> str:
    return "" if value is None else f"{value:.4f}"
