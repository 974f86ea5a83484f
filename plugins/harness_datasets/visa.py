"""VisA, in which a CSV table says what each image is."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness import GOOD, Archive, DataError, path_text
from harness_datasets.files import Category, Item
from harness_datasets.folders import FileDataset, FolderDataset

COLUMNS = ("object", "split", "label", "image", "mask")
TABLE = "split_csv/1cls.csv"


class Visa(FileDataset):
    """VisA: twelve objects with masks, split as its own table for one-class training says."""

    name = "visa"
    licence = "CC-BY-4.0"
    source = "Zou, Jeong, Pemula, Zhang and Dabeer, ECCV 2022, arXiv:2207.14315"
    homepage = "https://github.com/amazon-science/spot-diff"
    archive = Archive(
        "https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar",
        "2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362",
        1_929_840_640,
    )
    layout = f"{TABLE}, <category>/Data/Images/Normal and Anomaly/0000.JPG, <category>/Data/Masks/Anomaly/0000.png"

    official = (
        *("candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2", "pcb1", "pcb2", "pcb3"),
        *("pcb4", "pipe_fryum"),
    )

    def find(self, root: Path) -> Mapping[str, Path]:
        """The objects of the table that have a folder."""
        if not (root / TABLE).is_file():
            return {}
        return {name: root / name for name in sorted({row["object"] for row in _rows(root)}) if (root / name).is_dir()}

    def advice(self, root: Path) -> str:
        """Points at `folder` for images that the authors' script has sorted into train and test."""
        if FolderDataset().find(root):
            return "it looks like --dataset folder"
        return super().advice(root)

    def _category(self, name: str, folder: Path) -> Category:
        listed: dict[str, list[Item]] = {"train": [], "test": []}
        for row in _rows(folder.parent):
            if row["object"] == name:
                defect = GOOD if row["label"] == "normal" else row["label"]
                masks = (folder.parent / row["mask"],) if row["mask"] else ()
                listed[row["split"]].append(Item(folder.parent / row["image"], defect, masks))
        here = {
            split: tuple(sorted((item for item in items if item.image.exists()), key=lambda item: item.image))
            for split, items in listed.items()
        }
        different = [
            f"{len(here[split])} of {len(listed[split])} {kind} images"
            for split, kind in (("train", "training"), ("test", "test"))
            if len(here[split]) != len(listed[split])
        ]
        incomplete = f"{name} has {', '.join(different)}" if different else ""
        return Category(folder, here["train"], here["test"], incomplete)


def _rows(root: Path) -> list[dict[str, str]]:
    """The table's rows. Raises DataError with the line that is wrong."""
    table = root / TABLE
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path_text(table)} cannot be read: {error}") from error
    for line, row in enumerate(rows, start=2):
        if any(row.get(column) is None for column in COLUMNS):
            raise DataError(f"{path_text(table)}, line {line}: expected the columns {', '.join(COLUMNS)}")
        if (row["split"], row["label"]) not in {("train", "normal"), ("test", "normal"), ("test", "anomaly")}:
            raise DataError(
                f"{path_text(table)}, line {line}: split {row['split']!r} with label {row['label']!r}, "
                "expected train or test, with normal or, in test, anomaly"
            )
        for path in (row["image"], row["mask"]):
            parts = PurePosixPath(path).parts
            if parts and (parts[0] != row["object"] or ".." in parts):
                raise DataError(f"{path_text(table)}, line {line}: {path!r} is not in folder {row['object']!r}")
    return rows
