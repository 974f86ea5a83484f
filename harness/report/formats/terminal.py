"""Tables for a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.printable import printable
from harness.report.table import Document, Table
from harness.report.wrapping import wrapped

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST = 12
"""Characters that a column of words keeps at least, where it has to fold."""


def to_terminal(document: Document, width: int | None = None) -> str:
    """Text for a terminal of this width, by default the one at hand; what goes to a file or pipe is never narrowed.

    No number is ever cut: columns that do not fit are left out, and a note below the table names them.
    """
    width = width or _width_at_hand()
    lines = [printable(line) for paragraph in document.remarks for line in paragraph]
    remarks = "".join(f"{wrapped(line, width) if width else line}\n" for line in lines)
    return _drawn(document.tables(), width) + remarks


def _width_at_hand() -> int | None:
    """What $COLUMNS asks for, else the width of the terminal; None where output goes elsewhere."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _drawn(tables: Sequence[Table], width: int | None) -> str:
    from rich.console import Console
    from rich.text import Text

    console = Console(width=width or _UNBOUNDED, highlight=False, force_jupyter=False)  # it would show an empty cell
    drawn = []
    for table in (table.printable() for table in tables):
        widths = _widths(table)
        shown, dropped = _fitting(table, widths, width) if width else (list(range(len(widths))), [])
        whole = sum(widths[column].whole + 2 for column in shown) <= (width or _UNBOUNDED)
        with console.capture() as captured:
            console.print(Text(table.title, style="bold"), soft_wrap=width is None)
            draw = _in_lines if whole else _folded
            draw(console, table, shown, widths)
            notes = table.notes_on([table.headings[column] for column in shown])
            for note in [*notes, *([f"A wider terminal shows {', '.join(dropped)} too."] if dropped else [])]:
                console.print(Text(note, style="dim"), soft_wrap=width is None)
            console.print(soft_wrap=width is None)
        drawn.append(captured.get())
    text = "".join(drawn)
    return text if width else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _in_lines(console: Console, table: Table, shown: Sequence[int], widths: Sequence[_Width]) -> None:
    """Draw a table that fits as it is, as `_folded` would and much faster: boards may have 20,000 rows."""
    from rich.cells import cell_len
    from rich.style import Style

    right = [table.headings[column] in table.numbers for column in shown]
    wide = [max(cell_len(cells[column]) for cells in (table.headings, *table.rows)) for column in shown]

    def line(cells: Sequence[str]) -> str:
        gaps = (" " * (width - cell_len(cells[column])) for column, width in zip(shown, wide, strict=True))
        both = zip(shown, gaps, right, strict=True)
        return f" {'  '.join(gap + cells[at] if to_right else cells[at] + gap for at, gap, to_right in both)} "

    def styled(text: str, style: str) -> str:
        return Style.parse(style).render(text, color_system=console._color_system)

    across = sum(wide) + 2 * (len(wide) - 1)
    lines = [" " * (across + 2), styled(line(table.headings), "bold"), f" {'─' * across} "]
    for index, row in enumerate(table.rows):
        lines.append(styled(line(row), "dim") if index in table.faint else line(row))
    console.out("\n".join([*lines, " " * (across + 2)]), highlight=False)


def _folded(console: Console, table: Table, shown: Sequence[int], widths: Sequence[_Width]) -> None:
    """Draw a table in a terminal where columns of words have to fold."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in shown:
        heading = table.headings[column]
        drawn.add_column(
            Text(heading),
            justify="right" if heading in table.numbers else "left",
            overflow="fold",
            min_width=widths[column].least,
            no_wrap=not widths[column].folds,
        )
    for index, row in enumerate(table.rows):
        cells = [_stacked(row[column]) if widths[column].stacks else row[column] for column in shown]
        drawn.add_row(*map(Text, cells), style="dim" if index in table.faint else None)
    console.print(drawn)


_UNBOUNDED = 100_000
"""Columns of a file or pipe."""


class _Width(NamedTuple):
    whole: int
    """Of the longest cell or the heading."""
    least: int
    """Which no narrowing goes below."""
    folds: bool
    stacks: bool


def _widths(table: Table) -> list[_Width]:
    found = []
    for heading, *cells in zip(table.headings, *table.rows, strict=True):
        whole = max(len(cell) for cell in (heading, *cells))
        stacks = heading in table.stacked
        folds = heading not in table.numbers and (table.folding is None or heading in table.folding)
        least = whole
        if stacks:
            least = max(len(heading), *(len(line) for cell in cells for line in _stacked(cell).split("\n")))
        elif folds:
            least = min(whole, max(_NARROWEST, len(heading)))
        found.append(_Width(whole, least, folds, stacks))
    return found


def _stacked(cell: str) -> str:
    """`38 % (17 to 66)` on two lines, and `0.813 ±.04`."""
    return cell.replace(" (", "\n(", 1).replace(" ±", "\n±", 1)


def _fitting(table: Table, widths: Sequence[_Width], width: int) -> tuple[list[int], list[str]]:
    """The columns that fit, and the headings of those that go: what the table can do without, then the last ones."""
    shown, dropped = list(range(len(widths))), []
    spare = [table.headings.index(heading) for heading in table.droppable if heading in table.headings]
    for column in [*spare, *(one for one in reversed(shown) if table.headings[one] not in table.kept)]:
        whole = sum(widths[one].whole + 2 for one in shown) <= width
        least = sum(widths[one].least + 2 for one in shown) <= width
        if whole or (least and column not in spare) or len(shown) == 1:
            break
        if column in shown:
            shown.remove(column)
            dropped.append(table.headings[column])
    return shown, dropped
