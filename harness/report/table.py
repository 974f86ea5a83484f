"""One table in the four formats that every command offers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Format = Literal["rich", "md", "csv", "json"]
FORMATS: tuple[str, ...] = get_args(Format)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows for people: cells are text already, numbers stand right. `notes` follow below."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = frozenset()
    """Headings of the columns that hold numbers."""
    notes: Sequence[str] = ()
    faint: frozenset[int] = frozenset()
    """Rows that are there for orientation, such as floors."""


def rich_text(tables: Sequence[Table], width: int | None = None, color: bool | None = None) -> str:
    """For a terminal of this width, by default the one at hand."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(width=width, force_terminal=color, no_color=color is False, highlight=False)
    with console.capture() as captured:
        for table in tables:
            drawn = RichTable(title=escape(table.title), title_justify="left", title_style="bold", header_style="bold")
            for heading in table.headings:
                drawn.add_column(escape(heading), justify="right" if heading in table.numbers else "left", overflow="fold")
            for index, row in enumerate(table.rows):
                drawn.add_row(*(Text(cell) for cell in row), style="dim" if index in table.faint else None)
            console.print(drawn)
            for note in table.notes:
                console.print(Text(note, style="dim"))
            console.print()
    return captured.get()


def markdown(tables: Sequence[Table]) -> str:
    """GitHub's pipe tables, each under its title."""
    from tabulate import tabulate

    blocks = []
    for table in tables:
        grid = tabulate(
            [[cell.replace("|", "\\|") for cell in row] for row in table.rows],
            headers=[heading.replace("|", "\\|") for heading in table.headings],
            tablefmt="github",
            disable_numparse=True,
            colalign=["right" if heading in table.numbers else "left" for heading in table.headings]
            if table.rows
            else None,
        )
        blocks += [f"### {table.title}", grid, *table.notes]
    return "\n\n".join(blocks) + "\n"


def csv_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """One line a row, empty where there is no value. No cell can start a formula in a spreadsheet."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return written.getvalue()


def json_text(rows: Sequence[Row]) -> str:
    """A list of objects, null where there is no value."""
    return json.dumps([dict(row) for row in rows], indent=1, allow_nan=False) + "\n"


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and len(value) > 1:
        return f"'{value}"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value
