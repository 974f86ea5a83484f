"""Rows for programs and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.printable import printable
from harness.report.table import Document, Row

_AT_A_TIME = 1000
"""Rows of CSV that are written together."""
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")  # the last four are the first four as full-width characters
_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-", re.IGNORECASE | re.ASCII
)  # or `-`, which stands for an unused axis


def to_csv(document: Document) -> str:
    """One line a row under the names of the columns, empty where there is no value."""
    return "".join(csv_lines(document))


def to_excel(document: Document) -> str:
    """The same CSV behind a byte-order mark, without which Excel takes its letters for those of another encoding.

    Plain CSV has none, because most programs take the mark for a part of the first column's name.
    """
    return "".join(excel_lines(document))


def to_json(document: Document) -> str:
    """A list of objects, null where there is no value."""
    return "".join(json_lines(document))


def csv_lines(document: Document) -> Iterator[str]:
    """`to_csv` piece by piece."""
    rows = document.rows()
    columns = document.columns or getattr(rows, "columns", None)  # which some rows know without being made
    if columns is None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
    return _csv(rows, columns)


def excel_lines(document: Document) -> Iterator[str]:
    """`to_excel` piece by piece."""
    yield "\ufeff"
    yield from csv_lines(document)


def json_lines(document: Document) -> Iterator[str]:
    """`to_json` piece by piece."""
    before = "["
    for row in document.rows():
        text = json.dumps(dict(row), indent=1, allow_nan=False).replace("\n", "\n ")
        yield f"{before}\n {text}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def csv_text(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """Rows as CSV. No cell can start a formula in a spreadsheet."""
    return "".join(_csv(rows, columns))


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    for at, row in enumerate(rows, 1):
        writer.writerow([_cell(row.get(column)) for column in columns])
        if at % _AT_A_TIME == 0:
            yield written.getvalue()
            written.seek(0)
            written.truncate()
    yield written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        text = printable(value)  # a carriage return would start a row, and a tab may hide what follows it
        return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value
