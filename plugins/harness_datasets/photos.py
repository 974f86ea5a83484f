"""Photos as people have them: a folder of good ones and one of bad ones, by any usual names, or good ones alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness import (
    IMAGE_SUFFIXES,
    DataError,
    Finding,
    Listing,
    PassedOver,
    Split,
    list_images,
    path_text,
)
from harness_datasets.files import Category, Item
from harness_datasets.folders import FileDataset, entries, folders_in
from harness_datasets.names import means_bad, means_good, means_masks
from harness_datasets.readable import load_readable


@dataclass
class Photos(FileDataset):
    """Photos of one kind of part: good ones are fitted, bad ones are the test. Photos that cannot be read are left out.

    Folders beside `good`, and folders in `bad`, are kinds of defect. Without a folder of good photos, loose ones are.
    """

    name = "photos"
    preset = "own_images"
    licence = "NOASSERTION"
    source = "one's own photos"
    layout = "good/*.jpg and bad/*.jpg or bad/<defect>/*.jpg, by any usual names; or good photos alone"

    most: int = 1000
    """So many good photos are fitted at most, drawn by chance."""

    def __post_init__(self) -> None:
        if self.most < 2:
            raise ValueError(f"most is {self.most}, expected at least 2 photos")

    def find(self, root: Path) -> Mapping[str, Path]:
        """The root itself, if it holds good photos or bad ones."""
        good, bad = self._folders_of(root)
        loose = [entry for entry in entries(root) if entry.suffix.lower() in IMAGE_SUFFIXES]
        return {path_text(root.resolve().name): root} if good or bad or loose else {}

    def load(self, category: str, image_size: int) -> Split:
        """Every photo that can be read, resized, mapped from the cache; a finding names others. Raises DataError."""
        self._folders()
        assert self.root is not None
        split = load_readable(self._category(category, self.root), image_size, resize=self.resize)
        return replace(split, findings=(*split.findings, *self._of_drawing(self.root)))

    def _of_drawing(self, folder: Path) -> Iterator[Finding]:
        """That only some of very many good photos are taken."""
        n = len(self._good(folder, []))
        if n > self.most:
            said = f"There are {n} good photos, of which {self.most} are drawn (photos[most={self.most}])."
            yield Finding("drawn", said, count=self.most)

    def _category(self, name: str, folder: Path) -> Category:
        passed_over: list[PassedOver] = []
        train, (_, bad) = self._good(folder, passed_over), self._folders_of(folder)
        test = [Item(image, kind) for one, kind in bad for image in _images(list_images(one), passed_over)]
        if not train:
            found = f"{len(test)} bad ones" if test else "no photos at all"
            raise DataError(
                f"{path_text(folder)} holds no good photos, and {found}: detectors learn from good photos, so put some "
                f"into {path_text(folder / 'good')}"
            )
        return Category(
            folder=folder,
            train=tuple(Item(image) for image in self._drawn(sorted(train))),
            test=tuple(test),
            passed_over=tuple(passed_over),
        )

    def _good(self, folder: Path, passed_over: list[PassedOver]) -> list[Path]:
        """All good photos of a folder."""
        good, _ = self._folders_of(folder)
        if not good:
            return [one for one in entries(folder) if one.suffix.lower() in IMAGE_SUFFIXES and one.is_file()]
        return [image for one in good for image in _images(list_images(one), passed_over)]

    def _drawn(self, images: Sequence[Path]) -> list[Path]:
        if len(images) <= self.most:
            return list(images)
        drawn = np.random.default_rng(0).permutation(len(images))[: self.most]
        return [images[at] for at in np.sort(drawn)]

    def _folders_of(self, root: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
        """The folders of good photos, and those of bad ones with the kind of defect."""
        folders = [one for one in folders_in(root) if not means_masks(one.name)]
        good = [one for one in folders if means_good(one.name)]
        bad: list[tuple[Path, str]] = []
        for one in folders:
            if one in good or not (good or means_bad(one.name)):
                continue
            kinds = folders_in(one) if means_bad(one.name) else []
            loose = any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in entries(one))
            bad += [(kind, path_text(kind.name)) for kind in kinds] if kinds and not loose else []
            bad += [(one, path_text(one.name))] if loose or not kinds else []
        return good, bad


def _images(listing: Listing, passed_over: list[PassedOver]) -> list[Path]:
    passed_over += listing.passed_over
    return listing.images
