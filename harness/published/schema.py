"""What a published table holds, and how its fields are read. Every fault is one line that names file, row and field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from harness.errors import UsageError, unknown
from harness.published.printed import Printed, read_number
from harness.trial import UNUSED

NOT_STATED = "not stated"
"""What a field says that the source leaves open."""
VARIES = "by row"
"""What the protocol says where its rows differ and each says its own."""
MEAN = "mean"
"""The category of a row that is a printed mean over categories."""

RATES = ("normal_rate", "abnormal_rate")
DECIDED = ("accuracy", "balanced_accuracy", "f1")
"""Metrics that follow from the two rates and the counts."""
METRICS = (
    *RATES,
    *DECIDED,
    "auroc",
    "average_precision",
    "pixel_auroc",
    "pixel_average_precision",
    "aupro_0.30",
)
"""All in [0, 1], higher is better; spelt as in our own verdicts."""


@dataclass(frozen=True)
class SplitCounts:
    """Images of one category's split."""

    normal: int
    """In the test set, as the next."""
    abnormal: int
    train: int | None = None
    """None where nobody said."""


@dataclass(frozen=True)
class Row:
    """One method on one category, or its mean over categories; parts are spelt as ours, `-` on an axis not used."""

    place: str
    """Where in its file: `row 7` or `line 8`."""
    category: str
    model: str
    encoder: str
    loss: str
    setting: str
    """one-class, multi-class or not stated; like the next four the row's own, or else its protocol's."""
    image_size: int | None
    threshold: str
    pool: str
    weights: str
    epochs: str
    seed: str
    source: str
    """Where this row was read, in a table from several documents."""
    note: str
    values: Mapping[str, Printed]
    """By metric; one that the table leaves blank is not there."""
    counts: SplitCounts | None
    right: tuple[int, int] | None = None
    """Of these, how many normal and abnormal images were rightly called, where the source says it."""
    over: int | None = None
    """Of a mean: over how many categories; None for those of the table."""

    @property
    def method(self) -> tuple[str, ...]:
        """What must be equal for two rows to be one method, and for its mean to be over them."""
        return (
            self.model,
            self.encoder,
            self.loss,
            self.setting,
            str(self.image_size),
            self.threshold,
            self.pool,
            self.weights,
            self.epochs,
            self.seed,
            self.source,
        )

    @property
    def title(self) -> str:
        """`dae + conv + mse`."""
        return " + ".join(part for part in (self.model, self.encoder, self.loss) if part != UNUSED)


@dataclass(frozen=True)
class PublishedTable:
    """Numbers of one source, with what is needed to judge and to compare them."""

    name: str
    title: str
    source: str
    """The publication."""
    read: str
    """first hand, second hand or not stated."""
    read_in: str
    """The document that was in front of who typed it."""
    dataset: str
    track: str
    """How limits were set: normal-only, oracle, none (no metric needs one) or not stated."""
    setting: str
    image_size: str
    """In pixels, `by row` or `not stated`, as the next."""
    backbone: str
    threshold: str
    pool: str
    licence: str
    note: str
    metrics: tuple[str, ...]
    splits: Mapping[str, SplitCounts]
    """By category."""
    rows: tuple[Row, ...]
    means: tuple[Row, ...]
    """Rows whose category is `mean`."""
    unread: tuple[str, ...] = ()
    """Columns of a CSV that mean nothing here."""
    without_numbers: int = 0
    """Rows that were left out because all their metrics are blank."""


Reader = Callable[[Any], Any]
_REQUIRED = object()


def _text(value: Any) -> str:
    if not (isinstance(value, str) and 0 < len(value.strip()) <= 2000 and value.isprintable()):
        raise ValueError("one line of text")
    return value.strip()


def _optional_text(value: Any) -> str:
    return _text(value) if value != "" else ""


def _label(value: Any) -> str:
    return str(value) if type(value) is int else _optional_text(value)


def _natural(value: Any) -> int:
    text = str(value) if type(value) is int else value
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ValueError("a whole number from 1")
    return int(text)


def _count(value: Any) -> int:
    return 0 if value in (0, "0") and value is not False else _natural(value)


def _one_of(*choices: str) -> Reader:
    def read(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return read


def _scale(value: Any) -> int:
    if str(value) not in ("1", "100"):
        raise ValueError("1, or 100 for a table in percent")
    return int(value)


def _size(value: Any) -> str:
    return value if value in (VARIES, NOT_STATED) else str(_natural(value))


def _metrics(value: Any) -> tuple[str, ...]:
    if not (isinstance(value, list) and value and all(isinstance(name, str) for name in value)):
        raise ValueError(f"a list of some of {', '.join(METRICS)}")
    for name in value:
        if name not in METRICS:
            raise ValueError(f"metrics that are known here: {unknown('metric', name, METRICS)}")
    return tuple(dict.fromkeys(value))


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


_SETTING = _one_of("one-class", "multi-class", VARIES, NOT_STATED)

_SCALARS: Mapping[str, tuple[Reader, Any]] = {
    "title": (_text, _REQUIRED),
    "source": (_text, _REQUIRED),
    "read": (_one_of("first hand", "second hand", NOT_STATED), _REQUIRED),
    "read_in": (_text, _REQUIRED),
    "dataset": (_text, _REQUIRED),
    "track": (_one_of("normal-only", "oracle", "none", NOT_STATED), _REQUIRED),
    "licence": (_optional_text, ""),
    "note": (_optional_text, ""),
    "scale": (_scale, 1),
    "digits": (_natural, None),
}
_PROTOCOL: Mapping[str, tuple[Reader, Any]] = {
    "setting": (_SETTING, _REQUIRED),
    "image_size": (_size, _REQUIRED),
    "backbone": (_text, _REQUIRED),
    "threshold": (_text, NOT_STATED),
    "pool": (_text, NOT_STATED),
}
_SPLIT: Mapping[str, tuple[Reader, Any]] = {
    "train": (_natural, None),
    "normal": (_natural, _REQUIRED),
    "abnormal": (_natural, _REQUIRED),
}
_ROW: Mapping[str, tuple[Reader, Any]] = {
    "category": (_text, _REQUIRED),
    "model": (_text, _REQUIRED),
    "encoder": (_text, UNUSED),
    "loss": (_text, UNUSED),
    "setting": (_SETTING, None),
    "image_size": (_size, None),
    "threshold": (_text, None),
    "pool": (_text, None),
    "weights": (_optional_text, ""),
    "epochs": (_label, ""),
    "seed": (_label, ""),
    "source": (_optional_text, ""),
    "note": (_optional_text, ""),
    "n_normal": (_natural, None),
    "n_abnormal": (_natural, None),
    "right_normal": (_count, None),
    "right_abnormal": (_count, None),
    "over": (_natural, None),
}
ROW_FIELDS = (*_ROW, *METRICS)
_BLANK = ("", UNUSED)

Lookup = Callable[[str], Mapping[str, SplitCounts]]
"""A data set's name to the counts of its categories, empty where they are not known."""


def build(
    name: str, given: Mapping[str, Any], where: str, lookup: Lookup, unread: Sequence[str] = ()
) -> PublishedTable:
    """A table from the fields of its TOML, or from a CSV's columns in the same form. Raises UsageError."""
    nested: dict[str, tuple[Reader, Any]] = {
        "metrics": (_metrics, _REQUIRED),
        "protocol": (_mapping, _REQUIRED),
        "splits": (_mapping, {}),
        "rows": (_rows, _REQUIRED),
    }
    fields = _read(given, {**_SCALARS, **nested}, where)
    protocol = _read(fields.pop("protocol"), _PROTOCOL, f"{where}, protocol")
    splits = {}
    for category, split in fields.pop("splits").items():
        at = f"{where}, splits.{clipped(category)}"
        splits[category] = SplitCounts(**_read(_table(split, at), _SPLIT, at))
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
        **protocol,
        splits=splits,
        rows=tuple(row for row in rows if row.category != MEAN),
        means=means,
        unread=tuple(unread),
        without_numbers=without_numbers,
    )
    _refuse_impossible_means(table, where)
    return table


def _rows(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Rows with their places; a CSV's come with theirs."""
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
    spec = {**_ROW, **dict.fromkeys(metrics, (_cell, _REQUIRED))}
    fields = _read(_table(cells, where), spec, where)
    values = {}
    for metric in metrics:
        text = fields.pop(metric)
        if text not in _BLANK:
            try:
                values[metric] = read_number(text, digits, scale)
            except ValueError as error:
                raise UsageError(f"{where}: {metric} is {quoted(text)}, expected {error}") from None
    sizes = _together(fields, "n_normal", "n_abnormal", where)
    right = _together(fields, "right_normal", "right_abnormal", where)
    for name in ("setting", "image_size", "threshold", "pool"):
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
    """Two numbers that make sense only together; None without them."""
    values = fields.pop(first), fields.pop(second)
    if (values[0] is None) != (values[1] is None):
        raise UsageError(f"{where}: {first} and {second} come together, one of them is missing")
    return None if values[0] is None else values


def _cell(value: Any) -> str:
    """A number as it was typed: text, or a whole number (TOML's other numbers arrive as text)."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a number, or '' where there is none")
    return str(value).strip()


def _refuse_impossible_means(table: PublishedTable, where: str) -> None:
    sizes: dict[tuple[str, ...], int] = {}
    for row in table.rows:
        sizes[row.method] = sizes.get(row.method, 0) + 1
    for mean in table.means:
        found = sizes.get(mean.method, 0)
        if not found:
            raise UsageError(f"{where}, {mean.place}: mean of {mean.title}, of which there is no row")
        if mean.over is not None and mean.over < found:
            raise UsageError(f"{where}, {mean.place}: over is {mean.over}, but {mean.title} has {found} rows")


def _read(given: Mapping[str, Any], spec: Mapping[str, tuple[Reader, Any]], where: str) -> dict[str, Any]:
    """Every field of `spec`, read or defaulted. Raises UsageError."""
    for field in given:
        if field not in spec:
            raise UsageError(f"{where}: {unknown('field', clipped(field), spec)}")
    fields = {}
    for field, (read, default) in spec.items():
        if field not in given:
            if default is _REQUIRED:
                raise UsageError(f"{where}: {field!r} is missing")
            fields[field] = default
            continue
        try:
            fields[field] = read(given[field])
        except ValueError as error:
            raise UsageError(f"{where}: {field} is {quoted(given[field])}, expected {error}") from None
    return fields


def quoted(value: Any) -> str:
    """A value as an error shows it, on one line and not longer than that."""
    return clipped(repr(value))


def clipped(text: str) -> str:
    """At most 60 characters, all printable."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def misspelt(name: str, known: Iterable[str]) -> bool:
    """Whether a name is so near to a known one that it must be meant."""
    return bool(get_close_matches(name, known, n=1, cutoff=0.85))
