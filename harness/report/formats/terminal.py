"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from harness.printable import printable
from harness.report.table import Document, Table


def to_terminal(document: Document, width: int | None = None) -> str:
    """Text for a terminal of this width, by default the one at hand. A note below each table names what did not fit."""
    remarks = "".join(f"{printable(line)}\n" for paragraph in document.remarks for line in paragraph)
    return _drawn(document.tables(), width) + remarks


def _drawn(tables: Sequence[Table], width: int | None) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        for table in (table.printable() for table in tables):
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
