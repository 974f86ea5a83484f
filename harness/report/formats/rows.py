"""Rows for programs and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from harness.printable import printable
from harness.report.table import Document, Row

_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")  # the last four are the first four as full-width characters
_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-", re.IGNORECASE | re.ASCII
)  # or `-`, which stands for an unused axis


def to_csv(document: Document) -> str:
    """One line a row under the names of the columns, empty where there is no value."""
    rows = document.rows()
    columns = (
        document.columns if document.columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    )
    return csv_text(rows, columns)


def to_excel(document: Document) -> str:
    """The same CSV behind a byte-order mark, without which Excel takes its letters for those of another encoding.

    Plain CSV has none, because most programs take the mark for a part of the first column's name.
    """
    return f"\ufeff{to_csv(document)}"


def to_json(document: Document) -> str:
    """A list of objects, null where there is no value."""
    return json.dumps([dict(row) for row in document.rows()], indent=1, allow_nan=False) + "\n"


def csv_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Rows as CSV. No cell can start a formula in a spreadsheet."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        text = printable(value)  # a carriage return would start a row, and a tab may hide what follows it
        return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value
