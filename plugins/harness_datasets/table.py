"""One's own images as a table lists them, so that nobody has to move files into folders."""

from __future__ import annotations

import csv
import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness import GOOD, DataError, path_text
from harness_datasets.files import Category, Item
from harness_datasets.folders import FileDataset, entries, is_folder
from harness_datasets.listed import Row

NEEDED = ("image", "label", "split")
SPLITS = ("train", "test", "calibration", "validation")
_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclasses.dataclass
class TableDataset(FileDataset):
    """One's own images, listed in a CSV or Parquet file with the columns image, label and split.

    Further columns are defect, mask and category. Paths are relative to the table's folder.
    """

    name = "table"
    preset = "own_images"
    licence = "NOASSERTION"
    source = "one's own images"
    layout = (
        "NAME.csv, with the columns image, label and split (train, test or calibration) and, if you have them, defect, "
        "mask and category; paths are relative to its folder"
    )

    file: str = ""
    """The table's name below the data root; by default the only one that lies there."""
    depth: int | None = None
    """Bits in use in 16-bit grey images, from 8 to 16; none finds out over the training images."""

    def __post_init__(self) -> None:
        if self.depth is not None and not 8 <= self.depth <= 16:
            raise ValueError(f"depth is {self.depth}: expected 8 to 16 bits, or none")

    def find(self, root: Path) -> Mapping[str, Path]:
        """The categories that the table names; without that column, one that is called as the table."""
        table = self._table(root)
        return {} if table is None else dict.fromkeys(self._rows(table), table.parent)

    def _category(self, name: str, folder: Path) -> Category:
        assert self.root is not None
        table = self._table(self.root)
        assert table is not None
        listed: dict[str, list[Item]] = {"train": [], "calibration": [], "test": []}
        for row in self._rows(table)[name]:
            split = row.one_of("split", SPLITS).replace("validation", "calibration")
            image, mask, defect = row.path_below(folder, "image"), row.path_below(folder, "mask"), row.defect()
            if image is None:
                raise row.wrong("image is empty, expected the path of a file")
            for file in (image, mask):
                if file is not None and not os.path.isfile(file):  # noqa: PTH113  which raises nothing for odd names
                    raise row.wrong(f"there is no file {path_text(file)!r}")
            if split != "test" and defect != GOOD:
                raise row.wrong(
                    f"a {defect!r} image in {split}: expected good ones alone, for models learn what is normal"
                )
            listed[split].append(Item(image, defect, (mask,) if mask and defect != GOOD else ()))
        train, calibration, test = (tuple(sorted(items, key=lambda item: item.image)) for items in listed.values())
        return Category(folder, train, test, calibration=calibration, label=f"{table.name} {name}")

    def _table(self, root: Path) -> Path | None:
        """The table; None where there is none. Raises DataError where there are several."""
        if self.file:
            return root / self.file if (root / self.file).is_file() else None
        found = [one for one in entries(root) if one.suffix.lower() in _SUFFIXES and not is_folder(one)]
        if len(found) > 1:
            names = ", ".join(path_text(one.name) for one in found[:5])
            raise DataError(
                f"{path_text(root)!r} has several tables ({names}): choose one, as in table[file={found[0].name}]"
            )
        return found[0] if found else None

    def _rows(self, table: Path) -> dict[str, list[Row]]:
        """Its rows by category. Raises DataError."""
        found: dict[str, list[Row]] = {}
        for row in _parquet(table) if table.suffix.lower() == ".parquet" else _csv(table):
            for column in NEEDED:
                if column not in row.values:
                    has = ", ".join(map(str, row.values)) or "none"
                    raise DataError(f"{path_text(table)} lacks the column {column!r}: it has {has:.200}")
            name = row.text("category") or path_text(table.stem)
            found.setdefault(path_text(name), []).append(row)
        if not found:
            raise DataError(f"{path_text(table)} has no rows: expected one for each image")
        return found


def _csv(table: Path) -> Iterator[Row]:
    """The rows of a table with commas, semicolons or tabs. Raises DataError."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=head.count)
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            reader.fieldnames = [_column(name) for name in reader.fieldnames or ()]
            if len(set(reader.fieldnames)) < len(reader.fieldnames):
                raise DataError(f"{path_text(table)} has a column twice: {', '.join(reader.fieldnames):.200}")
            for values in reader:
                row = Row(f"{path_text(table)}, line {reader.line_num}", values)
                if None in values or None in values.values():
                    n = len(reader.fieldnames)
                    raise row.wrong(f"it has {'more' if None in values else 'fewer'} cells than the {n} columns")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path_text(table)} cannot be read: {error}") from error


def _parquet(table: Path) -> Iterator[Row]:
    """The rows of a Parquet file, which pandas reads. Raises DataError."""
    try:
        import pandas

        frame = pandas.read_parquet(table)
    except ImportError as error:
        raise DataError(f"{path_text(table)} needs pandas and pyarrow (pip install pandas pyarrow): {error}") from error
    except Exception as error:  # of one of several libraries
        raise DataError(f"{path_text(table)} cannot be read: {' '.join(str(error).split()):.200}") from error
    frame.columns = [_column(str(name)) for name in frame.columns]
    for number, values in enumerate(frame.to_dict("records"), 1):
        yield Row(f"{path_text(table)}, row {number}", values)


def _column(name: str) -> str:
    return re.sub(r"\s+", "_", name.strip().lower())
