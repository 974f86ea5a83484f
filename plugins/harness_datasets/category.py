"""What every layout comes down to: a list of files to fit on and one to test on, and how these become a Split."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from harness import GOOD, DataError, Images, Split, read_image, read_mask, shown, strict_pillow
from harness_datasets import cache
from harness_datasets.parallel import on_all_cores


@dataclass(frozen=True)
class Item:
    """One image file, its defect kind, and the mask files whose union marks the defect."""

    image: Path
    defect: str = GOOD
    masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Category:
    """The files of one category; all train items are good."""

    folder: Path
    """Images are named relative to it."""
    train: tuple[Item, ...]
    test: tuple[Item, ...]
    incomplete: str = ""
    """As in Split."""

    @property
    def items(self) -> tuple[Item, ...]:
        """All, train first."""
        return self.train + self.test

    def name_of(self, path: Path) -> str:
        """A file's name: relative to the folder, with forward slashes, printable."""
        return shown(path.relative_to(self.folder).as_posix())

    def check(self) -> None:
        """Raise DataError when a list is empty, an image occurs twice, or only some defective images have masks."""
        for split, items in (("training", self.train), ("test", self.test)):
            if not items:
                raise DataError(f"category {shown(self.folder.name)!r} has no {split} images in {shown(self.folder)}")
        name, times = Counter(self.name_of(item.image) for item in self.items).most_common(1)[0]
        if times > 1:
            raise DataError(f"{name!r} occurs {times} times in {shown(self.folder)}: expected each image once")
        bare = [item for item in self.test if item.defect != GOOD and not item.masks]
        masked = sum(bool(item.masks) for item in self.test)
        if bare and masked:  # taken as empty masks, they would lower every pixel metric without a word
            raise DataError(
                f"{self.name_of(bare[0].image)!r} in {shown(self.folder)} has no mask, while {masked} defective images "
                f"have one ({len(bare)} have none): add what is missing, or remove all masks to go without"
            )


def load(category: Category, image_size: int) -> Split:
    """Decode a category on all cores, or map it from the cache when its files are as they were. Raises DataError."""
    category.check()
    items, masked = category.items, any(item.masks for item in category.test)
    image_bytes, mask_bytes = image_size * image_size * 3, image_size * image_size
    masks_at = len(items) * image_bytes
    length = masks_at + (len(category.test) * mask_bytes if masked else 0)

    def make(write: cache.Write) -> cache.Note:
        def decode(index: int) -> tuple[str, str, list[str]]:
            item = items[index]
            image = read_image(item.image, image_size)
            write(index * image_bytes, image.pixels)
            digests = [image.digest]
            if item.masks:
                mask = read_mask(item.masks, image_size, item.image, image)
                write(masks_at + (index - len(category.train)) * mask_bytes, mask.pixels)
                digests.append(mask.digest)
            return f"{image.width}x{image.height}", image.mode, digests

        with strict_pillow():
            decoded = on_all_cores(decode, len(items))
        sizes, modes = (Counter(form[at] for form in decoded) for at in (0, 1))
        return {
            "sizes": [size for size, _ in sizes.most_common()],
            "modes": [mode for mode, _ in modes.most_common()],
            "source_hash": _hash([*_names(category), *(digests for *_, digests in decoded)]),
        }

    key = _hash([PIL.__version__, *_names(category), *_states(items)])
    data, note = cache.kept(_file_name(category.folder, image_size), key, length, make)
    pixels = data[:masks_at].reshape(-1, image_size, image_size, 3)
    masks = data[masks_at:].reshape(-1, image_size, image_size) if masked else None
    return Split(
        train=_images(category, category.train, pixels[: len(category.train)], None),
        test=_images(category, category.test, pixels[len(category.train) :], masks),
        incomplete=category.incomplete,
        sizes=tuple(note["sizes"]),
        modes=tuple(note["modes"]),
        source_hash=note["source_hash"],
    )


def _images(
    category: Category, items: Sequence[Item], pixels: NDArray[np.uint8], masks: NDArray[np.uint8] | None
) -> Images:
    return Images(
        pixels=pixels,
        paths=tuple(category.name_of(item.image) for item in items),
        defects=tuple(item.defect for item in items),
        masks=masks,
    )


def _names(category: Category) -> Iterator[list[str]]:
    for split, items in (("train", category.train), ("test", category.test)):
        for item in items:
            yield [split, category.name_of(item.image), item.defect, *map(category.name_of, item.masks)]


def _states(items: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Size and time of change of every file, by which a warm start knows that nothing changed. Raises DataError."""
    for item in items:
        for path in (item.image, *item.masks):
            try:
                state = path.stat()
            except OSError as error:
                raise DataError(f"{shown(path)} cannot be read: {error.strerror}") from error
            if not stat.S_ISREG(state.st_mode):
                raise DataError(f"{shown(path)} is not a regular file: expected an image")
            yield state.st_size, state.st_mtime_ns


def _hash(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _file_name(folder: Path, image_size: int) -> str:
    """One cache file for a folder and size, so that a data set that changes replaces its file."""
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', folder.name)[:40]}-{image_size}-{place}.pixels"
