"""Data sets whose folders say what each image is: <category>/train/good, test/<kind>, ground_truth/<kind>."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from harness import (
    GOOD,
    IMAGE_SUFFIXES,
    RESIZES,
    DataError,
    Dataset,
    Listing,
    PassedOver,
    Split,
    UsageError,
    list_images,
    path_text,
    unknown_name,
)
from harness_datasets.category import load
from harness_datasets.files import Category, Item
from harness_datasets.masks import MaskFiles, masks_beside, masks_by_name, with_masks
from harness_datasets.names import means_bad, means_good, means_masks
from harness_datasets.readable import load_readable


def entries(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without hidden names such as `._000.png`. Raises DataError."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"folder {path_text(folder)} cannot be listed: {error.strerror}") from error


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, sorted; one that cannot be looked at is left out. Raises DataError as `entries` does."""
    return [entry for entry in entries(folder) if is_folder(entry)]


def is_folder(path: Path) -> bool:
    """Whether it is a folder that may be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


class FileDataset(Dataset):
    """What all data sets that read files from `root` share."""

    resizes = RESIZES

    def categories(self) -> tuple[str, ...]:
        """What can be loaded, sorted. Raises UsageError without a root, DataError when it holds no category."""
        return tuple(sorted(self._folders()))

    def load(self, category: str, image_size: int) -> Split:
        """Every image, resized, mapped from the cache. Raises UsageError for an unknown category, DataError."""
        folders = self._folders()
        if category not in folders:
            raise UsageError(unknown_name("category", category, folders))
        read = load_readable if self.skip_unreadable else load
        files = self._category(category, folders[category])
        return read(files, image_size, getattr(self, "depth", None), self.resize)

    def train_count(self, category: str) -> int | None:
        """From a listing of its files. Raises UsageError, DataError."""
        return len(self._category(category, self._folders()[category]).train)

    def _folders(self) -> Mapping[str, Path]:
        """The folder of each category. Raises UsageError, DataError."""
        if self.root is None:
            raise UsageError(f"data set {self.name!r} needs --data-root: {self.how_to_get()}")
        if not is_folder(self.root):
            raise UsageError(f"no folder {path_text(self.root)!r}: {self.how_to_get()}")
        found = self.find(self.root)
        if not found:
            raise DataError(f"no {self.name} in {path_text(self.root)!r}: {self.advice(self.root)}")
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
    calibration: ClassVar[str] = ""
    """The folder of normal images that limits are set on; empty where the layout has none."""
    truth: ClassVar[str] = "ground_truth"
    good: ClassVar[str] = GOOD
    """The folder of normal images in `test`."""

    def _category(self, name: str, folder: Path) -> Category:
        train = self._training_folder(folder)
        if train is None:
            raise DataError(f"category {name!r} has no {self.train} in {path_text(folder)!r}: expected {self.layout}")
        fitted = _without_defective(train, list_images(train))
        passed_over, test, renamed = [*fitted.passed_over, *self._beside_training(folder, train)], [], []
        if train.name != self.good:
            renamed.append(train)
        masks = self._masks(folder)
        kinds = self._kinds(folder, passed_over)
        alone = sum(not self._is_good(kind) for kind in kinds) == 1
        for kind in kinds:
            listing = list_images(kind)
            passed_over += listing.passed_over
            images, beside = masks_beside(listing.images)
            if self._is_good(kind):
                test += [Item(image) for image in images]
                passed_over += [PassedOver(mask, "mask of a normal image") for mask in beside]
                renamed += [kind] if kind.name != self.good else []
            else:
                test += with_masks(kind, images, masks.of(kind.name, alone=alone), masks_by_name(kind, beside))
        used = {mask for item in test for mask in item.masks}
        apart = (
            list_images(folder / self.calibration)
            if self.calibration and is_folder(folder / self.calibration)
            else None
        )
        passed_over += apart.passed_over if apart else ()
        return Category(
            folder=folder,
            train=tuple(Item(image) for image in fitted.images),
            calibration=tuple(Item(image) for image in apart.images) if apart else (),
            test=tuple(test),
            passed_over=tuple(passed_over),
            taken_as_good=tuple(renamed),
            unmatched_masks=tuple(mask for mask in masks.files if mask not in used and not self._of_good(mask)),
        )

    def _training_folder(self, folder: Path) -> Path | None:
        """The folder of the images to fit on."""
        return folder / self.train if is_folder(folder / self.train) else None

    def _is_good(self, kind: Path) -> bool:
        return kind.name == self.good

    def _kinds(self, folder: Path, passed_over: list[PassedOver]) -> list[Path]:
        """The folders of test images, a kind each; what lies loose beside them is passed over."""
        test = folder / self.test
        if not is_folder(test):
            return []
        above = {parent.resolve() for parent in (test, *test.parents)}
        kinds = []
        for kind in folders_in(test):
            if kind.resolve() in above:
                passed_over.append(PassedOver(kind, "link to a folder that is searched already"))
            elif kind != folder / self.truth:
                kinds.append(kind)
        loose = [entry for entry in entries(test) if entry.suffix.lower() in IMAGE_SUFFIXES and not is_folder(entry)]
        why = f"loose in {self.test}, not in a folder of its kind"
        passed_over += [PassedOver(entry, why) for entry in loose]
        lost = [entry for entry in entries(test) if entry not in loose and not entry.exists()]
        passed_over += [PassedOver(entry, "link that leads nowhere", lost=True) for entry in lost]
        return kinds

    def _beside_training(self, folder: Path, train: Path) -> Iterator[PassedOver]:
        """What lies beside the folder of training images, where that is one of a kind."""
        if train == folder / "train" or train.parent == folder:
            return
        for entry in entries(train.parent):
            if is_folder(entry):
                if entry != train:
                    yield PassedOver(entry, "not normal images by its name, and models learn from these alone")
            elif entry.suffix.lower() in IMAGE_SUFFIXES:
                yield PassedOver(entry, f"loose in {path_text(train.parent.name)}, not in a folder of its kind")

    def _masks(self, folder: Path) -> MaskFiles:
        """The masks of a category."""
        truth = folder / self.truth
        return MaskFiles.below(truth, folders_in(truth)) if is_folder(truth) else MaskFiles()

    def _of_good(self, mask: Path) -> bool:
        """Whether it lies in a folder of masks of normal images, which are not looked at."""
        return means_good(mask.parent.name)


def _without_defective(train: Path, listing: Listing) -> Listing:
    """Training images without those in folders that mean defective ones, which are passed over."""
    found = Listing(passed_over=[*listing.passed_over])
    for image in listing.images:
        bad = next((part for part in image.relative_to(train).parts[:-1] if means_bad(part) and part != "1"), "")
        if bad:
            found.passed_over.append(PassedOver(image, f"in {bad!r}, and models learn from normal images alone"))
        else:
            found.images.append(image)
    return found


@dataclasses.dataclass
class FolderDataset(FolderLayout):
    """One's own images: the root is one category, or holds several."""

    name = "folder"
    preset = "own_images"
    licence = "NOASSERTION"
    source = "one's own images"
    layout = (
        "[<category>/]train/good/*.png, test/good/*.png, test/<defect>/*.png and, if there are masks, "
        "ground_truth/<defect>/NAME_mask.png or NAME.png"
    )

    depth: int | None = None
    """Bits in use in 16-bit grey images, from 8 to 16; none finds out over the training images."""

    def __post_init__(self) -> None:
        if self.depth is not None and not 8 <= self.depth <= 16:
            raise ValueError(f"depth is {self.depth}: expected 8 to 16 bits, or none")

    def find(self, root: Path) -> Mapping[str, Path]:
        """The root itself where it has training images, else every folder in it that has train or test."""
        if self._training_folder(root):
            return {path_text(root.resolve().name): root}
        return {
            path_text(child.name): child
            for child in folders_in(root)
            if is_folder(child / "train") or is_folder(child / "test")
        }

    def _training_folder(self, folder: Path) -> Path | None:
        """`train/good`, a folder in `train` whose name means the same, or `train` where the images lie in it."""
        usual = super()._training_folder(folder)
        train = folder / "train"
        if usual or not is_folder(train):
            return usual
        named = next((child for child in folders_in(train) if means_good(child.name)), None)
        loose = any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in entries(train))
        return named or (train if loose else None)

    def _is_good(self, kind: Path) -> bool:
        return means_good(kind.name)

    def _masks(self, folder: Path) -> MaskFiles:
        """Those of `ground_truth`, or of a folder whose name means the same, such as `masks`."""
        named = sorted(
            (one for one in folders_in(folder) if means_masks(one.name)), key=lambda one: one.name != self.truth
        )
        return MaskFiles.below(named[0], folders_in(named[0])) if named else MaskFiles()


class OfficialLayout(FolderLayout):
    """A published data set, of which any subset of categories may be there."""

    def find(self, root: Path) -> Mapping[str, Path]:
        """The official categories that have a folder."""
        return {name: root / name for name in self.official if is_folder(root / name)}

    def advice(self, root: Path) -> str:
        """Points at the folder above, the folder below, or another data set."""
        if root.resolve().name in self.official:
            return f"it is the folder of one category, so give its parent, {path_text(root.resolve().parent)!r}"
        for child in folders_in(root):
            if self.find(child):
                return f"its folder {path_text(child)!r} holds some, so give that"
        if FolderDataset().find(root):
            return f"it looks like --dataset folder; this one has the categories {', '.join(self.official)}"
        return super().advice(root)
