"""What is wrong, or worth knowing, about published tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from harness.published import Finding, PublishedTable
from harness.report.table import Document, Table

COLUMNS = ("table", "place", "about", "metric", "severity", "kind", "text")
_HEADINGS = ("severity", "where", "about", "metric", "finding")

Checked = tuple[PublishedTable, Sequence[Finding]]


def findings_document(checked: Sequence[Checked]) -> Document:
    """For people, each table with its findings, the impossible ones first; for programs, one row a finding."""
    return Document(
        tables=lambda: [_table(table, findings) for table, findings in checked],
        rows=lambda: [asdict(finding) for _, findings in checked for finding in findings],
        columns=COLUMNS,
    )


def _table(table: PublishedTable, findings: Sequence[Finding]) -> Table:
    impossible = [finding for finding in findings if finding.severity == "impossible"]
    remarks = [finding for finding in findings if finding.severity == "remark"]
    return Table(
        title=f"{table.name}: {_count(len(table.rows), 'row')}, {len(impossible)} impossible, "
        f"{_count(len(remarks), 'remark')}",
        headings=_HEADINGS,
        rows=[
            [finding.severity, finding.place, finding.about, finding.metric, finding.text]
            for finding in (*impossible, *remarks)
        ],
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
