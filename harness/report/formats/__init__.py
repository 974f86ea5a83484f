"""The formats that every command can print: each is one function from a Document to text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from harness.report.formats.latex import to_latex
from harness.report.formats.markdown import to_markdown
from harness.report.formats.rows import csv_lines, excel_lines, json_lines, to_csv, to_excel, to_json
from harness.report.formats.terminal import to_terminal
from harness.report.table import Document

FORMATS: Mapping[str, Callable[[Document], str]] = {
    "rich": to_terminal,
    "md": to_markdown,
    "csv": to_csv,
    "excel": to_excel,
    "json": to_json,
    "latex": to_latex,
}
"""The choices of `--format`, the default first."""

OF_ROWS = frozenset({"csv", "excel", "json"})
"""Formats for programs: they hold the rows of a Document, and neither its tables nor its remarks."""


_PIECEWISE: Mapping[str, Callable[[Document], Iterator[str]]] = {
    "csv": csv_lines,
    "excel": excel_lines,
    "json": json_lines,
}


def rendered(document: Document, format_name: str) -> Iterator[str]:
    """The same text as `render` gives, in pieces where it may be long."""
    if format_name in _PIECEWISE:
        return _PIECEWISE[format_name](document)
    return iter((render(document, format_name),))


def render(document: Document, format_name: str) -> str:
    """A document in one of FORMATS."""
    return FORMATS[format_name](document)
