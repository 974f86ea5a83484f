"""KolektorSDD2, in which each image lies beside its mask, and a mask that marks something makes it defective."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from harness import GOOD, Archive, DataError, PassedOver, list_images, path_text
from harness_datasets.files import Category, Item
from harness_datasets.folders import FileDataset, is_folder
from harness_datasets.parallel import on_all_cores

COUNTS = (2085, 894, 110)
"""Normal training, normal test and defective test images (Božič, Tabernik and Skočaj, Table 1)."""
_MASK = "_gt"


class KolektorSdd2(FileDataset):
    """KolektorSDD2: one surface with masks; its defective training images are left out."""

    name = "kolektor_sdd2"
    licence = "CC-BY-NC-SA-4.0"
    source = "Božič, Tabernik and Skočaj, Computers in Industry 129 (2021) 103459, doi:10.1016/j.compind.2021.103459"
    homepage = "https://www.vicos.si/resources/kolektorsdd2/"
    archive = Archive(
        "https://data.vicos.si/datasets/KSDD/KolektorSDD2.zip",
        "edcdb486809b24f1d17b785e30c52fafc5999554dd5fe18ddf77b61ceb6f36a8",
        853_126_555,
    )
    layout = "train/10000.png and 10000_GT.png, test/20000.png and 20000_GT.png"
    official = ("kolektor_sdd2",)

    def find(self, root: Path) -> Mapping[str, Path]:
        """The root itself where its two folders hold images with masks beside them."""
        there = all(is_folder(root / split) and any((root / split).glob("*_GT.png")) for split in ("train", "test"))
        return {self.official[0]: root} if there else {}

    def _category(self, name: str, folder: Path) -> Category:
        train, passed_over = _listed(folder / "train")
        test, more = _listed(folder / "test")
        passed_over += more
        left_out = [item for item in train if item.defect != GOOD]
        why = "defective, and models learn from normal images alone"
        passed_over += [PassedOver(item.image, why) for item in left_out]
        fitted = [item for item in train if item.defect == GOOD]
        defective = sum(item.defect != GOOD for item in test)
        here = (len(fitted), len(test) - defective, defective)
        kinds = ("training", "good test", "defective test")
        different = [
            f"{n} of {all_} {kind} images" for n, all_, kind in zip(here, COUNTS, kinds, strict=True) if n != all_
        ]
        category = Category(folder, tuple(fitted), tuple(test), passed_over=tuple(passed_over))
        return dataclasses.replace(category, incomplete=f"{name} has {', '.join(different)}" if different else "")


def _listed(folder: Path) -> tuple[list[Item], list[PassedOver]]:
    """The images of a folder, good where their mask is black. Raises DataError for an image without a mask."""
    listing = list_images(folder)
    masks = {file.stem.lower(): file for file in listing.images if file.stem.lower().endswith(_MASK)}
    images = [file for file in listing.images if file.stem.lower() not in masks]
    for image in images:
        if image.stem.lower() + _MASK not in masks:
            raise DataError(f"{path_text(image)} has no mask: expected {image.stem}_GT.png beside it")
    pairs = [(image, masks[image.stem.lower() + _MASK]) for image in images]
    marked = on_all_cores(lambda index: _marks(pairs[index][1]), len(pairs))
    items = [
        Item(image, "defect", (mask,)) if marks else Item(image)
        for (image, mask), marks in zip(pairs, marked, strict=True)
    ]
    return items, list(listing.passed_over)


def _marks(mask: Path) -> bool:
    """Whether a mask has anything but black. Raises DataError."""
    from PIL import Image

    try:
        with Image.open(mask) as opened:
            return opened.convert("L").getbbox() is not None
    except Exception as error:  # Pillow raises many kinds
        raise DataError(f"{path_text(mask)} is not a mask: {error}") from error
