"""What a command prints, before a format is chosen: tables for people, rows for programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.printable import printable

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
    kept: frozenset[str] = frozenset()
    """Headings that no terminal does without, however narrow it is."""
    stacked: frozenset[str] = frozenset()
    """Headings of the columns whose cells may stand on two lines in a narrow terminal, what is in brackets below."""
    folding: frozenset[str] | None = None
    """Headings of the columns that may fold in a narrow terminal; None lets all fold."""
    legends: Sequence[tuple[str, str]] = ()
    """Sentences that explain a column, each with its heading: they are said where that column is shown."""
    full: Mapping[str, str] = field(default_factory=dict)
    """Short names in cells to what they stand for, which a page shows to whoever points at one."""

    def printable(self) -> Table:
        """The same table without anything that a terminal would obey or hide."""
        return replace(
            self,
            title=printable(self.title),
            rows=[[printable(cell) for cell in row] for row in self.rows],
            notes=[printable(note) for note in self.notes],
            legends=[(heading, printable(said)) for heading, said in self.legends],
            full={printable(name): printable(said) for name, said in self.full.items()},
        )

    def notes_on(self, headings: Collection[str]) -> list[str]:
        """What stands below the table where these columns are shown."""
        said = " ".join(sentence for heading, sentence in self.legends if heading in headings)
        return [*self.notes, *([said] if said else [])]


@dataclass(frozen=True)
class Document:
    """The whole output of a command. People get the tables and remarks, programs get the rows.

    Tables and rows are made only when a format asks for them, since either may take seconds.
    """

    tables: Callable[[], Sequence[Table]]
    rows: Callable[[], Iterable[Row]]
    """What it gives may be gone through several times."""
    columns: Sequence[str] | None = None
    """The columns of the rows in CSV; None takes those of all rows. JSON has whatever a row has."""
    remarks: Sequence[Sequence[str]] = ()
    """Paragraphs below all tables, each a list of lines."""
    frame: Callable[[], Sequence[Row]] | None = None
    """The rows of a data frame; None takes those of CSV."""
