"""What every layout comes down to: a list of files to fit on and one to test on, and how these become a Split."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from harness import (
    DataError,
    Decoded,
    Frame,
    Images,
    Mask,
    Split,
    form_of,
    grey_depth,
    path_text,
    read_image,
    read_mask,
    strict_pillow,
)
from harness_datasets import cache
from harness_datasets.files import Category, Item
from harness_datasets.findings import findings_of
from harness_datasets.parallel import on_all_cores


def load(category: Category, image_size: int, depth: int | None = None, resize: str = "stretch") -> Split:
    """Decode a category on all cores, or map it from the cache when its files are as they were. Raises DataError.

    `depth` is that of 16-bit grey images; None finds it over the training images. `resize` is that of `Dataset`.
    """
    category.check()
    items, masked = category.items, any(item.masks for item in category.test)
    states = list(_states(items))
    frame = _frame(items, image_size, resize)
    masks_at = len(items) * frame.height * frame.width * 3
    length = masks_at + (len(category.test) * frame.height * frame.width if masked else 0)
    key = _hash([PIL.__version__, depth or 0, *_names(category), *states])
    data, note = cache.kept(
        _file_name(category.folder, image_size, category.label, resize),
        key,
        length,
        lambda write: _decode(category, frame, depth, masks_at, write),
    )
    pixels = data[:masks_at].reshape(-1, frame.height, frame.width, 3)
    masks = data[masks_at:].reshape(-1, frame.height, frame.width) if masked else None
    facts = {name: np.array(values) for name, values in note["facts"].items()}
    boxes = [frame.box(*size) for size in zip(note["facts"]["width"], note["facts"]["height"], strict=True)]
    places = None if resize == "stretch" else np.array(boxes, np.intp).reshape(-1, 4)
    n, m = len(category.train), len(category.train) + len(category.calibration)

    def of(at: slice) -> Mapping[str, NDArray[Any]]:
        return {name: values[at] for name, values in facts.items()}

    fitted, apart, tested = slice(n), slice(n, m), slice(m, None)
    return Split(
        train=_images(category, category.train, pixels[fitted], None, of(fitted), _at(places, fitted)),
        test=_images(category, category.test, pixels[tested], masks, of(tested), _at(places, tested)),
        incomplete=category.incomplete,
        sizes=tuple(note["sizes"]),
        modes=tuple(note["modes"]),
        source_hash=note["source_hash"],
        findings=findings_of(category, note),
        depth=note["depth"],
        calibration=(
            _images(category, category.calibration, pixels[apart], None, of(apart), _at(places, apart))
            if m > n
            else None
        ),
    )


def _at(places: NDArray[np.intp] | None, at: slice) -> NDArray[np.intp] | None:
    return None if places is None else places[at]


def _frame(items: Sequence[Item], image_size: int, resize: str) -> Frame:
    """What all images of a category fit into. Raises DataError."""
    if resize != "tiles":
        return Frame.around(resize, image_size)
    with strict_pillow():
        forms = on_all_cores(lambda index: form_of(items[index].image), len(items))
    return Frame.around(resize, image_size, [(width, height) for width, height, _ in forms])


def _decode(category: Category, frame: Frame, depth: int | None, masks_at: int, write: cache.Write) -> cache.Note:
    """Decode all files, and note what they say beside their pixels. Raises DataError."""
    items, first_test = category.items, len(category.train) + len(category.calibration)
    mask_bytes = frame.height * frame.width

    def decode(index: int) -> tuple[Decoded, Mask | None]:
        item = items[index]
        image = read_image(item.image, frame.size, in_use, frame.resize)
        write(index * mask_bytes * 3, frame.image(image.pixels))
        if not item.masks:
            return replace(image, pixels=_NOTHING), None
        mask = read_mask(item.masks, frame.size, item.image, image, frame.resize)
        write(masks_at + (index - first_test) * mask_bytes, frame.mask(mask.pixels))
        return replace(image, pixels=_NOTHING), replace(mask, pixels=_NOTHING)

    with strict_pillow():
        in_use = depth or _depth_of(category)
        decoded = on_all_cores(decode, len(items))
    facts = [image.facts for image, _ in decoded]
    masks = [mask for _, mask in decoded if mask is not None]
    sizes, modes = Counter(f"{one.width}x{one.height}" for one in facts), Counter(one.mode for one in facts)
    digests = [[image.digest, *([mask.digest] if mask else [])] for image, mask in decoded]
    noted = {
        "depth": in_use,
        "all_transparent": sum(one.all_transparent for one in facts),
        "soft_masks": sum(mask.thresholded for mask in masks),
        "turned_masks": sum(mask.turned for mask in masks),
    }
    # Images that were read otherwise once have another hash, so that trials on them are not taken for the same.
    otherwise = [[name, value] for name, value in noted.items() if value != (16 if name == "depth" else 0)]
    return {
        **noted,
        "sizes": [size for size, _ in sizes.most_common()],
        "modes": [mode for mode, _ in modes.most_common()],
        "source_hash": _hash([*_names(category), *digests, *otherwise]),
        "facts": {name: [getattr(one, name) for one in facts] for name in _FACTS},
    }


_NOTHING = np.empty((0,), dtype=np.uint8)
_FACTS = ("width", "height", "mode", "file_bytes", "depth", "frames", "compression", "camera", "taken_at")


def _depth_of(category: Category) -> int:
    """Bits in use in 16-bit grey images: what the largest value in the training images needs, if that is 10 or more.

    16 where no training image is of that kind.
    """
    depths = on_all_cores(lambda index: grey_depth(category.train[index].image), len(category.train))
    found = [depth for depth in depths if depth is not None]
    return min(max(max(found), 8), 16) if found else 16


def _images(
    category: Category,
    items: Sequence[Item],
    pixels: NDArray[np.uint8],
    masks: NDArray[np.uint8] | None,
    facts: Mapping[str, NDArray[Any]],
    boxes: NDArray[np.intp] | None,
) -> Images:
    return Images(
        pixels=pixels,
        paths=tuple(category.name_of(item.image) for item in items),
        defects=tuple(item.defect for item in items),
        masks=masks,
        facts=facts,
        boxes=boxes,
    )


def _names(category: Category) -> Iterator[list[str]]:
    parts = (("train", category.train), ("calibration", category.calibration), ("test", category.test))
    for split, items in parts:
        for item in items:
            yield [split, category.name_of(item.image), item.defect, *map(category.name_of, item.masks)]


def _states(items: Sequence[Item]) -> Iterator[tuple[int, ...]]:
    """What a warm start knows an unchanged file by: size, times and place on the disk. Raises DataError.

    The time of the last change of the file's entry and its inode tell of a file that took another one's place with the
    same size and the same time, as `mv`, `cp -p` and `unzip` make them.
    """
    for item in items:
        for path in (item.image, *item.masks):
            try:
                state = path.stat()
            except OSError as error:
                raise DataError(f"{path_text(path)} cannot be read: {error.strerror}") from error
            if not stat.S_ISREG(state.st_mode):
                raise DataError(f"{path_text(path)} is not a regular file: expected an image")
            yield state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


def _hash(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _file_name(folder: Path, image_size: int, label: str = "", resize: str = "stretch") -> str:
    """One cache file for a folder, size, label and way to resize; a data set that changes replaces its file."""
    apart = f"\0{label}".encode() if label else b""
    place = hashlib.sha256(os.fsencode(folder.resolve()) + apart).hexdigest()[:16]
    form = {"stretch": f"{image_size}", "pad": f"{image_size}pad"}.get(resize, "whole")
    return f"{re.sub('[^A-Za-z0-9_-]', '_', folder.name)[:40]}-{form}-{place}.pixels"
