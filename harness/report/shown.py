"""A document that a notebook shows as it is, and a script asks for in any format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import UsageError, unknown_name
from harness.report.formats import FORMATS
from harness.report.formats.html import to_html
from harness.report.frames import pandas_frame, polars_frame
from harness.report.table import Document, Row

if TYPE_CHECKING:
    import pandas
    import polars

EVERY_FORMAT = {**FORMATS, "html": to_html}


@dataclass(frozen=True)
class Shown:
    """Tables that show themselves: as text in a terminal, as HTML in a notebook, and in every format as `text(...)`."""

    document: Document = field(repr=False)

    def text(self, format: str = "rich") -> str:  # noqa: A002  it is --format
        """Rich (for a terminal), md, csv, excel, json, latex or html. Raises UsageError."""
        if format not in EVERY_FORMAT:
            raise UsageError(unknown_name("format", format, EVERY_FORMAT))
        return EVERY_FORMAT[format](self.document)

    def to_pandas(self) -> pandas.DataFrame:
        """Of a leaderboard one row for each row of its tables, with its rank; else those of CSV. Raises UsageError."""
        return pandas_frame(self._rows())

    def to_polars(self) -> polars.DataFrame:
        """The same as a frame of polars. Raises UsageError."""
        return polars_frame(self._rows())

    def _rows(self) -> Sequence[Row]:
        return list(self.document.rows() if self.document.frame is None else self.document.frame())

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.text("html")
