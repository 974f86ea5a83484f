"""What a data set holds, and what a person should know of its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.api import GOOD, Dataset, Finding, Split
from harness.report.audit import finding_line
from harness.report.table import Document, Table


def data_document(
    dataset: Dataset,
    here: Sequence[str],
    splits: Mapping[str, tuple[Split, tuple[Finding, ...]]],
    faults: Mapping[str, str],
) -> Document:
    """One row a category, and a line for each finding; `faults` are those that could not be loaded, with the reason.

    `here` are all categories whose files are there, whether they were looked at or not.
    """
    rows = [_row(category, *looked_at) for category, looked_at in splits.items()]
    rows += [{"category": category, "fault": reason} for category, reason in faults.items()]
    columns: tuple[str, ...] = (
        "category",
        "train",
        "calibration",
        "test_good",
        "test_defective",
        "defects",
        "masks",
        "sizes",
    )
    columns += ("incomplete", "findings", "fingerprint", "fault")
    rows = [{"dataset": dataset.name, "licence": dataset.licence, **row} for row in rows]
    shown = [column for column in columns if any(row.get(column) for row in rows)]
    table = Table(
        title=f"{dataset.name} · licence {dataset.licence or 'not given'}",
        headings=[column.removeprefix("test_") for column in shown],
        rows=[[_cell(row.get(column)) for column in shown] for row in rows],
        numbers=frozenset({"train", "calibration", "good", "defective", "masks"}),
        folding=frozenset({"defects", "sizes", "incomplete", "findings", "fault"}),
        droppable=["fingerprint", "sizes", "defects"],
        notes=[*_missing(dataset, here), *([f"Homepage: {dataset.homepage}"] if dataset.homepage else [])],
    )
    found = [finding_line(category, finding) for category, (_, findings) in splits.items() for finding in findings]
    return Document(lambda: [table], lambda: rows, ("dataset", "licence", *columns), [found] if found else [])


def _missing(dataset: Dataset, here: Sequence[str]) -> list[str]:
    """Which of the published categories are not here, in a sentence; nothing where all are, or nobody knows."""
    missing = [name for name in dataset.official if name not in here]
    if not missing:
        return []
    count = len(dataset.official) - len(missing)
    return [f"{count} of {len(dataset.official)} categories are here. Not here: {', '.join(missing)}."]


def _row(category: str, split: Split, findings: Sequence[Finding]) -> dict[str, Any]:
    kinds = Counter(kind for kind in split.test.defects if kind != GOOD)
    masks = split.test.masks
    return {
        "category": category,
        "train": len(split.train),
        "calibration": 0 if split.calibration is None else len(split.calibration),
        "test_good": int((~split.test.labels).sum()),
        "test_defective": int(split.test.labels.sum()),
        "defects": dict(sorted(kinds.items())),
        "masks": 0 if masks is None else int(masks.any(axis=(1, 2)).sum()),
        "sizes": ", ".join(split.sizes),
        "incomplete": split.incomplete,
        "findings": [asdict(finding) for finding in findings],
        "fingerprint": split.fingerprint,
    }


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{one['name']} (grave)" if one["grave"] else one["name"] for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return "" if value is None else str(value)
