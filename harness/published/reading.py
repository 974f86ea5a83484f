"""Finds published tables and reads them: TOML with its source and protocol, anybody's CSV, or what we exported."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from harness.errors import UsageError, unknown_name
from harness.printable import printable
from harness.published.exported import table_of
from harness.published.fields import clipped, misspelt
from harness.published.schema import ROW_FIELDS, build
from harness.published.table import METRICS, NOT_STATED, PublishedTable, SplitCounts
from harness.verdicts import exports as results

_LARGEST = 64 * 2**20  # bytes: enough for a million rows
_SUFFIXES = (".toml", ".csv", ".jsonl")
_A_FILE = "a .toml or .csv file, or a .jsonl that `harness export` wrote"
_OF_A_TABLE = ("dataset", "track", "scale", "digits")  # columns of a CSV that must be the same in every row


def folder() -> Path:
    """The folder of the tables that ship with the harness, in the installed package or in the checkout."""
    installed = Path(str(resources.files("harness") / "published_tables"))
    return installed if installed.is_dir() else Path(__file__).parents[2] / "leaderboards" / "published"


def shipped() -> list[str]:
    """The names of the tables that ship with the harness, sorted."""
    return sorted(file.stem for file in folder().glob("*.toml"))


def load(source: str) -> PublishedTable:
    """The table of this name that ships with the harness, or the one in this file. Raises UsageError."""
    if source in shipped():
        return read(folder() / f"{source}.toml")
    path = Path(source)
    if path.suffix.lower() in _SUFFIXES or "/" in source:
        return read(path)
    raise UsageError(f"{unknown_name('published source', clipped(source), shipped())} Or the path of {_A_FILE}.")


def read(path: Path) -> PublishedTable:
    """The table in a TOML or CSV file, or in an export of ours. Raises UsageError that names file and line or row."""
    return _read(path, official_counts)


@cache
def official_counts(dataset: str) -> Mapping[str, SplitCounts]:
    """The split of every category of a data set, from the tables that ship with the harness; empty if none has it."""
    tables = (_read(folder() / f"{name}.toml", lambda _: {}) for name in shipped())
    return {
        category: counts for table in tables if table.dataset == dataset for category, counts in table.splits.items()
    }


def _read(path: Path, lookup: Any) -> PublishedTable:
    if path.suffix.lower() == ".jsonl":
        export = results.read(path)
        table = build(path.stem, table_of(export.rows), str(path), lookup)
        unscored = sum(verdict.status == "done" and verdict.proof == "stated" for verdict in export.verdicts)
        return replace(table, left_out=tuple(export.faults), unscored=unscored)
    text = _text_of(path)
    where = printable(str(path))
    if path.suffix.lower() == ".csv":
        given, unread = _csv(text, where)
        return build(path.stem, given, where, lookup, unread)
    return build(path.stem, _toml(text, where), where, lookup)


def _text_of(path: Path) -> str:
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{str(path)!r}: expected {_A_FILE}")
    try:
        if not path.is_file():
            raise UsageError(f"no file {str(path)!r}: expected {_A_FILE}, or one of {', '.join(shipped())}")
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{str(path)!r} is larger than {_LARGEST >> 20} MiB, expected a table")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=str)  # as text, so that `0.30` keeps both digits
    except RecursionError:
        raise UsageError(f"{where} is not a table: too many brackets within brackets") from None
    except ValueError as error:
        reason = " ".join(str(error).split()).replace("end of document", f"line {len(text.splitlines())}, the end")
        raise UsageError(f"{where} is not TOML: {reason}") from None


def _csv(text: str, where: str) -> tuple[dict[str, Any], list[str]]:
    """A CSV in the form of a TOML table, and its columns that are not known here."""
    delimiter = _delimiter(text)
    lines = _cells(text, delimiter, where)
    columns, unread = _columns(next(lines, (0, []))[1], where)
    metrics = [column for column in columns if column in METRICS]
    if not metrics:
        raise UsageError(f"{where}, line 1: no column of a metric, expected some of {', '.join(METRICS)}")
    rows = []
    stated: dict[str, str] = {}
    for line, cells in lines:
        if len(cells) != len(columns):
            raise UsageError(f"{where}, line {line}: {len(cells)} cells, expected {len(columns)} as in the first line")
        row = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
        for field in _OF_A_TABLE:
            value = row.pop(field, "")
            if value and stated.setdefault(field, value) != value:
                raise UsageError(
                    f"{where}, line {line}: {field} is {clipped(value)!r}, expected {clipped(stated[field])!r} "
                    "as further up, for one file is one table"
                )
        if delimiter == ";":
            row.update({metric: row[metric].replace(",", ".") for metric in metrics})
        given = {field: cell for field, cell in row.items() if field in METRICS or (field in ROW_FIELDS and cell)}
        rows.append((f"line {line}", given))
    silent = dict.fromkeys(("title", "source", "read", "read_in", "dataset", "track"), NOT_STATED)
    protocol = dict.fromkeys(("setting", "image_size", "backbone"), NOT_STATED)
    return {**silent, **stated, "metrics": metrics, "protocol": protocol, "rows": rows}, unread


def _columns(cells: list[str], where: str) -> tuple[list[str], list[str]]:
    """The column names in lower case, and those of them that are not known here."""
    columns = [cell.strip().lower() for cell in cells]
    named = [column for column in columns if column]
    if not named:
        raise UsageError(f"{where} is empty, expected column names such as category,model,accuracy")
    known = (*ROW_FIELDS, *_OF_A_TABLE)
    seen: set[str] = set()
    unread = []
    for column in named:
        if column in seen:
            raise UsageError(f"{where}, line 1: two columns are called {clipped(column)!r}")
        seen.add(column)
        if column not in known:
            if misspelt(clipped(column), known):
                raise UsageError(f"{where}, line 1: {unknown_name('column', clipped(column), known)}")
            unread.append(clipped(column))
    return columns, unread


def _cells(text: str, delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that is not blank, with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UsageError(f"{where}, line {reader.line_num}: not CSV: {clipped(str(error))}") from None


def _delimiter(text: str) -> str:
    """Comma, semicolon (which spreadsheets write where commas are decimal marks) or tab, whichever line 1 has most."""
    first = text.lstrip().partition("\n")[0]
    return max(",;\t", key=first.count)
