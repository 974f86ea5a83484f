"""What people call the folders of good parts, of bad ones and of masks, where no published layout says it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

GOOD_NAMES = ("good", "ok", "okay", "normal", "pass", "passed", "nominal", "defect_free", "defect-free", "io", "0")
"""Folders of normal images, in lower case."""

BAD_NAMES = (
    *("bad", "ng", "nok", "nio", "not_ok", "not ok", "defect", "defects", "defective", "faulty", "fault", "broken"),
    *(
        "anomaly",
        "anomalies",
        "anomalous",
        "abnormal",
        "reject",
        "rejects",
        "rejected",
        "fail",
        "failed",
        "broken",
        "1",
    ),
)
"""Folders of defective images, in lower case."""

MASK_NAMES = ("ground_truth", "ground truth", "groundtruth", "masks", "mask", "gt", "labels")
"""Folders of masks, in lower case."""


def means_good(name: str) -> bool:
    """Whether a folder of this name holds normal images: `Good`, `OK `, `normal`, `0`."""
    return name.strip().lower() in GOOD_NAMES


def means_bad(name: str) -> bool:
    """Whether a folder of this name holds defective images of any kind: `Bad`, `NG`, `defects`."""
    return name.strip().lower() in BAD_NAMES


def means_masks(name: str) -> bool:
    """Whether a folder of this name holds masks, which are no photos."""
    return name.strip().lower() in MASK_NAMES


def folder_called(name: str, among: Iterable[Path]) -> Path | None:
    """The folder of this name; else one that differs in case or blanks only; None where there is none."""
    near = None
    for folder in among:
        if folder.name == name:
            return folder
        if folder.name.strip().lower() == name.strip().lower():
            near = near or folder
    return near
