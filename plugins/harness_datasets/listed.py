"""Rows of a table or description that say what images are: read with care, and named by their line when wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from harness import GOOD, DataError, path_text
from harness_datasets.names import means_bad, means_good


@dataclass(frozen=True)
class Row:
    """One row, and what to call it in errors, such as `parts.csv, line 7`."""

    where: str
    values: Mapping[str, Any]

    def text(self, column: str) -> str:
        """A cell as text without blanks around it; empty where there is none."""
        value = self.values.get(column)
        if value is None or value != value:  # pandas has nan for an empty cell
            return ""
        return str(value).strip()

    def wrong(self, reason: str) -> DataError:
        """The error that names this row."""
        return DataError(f"{self.where}: {reason}")

    def one_of(self, column: str, known: Iterable[str]) -> str:
        """A cell in lower case that is one of these words. Raises DataError."""
        value = self.text(column).lower()
        if value not in known:
            raise self.wrong(f"{column} is {self.text(column)!r:.60}, expected {', '.join(known)}")
        return value

    def path_below(self, folder: Path, column: str) -> Path | None:
        """The file that a cell names, below a folder; None for an empty cell. Raises DataError where it leads out."""
        text = self.text(column)
        if not text:
            return None
        if "\0" in text:
            raise self.wrong(f"{column} is {text!r:.60}, expected the path of a file")
        parts = PurePosixPath(text.replace("\\", "/")).parts
        if PureWindowsPath(text).is_absolute() or PureWindowsPath(text).drive or text.startswith("/") or ".." in parts:
            raise self.wrong(f"{column} is {text!r:.60}, expected a path below {path_text(folder)!r}")
        return folder / text if os.path.exists(folder / text) else folder.joinpath(*parts)  # noqa: PTH110  no error for odd names

    def defect(self) -> str:
        """The kind in `defect`, else what `label` says: `good`, or else its own word. Raises DataError."""
        label, kind = self.text("label"), self.text("defect")
        if not label:
            raise self.wrong("label is empty, expected good or anomalous, or the kind of defect")
        if means_good(label):
            if kind and not means_good(kind):
                raise self.wrong(f"label is {label!r:.60} and defect {kind!r:.60}: expected no defect for a good image")
            return GOOD
        if kind and not means_good(kind):
            return path_text(kind)
        return "defective" if means_bad(label) else path_text(label)
