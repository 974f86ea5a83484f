"""Rows as data frames of pandas or polars, which are used where they are installed and never required."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.report.table import Row

if TYPE_CHECKING:
    import pandas
    import polars


def pandas_frame(rows: Sequence[Row]) -> pandas.DataFrame:
    """One row each; a cell that has an inside, such as a list, becomes JSON. Raises UsageError without pandas."""
    try:
        import pandas
    except ImportError as error:
        raise UsageError("to_pandas needs pandas: pip install pandas") from error
    return pandas.DataFrame(_flat(rows))


def polars_frame(rows: Sequence[Row]) -> polars.DataFrame:
    """One row each; a cell that has an inside, such as a list, becomes JSON. Raises UsageError without polars."""
    try:
        import polars
    except ImportError as error:
        raise UsageError("to_polars needs polars: pip install polars") from error
    return polars.DataFrame(_flat(rows), infer_schema_length=None)


def _flat(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {name: json.dumps(cell) if isinstance(cell, dict | list) else cell for name, cell in row.items()}
        for row in rows
    ]
