"""A document that a notebook shows as it is, and a script asks for in any format."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import UsageError, unknown
from harness.report.formats import FORMATS
from harness.report.formats.html import to_html
from harness.report.table import Document

EVERY_FORMAT = {**FORMATS, "html": to_html}


@dataclass(frozen=True)
class Shown:
    """Tables that show themselves: as text in a terminal, as HTML in a notebook, and in every format as `text(...)`."""

    document: Document = field(repr=False)

    def text(self, format: str = "rich") -> str:  # noqa: A002  it is --format
        """Rich (for a terminal), md, csv, excel, json, latex or html. Raises UsageError."""
        if format not in EVERY_FORMAT:
            raise UsageError(unknown("format", format, EVERY_FORMAT))
        return EVERY_FORMAT[format](self.document)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.text("html")
