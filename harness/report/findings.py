"""What a published table claims and arithmetic denies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from harness.published import Finding, PublishedTable
from harness.report.table import Table, csv_text, json_text, markdown, rich_text

COLUMNS = ("table", "place", "about", "metric", "severity", "kind", "text")
_HEADINGS = ("severity", "where", "about", "metric", "finding")

Checked = tuple[PublishedTable, Sequence[Finding]]


def render_findings(checked: Sequence[Checked], style: str) -> str:
    """Each table with its findings, the impossible ones first; in csv and json one row a finding."""
    rows = [asdict(finding) for _, findings in checked for finding in findings]
    if style == "csv":
        return csv_text(rows, COLUMNS)
    if style == "json":
        return json_text(rows)
    tables = [_table(table, findings) for table, findings in checked]
    return markdown(tables) if style == "md" else rich_text(tables)


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
