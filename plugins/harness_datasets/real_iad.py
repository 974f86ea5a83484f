"""Real-IAD, in which a JSON file for each category says what each image is."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from harness import GOOD, DataError, path_text
from harness_datasets.files import Category, Item
from harness_datasets.folders import FileDataset, is_folder
from harness_datasets.listed import Row

KINDS = {
    "AK": "pit",
    "BX": "deformation",
    "CH": "abrasion",
    "HS": "scratch",
    "PS": "damage",
    "QS": "missing_parts",
    "YW": "foreign_objects",
    "ZW": "contamination",
}
"""What the codes of the files mean, as the data set's page has it."""
_RESOLUTIONS = ("realiad_1024", "realiad_512", "realiad_256", "realiad")


@dataclasses.dataclass
class RealIad(FileDataset):
    """Real-IAD: thirty objects from five sides each, with masks; training images are normal."""

    name = "real_iad"
    licence = "CC-BY-NC-SA-4.0"
    source = "Wang et al., CVPR 2024, arXiv:2403.12580"
    homepage = "https://realiad4ad.github.io/Real-IAD/"
    layout = (
        "realiad_jsons/realiad_jsons/<category>.json, realiad_1024/<category>/OK/S0001/*.jpg and "
        "realiad_1024/<category>/NG/<kind>/S0001/*.jpg with their *.png masks"
    )
    official = (
        *("audiojack", "bottle_cap", "button_battery", "end_cap", "eraser", "fire_hood", "mint", "mounts", "pcb"),
        *("phone_battery", "plastic_nut", "plastic_plug", "porcelain_doll", "regulator", "rolled_strip_base"),
        *("sim_card_set", "switch", "tape", "terminalblock", "toothbrush", "toy", "toy_brick", "transistor1"),
        *("u_block", "usb", "usb_adaptor", "vcpill", "wooden_beads", "woodstick", "zipper"),
    )

    split: str = "realiad_jsons"
    """The folder in `realiad_jsons` that says which images are for training: all sides, or realiad_jsons_sv for one."""
    images: str = ""
    """The folder of the images, such as realiad_512; by default the largest that is there."""

    def find(self, root: Path) -> Mapping[str, Path]:
        """The categories with a description and a folder of images."""
        folder = self._images(root)
        if folder is None:
            return {}
        described = self._descriptions(root)
        return {
            name: folder
            for name in self.official
            if (described / f"{name}.json").is_file() and is_folder(folder / name)
        }

    def _images(self, root: Path) -> Path | None:
        names = (self.images,) if self.images else _RESOLUTIONS
        return next((root / name for name in names if is_folder(root / name)), None)

    def _descriptions(self, root: Path) -> Path:
        nested = root / "realiad_jsons" / self.split
        return nested if is_folder(nested) else root / self.split

    def _category(self, name: str, folder: Path) -> Category:
        file = self._descriptions(folder.parent) / f"{name}.json"
        listed = {split: _items(file, folder, name, split) for split in ("train", "test")}
        there = os.path.exists  # which, unlike that of Path, raises nothing for odd names
        here = {split: tuple(item for item in items if there(item.image)) for split, items in listed.items()}
        different = [
            f"{len(here[split])} of {len(listed[split])} {kind} images"
            for split, kind in (("train", "training"), ("test", "test"))
            if len(here[split]) != len(listed[split])
        ]
        incomplete = f"{name} has {', '.join(different)}" if different else ""
        return Category(folder / name, here["train"], here["test"], incomplete, label=self.split)


def _items(file: Path, folder: Path, name: str, split: str) -> list[Item]:
    """The images that a description lists for a split, in the order of paths. Raises DataError."""
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path_text(file)} cannot be read: {error}") from error
    rows = described.get(split) if isinstance(described, dict) else None
    if not isinstance(rows, list):
        raise DataError(f"{path_text(file)} has no list {split!r}: expected train and test, an entry for each image")
    items = []
    for number, values in enumerate(rows, 1):
        row = Row(f"{path_text(file)}, {split} {number}", values if isinstance(values, dict) else {})
        image, mask = row.path_below(folder / name, "image_path"), row.path_below(folder / name, "mask_path")
        kind = row.text("anomaly_class")
        if image is None or not kind:
            raise row.wrong("expected an entry with image_path and anomaly_class")
        if split == "train" and kind != "OK":
            raise row.wrong(f"anomaly_class is {kind!r:.60}, expected OK: models learn from normal images alone")
        defect = GOOD if kind == "OK" else KINDS.get(kind, path_text(kind))
        items.append(Item(image, defect, (mask,) if mask is not None and defect != GOOD else ()))
    return sorted(items, key=lambda item: item.image)
