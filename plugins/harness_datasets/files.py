"""The files of one category, as a layout or a table lists them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness import GOOD, DataError, PassedOver, path_text


@dataclass(frozen=True)
class Item:
    """One image file, its defect kind, and the mask files whose union marks the defect."""

    image: Path
    defect: str = GOOD
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Category:
    """The files of one category; all train and calibration items are good."""

    folder: Path
    """Images are named relative to it."""
    train: tuple[Item, ...]
    test: tuple[Item, ...]
    incomplete: str = ""
    """As in Split."""
    passed_over: tuple[PassedOver, ...] = ()
    """What lies among the images and is not taken for one."""
    taken_as_good: tuple[Path, ...] = ()
    """Folders that are not called as expected, and whose images are taken for normal ones."""
    unmatched_masks: tuple[Path, ...] = ()
    """Files among the masks that belong to no image by their name."""

    calibration: tuple[Item, ...] = ()
    """Normal images that limits are set on; empty where the source has none."""
    label: str = ""
    """What sets it apart from other categories of the same folder."""

    @property
    def items(self) -> tuple[Item, ...]:
        """All: train, then calibration, then test."""
        return self.train + self.calibration + self.test

    def name_of(self, path: Path) -> str:
        """A file's name: relative to the folder, with forward slashes, printable."""
        return path_text(path.relative_to(self.folder).as_posix())

    def check(self) -> None:
        """Raise DataError without training images, and when an image is listed twice or only some have masks."""
        if not self.train:
            raise DataError(
                f"category {path_text(self.folder.name)!r} has no training images in {path_text(self.folder)}"
            )
        name, times = Counter(self.name_of(item.image) for item in self.items).most_common(1)[0]
        if times > 1:
            raise DataError(f"{name!r} occurs {times} times in {path_text(self.folder)}: expected each image once")
        bare = [item for item in self.test if item.defect != GOOD and not item.masks]
        masked = sum(bool(item.masks) for item in self.test)
        if bare and masked:  # taken as empty masks, they would lower every pixel metric without a word
            raise DataError(
                f"{self.name_of(bare[0].image)!r} in {path_text(self.folder)} has no mask, while {masked} defective "
                f"images have one ({len(bare)} have none): add what is missing, or remove all masks to go without"
            )
