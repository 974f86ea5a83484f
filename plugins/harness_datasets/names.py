"""What people call the folder of good parts and the mask of an image, where no published layout says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

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

_ENDINGS = ("", "_mask", "-mask", "_gt", "_groundtruth", "_ground_truth", "_label", "_seg")
"""What may follow an image's name in the name of its mask, in lower case; the first that is there is taken."""

Masks = Mapping[str, tuple[Path, ...]]
"""Mask files by their name below the folder of masks, without suffix, in lower case."""


def means_good(name: str) -> bool:
    """Whether a folder of this name holds normal images: `Good`, `OK `, `normal`, `0`."""
    return name.strip().lower() in GOOD_NAMES


def means_bad(name: str) -> bool:
    """Whether a folder of this name holds defective images of any kind: `Bad`, `NG`, `defects`."""
    return name.strip().lower() in BAD_NAMES


def means_masks(name: str) -> bool:
    """Whether a folder of this name holds masks, which are no photos."""
    return name.strip().lower() in MASK_NAMES


def masks_by_name(folder: Path, files: Iterable[Path]) -> Masks:
    """The mask files of one folder by name; those in a folder that is called as an image are all that image's."""
    found: dict[str, tuple[Path, ...]] = {}
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix().lower()
        found[name] = (file,)
        parent = PurePosixPath(name).parent.as_posix()
        if parent != ".":
            found[parent] = (*found.get(parent, ()), file)
    return found


def masks_of(image: PurePosixPath, masks: Masks) -> tuple[Path, ...]:
    """The masks of an image, named below its folder; empty where it has none. Upper and lower case are one."""
    name = image.with_suffix("").as_posix().lower()
    for ending in ("_mask", *_ENDINGS):
        if found := masks.get(name + ending):
            return found
    return ()


def folder_called(name: str, among: Iterable[Path]) -> Path | None:
    """The folder of this name; else one that differs in case or blanks only; None where there is none."""
    near = None
    for folder in among:
        if folder.name == name:
            return folder
        if folder.name.strip().lower() == name.strip().lower():
            near = near or folder
    return near
