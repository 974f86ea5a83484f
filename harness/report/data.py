"""What a data set holds, category by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.api import GOOD, Dataset, Split
from harness.report.table import Document, Table


def data_document(dataset: Dataset, splits: Mapping[str, Split], faults: Mapping[str, str]) -> Document:
    """One row for each category; `faults` are the reasons why others could not be loaded."""
    rows = [_row(category, split) for category, split in splits.items()]
    rows += [{"category": category, "fault": reason} for category, reason in faults.items()]
    columns: tuple[str, ...] = ("category", "train", "test_good", "test_defective", "defects", "masks", "sizes")
    columns += ("incomplete", "fingerprint", "fault")
    rows = [{"dataset": dataset.name, "licence": dataset.licence, **row} for row in rows]
    shown = [column for column in columns if any(row.get(column) for row in rows)]
    table = Table(
        title=f"{dataset.name} · licence {dataset.licence or 'not given'}",
        headings=[column.removeprefix("test_") for column in shown],
        rows=[[_cell(row.get(column)) for column in shown] for row in rows],
        numbers=frozenset({"train", "good", "defective", "masks"}),
        folding=frozenset({"defects", "sizes", "incomplete", "fault"}),
        notes=[f"Homepage: {dataset.homepage}"] if dataset.homepage else [],
    )
    return Document(lambda: [table], lambda: rows, ("dataset", "licence", *columns))


def _row(category: str, split: Split) -> dict[str, Any]:
    kinds = Counter(kind for kind in split.test.defects if kind != GOOD)
    masks = split.test.masks
    return {
        "category": category,
        "train": len(split.train),
        "test_good": int((~split.test.labels).sum()),
        "test_defective": int(split.test.labels.sum()),
        "defects": dict(sorted(kinds.items())),
        "masks": 0 if masks is None else int(masks.any(axis=(1, 2)).sum()),
        "sizes": ", ".join(split.sizes),
        "incomplete": split.incomplete,
        "fingerprint": split.fingerprint,
    }


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return "" if value is None else str(value)
