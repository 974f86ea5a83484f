"""One table in the four formats that every command offers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from harness.printable import printable

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
    droppable: Sequence[str] = ()
    """Headings that a narrow terminal does without, the first one first."""
    folding: frozenset[str] | None = None
    """Headings of the columns that may fold in a narrow terminal; None lets all fold."""


def rich_text(tables: Sequence[Table], width: int | None = None) -> str:
    """For a terminal of this width, by default the one at hand. What does not fit is named below the table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(width=width, highlight=False)
    tables = [_visible(table) for table in tables]
    with console.capture() as captured:
        for table in tables:
            shown, dropped = _fitting(table, console.width)
            drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
            for column in shown:
                heading = table.headings[column]
                drawn.add_column(
                    Text(heading),
                    justify="right" if heading in table.numbers else "left",
                    overflow="fold",
                    no_wrap=table.folding is not None and heading not in table.folding,
                )
            for index, row in enumerate(table.rows):
                drawn.add_row(*(Text(row[column]) for column in shown), style="dim" if index in table.faint else None)
            console.print(Text(table.title, style="bold"))
            console.print(drawn)
            for note in [*table.notes, *([f"A wider terminal shows {', '.join(dropped)} too."] if dropped else [])]:
                console.print(Text(note, style="dim"))
            console.print()
    return captured.get()


def _visible(table: Table) -> Table:
    """A table that says no more to a terminal than its letters do."""
    return replace(
        table,
        title=printable(table.title),
        rows=[[printable(cell) for cell in row] for row in table.rows],
        notes=[printable(note) for note in table.notes],
    )


def _fitting(table: Table, width: int) -> tuple[list[int], list[str]]:
    """The columns that fit into a width, and the headings of those that were dropped for it."""
    widths = [max(len(cell) for cell in column) for column in zip(table.headings, *table.rows, strict=True)]
    shown, dropped = list(range(len(widths))), []
    for heading in table.droppable:
        if sum(widths[column] + 2 for column in shown) <= width:
            break
        if heading in table.headings:
            shown.remove(table.headings.index(heading))
            dropped.append(heading)
    return shown, dropped


def markdown(tables: Sequence[Table]) -> str:
    """GitHub's pipe tables, each under its title."""
    from tabulate import tabulate

    blocks = []
    for table in map(_visible, tables):
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
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return written.getvalue()


def json_text(rows: Sequence[Row]) -> str:
    """A list of objects, null where there is no value."""
    return json.dumps([dict(row) for row in rows], indent=1, allow_nan=False) + "\n"


_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")  # the last four are the first in full width
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-", re.IGNORECASE | re.ASCII)  # or the sign of an unused axis


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        text = printable(value)  # a carriage return would start a row, and a tab may hide what follows it
        return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value
