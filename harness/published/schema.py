"""Makes a PublishedTable from its fields: says which fields there are, and refuses those that contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import UsageError, unknown_name
from harness.published.fields import (
    REQUIRED,
    Reader,
    clipped,
    count,
    label,
    mapping,
    natural,
    one_of,
    optional_text,
    positive,
    quoted,
    read_fields,
    text,
)
from harness.published.printed import read_number
from harness.published.table import MEAN, METRICS, NOT_STATED, VARIES, PublishedTable, Row, SplitCounts
from harness.trials.trial import UNUSED


def _scale(value: Any) -> int:
    if str(value) not in ("1", "100"):
        raise ValueError("1, or 100 for a table in percent")
    return int(value)


def _size(value: Any) -> str:
    return value if value in (VARIES, NOT_STATED) else str(natural(value))


def _metrics(value: Any) -> tuple[str, ...]:
    if not (isinstance(value, list) and value and all(isinstance(name, str) for name in value)):
        raise ValueError(f"a list of some of {', '.join(METRICS)}")
    for name in value:
        if name not in METRICS:
            raise ValueError(f"metrics that are known here: {unknown_name('metric', name, METRICS)}")
    return tuple(dict.fromkeys(value))


_SETTING = one_of("one-class", "multi-class", VARIES, NOT_STATED)

_SCALARS: Mapping[str, tuple[Reader, Any]] = {
    "title": (text, REQUIRED),
    "source": (text, REQUIRED),
    "read": (one_of("first hand", "second hand", NOT_STATED), REQUIRED),
    "read_in": (text, REQUIRED),
    "dataset": (text, REQUIRED),
    "track": (one_of("normal-only", "oracle", "none", NOT_STATED), REQUIRED),
    "licence": (optional_text, ""),
    "note": (optional_text, ""),
    "scale": (_scale, 1),
    "digits": (natural, None),
}
_PROTOCOL: Mapping[str, tuple[Reader, Any]] = {
    "setting": (_SETTING, REQUIRED),
    "image_size": (_size, REQUIRED),
    "backbone": (text, REQUIRED),
    "threshold": (text, NOT_STATED),
    "pool": (text, NOT_STATED),
    "batch_size": (natural, None),
    "learning_rate": (positive, None),
    "shots": (natural, 0),
}
_SPLIT: Mapping[str, tuple[Reader, Any]] = {
    "train": (natural, None),
    "normal": (natural, REQUIRED),
    "abnormal": (natural, REQUIRED),
}
_ROW: Mapping[str, tuple[Reader, Any]] = {
    "category": (text, REQUIRED),
    "model": (text, REQUIRED),
    "encoder": (text, UNUSED),
    "loss": (text, UNUSED),
    "setting": (_SETTING, None),
    "image_size": (_size, None),
    "threshold": (text, None),
    "pool": (text, None),
    "weights": (optional_text, ""),
    "epochs": (label, ""),
    "batch_size": (natural, None),
    "learning_rate": (positive, None),
    "shots": (natural, None),
    "seed": (label, ""),
    "source": (optional_text, ""),
    "note": (optional_text, ""),
    "n_normal": (natural, None),
    "n_abnormal": (natural, None),
    "right_normal": (count, None),
    "right_abnormal": (count, None),
    "over": (natural, None),
}
ROW_FIELDS = (*_ROW, *METRICS)
_BLANK = ("", UNUSED)

Lookup = Callable[[str], Mapping[str, SplitCounts]]
"""From the name of a data set to the counts of its categories; empty where they are not known."""


def build(
    name: str, given: Mapping[str, Any], where: str, lookup: Lookup, unread: Sequence[str] = ()
) -> PublishedTable:
    """A table from the fields of its TOML, or from a CSV's columns in the same form. Raises UsageError."""
    nested: dict[str, tuple[Reader, Any]] = {
        "metrics": (_metrics, REQUIRED),
        "protocol": (mapping, REQUIRED),
        "splits": (mapping, {}),
        "rows": (_rows, REQUIRED),
    }
    fields = read_fields(given, {**_SCALARS, **nested}, where)
    protocol = read_fields(fields.pop("protocol"), _PROTOCOL, f"{where}, protocol")
    splits = {}
    for category, split in fields.pop("splits").items():
        at = f"{where}, splits.{clipped(category)}"
        splits[category] = SplitCounts(**read_fields(_table(split, at), _SPLIT, at))
    scale, digits, placed = fields.pop("scale"), fields.pop("digits"), fields.pop("rows")
    known = {**lookup(fields["dataset"]), **splits}
    rows = []
    seen: dict[tuple[str, ...], str] = {}
    without_numbers = 0
    for place, cells in placed:
        row = _row(place, cells, fields["metrics"], protocol, known, digits, scale, f"{where}, {place}")
        key = (*row.method, row.category)
        if key in seen:
            raise UsageError(f"{where}, {place}: {row.title} on {row.category} is there already, in {seen[key]}")
        seen[key] = place
        if row.values:
            rows.append(row)
        else:
            without_numbers += 1
    means = tuple(row for row in rows if row.category == MEAN)
    table = PublishedTable(
        name=name,
        **fields,
        **{field: protocol[field] for field in ("setting", "image_size", "backbone", "threshold", "pool")},
        splits=splits,
        rows=tuple(row for row in rows if row.category != MEAN),
        means=means,
        unread=tuple(unread),
        without_numbers=without_numbers,
    )
    _refuse_impossible_means(table, where)
    return table


def _rows(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Rows with their places in the file; rows of a CSV have them already."""
    if not (isinstance(value, list) and value):
        raise ValueError("a list with at least one row")
    return [item if isinstance(item, tuple) else (f"row {i}", item) for i, item in enumerate(value, start=1)]


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} holds {quoted(value)}, expected fields such as category = 'bottle'")
    return value


def _row(
    place: str,
    cells: Any,
    metrics: Sequence[str],
    protocol: Mapping[str, Any],
    known: Mapping[str, SplitCounts],
    digits: int | None,
    scale: int,
    where: str,
) -> Row:
    spec = {**_ROW, **dict.fromkeys(metrics, (_cell, REQUIRED))}
    fields = read_fields(_table(cells, where), spec, where)
    values = {}
    for metric in metrics:
        cell = fields.pop(metric)
        if cell not in _BLANK:
            try:
                values[metric] = read_number(cell, digits, scale)
            except ValueError as error:
                raise UsageError(f"{where}: {metric} is {quoted(cell)}, expected {error}") from None
    sizes = _together(fields, "n_normal", "n_abnormal", where)
    right = _together(fields, "right_normal", "right_abnormal", where)
    for name in ("setting", "image_size", "threshold", "pool", "batch_size", "learning_rate", "shots"):
        fields[name] = protocol[name] if fields[name] is None else fields[name]
        if fields[name] == VARIES:
            raise UsageError(f"{where}: {name!r} is missing, which the protocol leaves to each row")
    size = fields.pop("image_size")
    counts = SplitCounts(*sizes) if sizes else known.get(fields["category"])
    if right and (counts is None or right[0] > counts.normal or right[1] > counts.abnormal):
        of = f"{counts.normal} and {counts.abnormal}" if counts else "nobody knows how many"
        raise UsageError(f"{where}: right_normal and right_abnormal are {right[0]} and {right[1]} of {of} images")
    return Row(
        place=place,
        **fields,
        image_size=int(size) if size.isdigit() else None,
        values=values,
        counts=counts,
        right=right,
    )


def _together(fields: dict[str, Any], first: str, second: str, where: str) -> tuple[int, int] | None:
    """Two numbers that must be given together; None if neither is."""
    values = fields.pop(first), fields.pop(second)
    if (values[0] is None) != (values[1] is None):
        raise UsageError(f"{where}: {first} and {second} come together, one of them is missing")
    return None if values[0] is None else values


def _cell(value: Any) -> str:
    """A number as it was typed. It is text or a whole number, because other numbers of TOML are kept as text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a number, or '' where there is none")
    return str(value).strip()


def _refuse_impossible_means(table: PublishedTable, where: str) -> None:
    sizes: dict[tuple[str, ...], int] = {}
    for row in table.rows:
        sizes[row.method] = sizes.get(row.method, 0) + 1
    for mean in table.means:
        found = sizes.get(mean.method, 0)
        if not found and not mean.over:  # over so many categories it stands alone, and nothing can be checked
            raise UsageError(f"{where}, {mean.place}: mean of {mean.title}, of which there is no row")
        if mean.over is not None and mean.over < found:
            raise UsageError(f"{where}, {mean.place}: over is {mean.over}, but {mean.title} has {found} rows")
