"""Tables for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from harness.printable import printable
from harness.report.table import Document, Table


def to_html(document: Document) -> str:
    """Plain HTML tables, each under its title, then the remarks. Nothing that a name says is taken for HTML."""
    remarks = [f"<p>{escape(printable(line))}</p>" for paragraph in document.remarks for line in paragraph]
    return "\n".join(["<div>", *(_drawn(table.printable()) for table in document.tables()), *remarks, "</div>"]) + "\n"


def _drawn(table: Table) -> str:
    rows = [_row("th", table.headings, table)]
    rows += [_row("td", row, table, faint=index in table.faint) for index, row in enumerate(table.rows)]
    notes = [f"<p><small>{escape(note)}</small></p>" for note in table.notes_on(table.headings)]
    title = f'<caption style="text-align: left"><b>{escape(table.title)}</b></caption>'
    return "\n".join(["<table>", title, *rows, "</table>", *notes])


def _row(tag: str, cells: Sequence[str], table: Table, *, faint: bool = False) -> str:
    drawn = [
        f'<{tag} style="text-align: {"right" if heading in table.numbers else "left"}"{_full(cell, table)}>'
        f"{escape(cell)}</{tag}>"
        for heading, cell in zip(table.headings, cells, strict=True)
    ]
    style = ' style="opacity: 0.6"' if faint else ""
    return f"<tr{style}>{''.join(drawn)}</tr>"


def _full(cell: str, table: Table) -> str:
    """What a short name stands for, shown to whoever points at it."""
    full = table.full.get(cell, cell)
    return f' title="{escape(full)}"' if full != cell else ""
