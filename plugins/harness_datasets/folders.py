"""Data sets whose folders say what each image is: <category>/train/good, test/<kind>, ground_truth/<kind>."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from harness import GOOD, IMAGE_SUFFIXES, DataError, Dataset, Split, UsageError, shown, unknown
from harness_datasets.category import Category, Item, load

MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")
"""Of masks: lossless ones, as every value but zero marks a defect."""


def entries(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without hidden names such as `._000.png`. Raises DataError."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"folder {shown(folder)} cannot be listed: {error.strerror}") from error


def images_in(folder: Path) -> list[Path]:
    """The image files that lie directly in a folder; sub-folders are not searched, so no link can lead in circles."""
    return [entry for entry in entries(folder) if entry.suffix.lower() in IMAGE_SUFFIXES]


def masks_in(folder: Path) -> Mapping[str, tuple[Path, ...]]:
    """Mask files by the stem of their name; those in a sub-folder belong together, under its name."""
    found: dict[str, tuple[Path, ...]] = {}
    for entry in entries(folder) if folder.is_dir() else ():
        if entry.is_dir():
            found[entry.name] = tuple(mask for masks in masks_in(entry).values() for mask in masks)
        elif entry.suffix.lower() in MASK_SUFFIXES:
            found[entry.stem] = (entry,)
    return found


class FileDataset(Dataset):
    """What all data sets that read files from `root` share."""

    def categories(self) -> tuple[str, ...]:
        """What can be loaded, sorted. Raises UsageError without a root, DataError when it holds no category."""
        return tuple(sorted(self._folders()))

    def load(self, category: str, image_size: int) -> Split:
        """Every image, resized, mapped from the cache. Raises UsageError for an unknown category, DataError."""
        folders = self._folders()
        if category not in folders:
            raise UsageError(unknown("category", category, folders))
        return load(self._category(category, folders[category]), image_size)

    def train_count(self, category: str) -> int | None:
        """From a listing of its files. Raises UsageError, DataError."""
        return len(self._category(category, self._folders()[category]).train)

    def _folders(self) -> Mapping[str, Path]:
        """The folder of each category. Raises UsageError, DataError."""
        if self.root is None:
            raise UsageError(f"data set {self.name!r} needs --data-root: {self.how_to_get()}")
        if not self.root.is_dir():
            raise UsageError(f"no folder {shown(self.root)!r}: {self.how_to_get()}")
        found = self.find(self.root)
        if not found:
            raise DataError(f"no {self.name} in {shown(self.root)!r}: {self.advice(self.root)}")
        return found

    def how_to_get(self) -> str:
        """Where the files come from and where they go."""
        source = f"get it from {self.homepage}, and " if self.homepage else ""
        return f"{source}lay it out as {self.layout}"

    def advice(self, root: Path) -> str:
        """What a person may have meant by a root where nothing was found."""
        return self.how_to_get()

    @abstractmethod
    def find(self, root: Path) -> Mapping[str, Path]:
        """The folder of each category below a root; empty when there is none."""

    @abstractmethod
    def _category(self, name: str, folder: Path) -> Category:
        """The files of one category. Raises DataError."""


class FolderLayout(FileDataset):
    """A data set of folders; subclasses say what theirs are called."""

    train: ClassVar[str] = "train/good"
    test: ClassVar[str] = "test"
    truth: ClassVar[str] = "ground_truth"
    good: ClassVar[str] = GOOD
    """The folder of normal images in `test`."""

    def _category(self, name: str, folder: Path) -> Category:
        if not (folder / self.train).is_dir():
            raise DataError(f"category {name!r} has no {self.train} in {shown(folder)!r}: expected {self.layout}")
        kinds = entries(folder / self.test) if (folder / self.test).is_dir() else []
        return Category(
            folder=folder,
            train=tuple(Item(image) for image in images_in(folder / self.train)),
            test=tuple(
                item for kind in kinds if kind.is_dir() for item in self._tested(kind, folder / self.truth / kind.name)
            ),
        )

    def _tested(self, kind: Path, truth: Path) -> list[Item]:
        if kind.name == self.good:
            return [Item(image) for image in images_in(kind)]
        masks = masks_in(truth)
        return [
            Item(image, shown(kind.name), masks.get(f"{image.stem}_mask") or masks.get(image.stem, ()))
            for image in images_in(kind)
        ]


class FolderDataset(FolderLayout):
    """One's own images: the root is one category, or holds several."""

    name = "folder"
    licence = "NOASSERTION"
    source = "one's own images"
    layout = (
        "[<category>/]train/good/*.png, test/good/*.png, test/<defect>/*.png and, if there are masks, "
        "ground_truth/<defect>/NAME_mask.png or NAME.png"
    )

    def find(self, root: Path) -> Mapping[str, Path]:
        """The root itself where it has train/good, else every folder in it that has train or test."""
        if (root / self.train).is_dir():
            return {shown(root.resolve().name): root}
        return {
            shown(child.name): child
            for child in entries(root)
            if (child / "train").is_dir() or (child / "test").is_dir()
        }


class OfficialLayout(FolderLayout):
    """A published data set, of which any subset of categories may be there."""

    official: ClassVar[tuple[str, ...]]
    """The names of all its categories."""

    def find(self, root: Path) -> Mapping[str, Path]:
        """The official categories that have a folder."""
        return {name: root / name for name in self.official if (root / name).is_dir()}

    def advice(self, root: Path) -> str:
        """Points at the folder above, the folder below, or another data set."""
        if root.resolve().name in self.official:
            return f"it is the folder of one category, so give its parent, {shown(root.resolve().parent)!r}"
        for child in entries(root):
            if child.is_dir() and self.find(child):
                return f"its folder {shown(child)!r} holds some, so give that"
        if FolderDataset().find(root):
            return f"it looks like --dataset folder; this one has the categories {', '.join(self.official)}"
        return super().advice(root)
