"""A category without the files that cannot be read: each costs its own picture, and is counted and named."""

from __future__ import annotations

from dataclasses import replace

from harness import DataError, Finding, Split, path_text, read_image, read_mask, strict_pillow
from harness_datasets.category import load
from harness_datasets.files import Category, Item
from harness_datasets.parallel import on_all_cores

_NAMED = 5


def load_readable(category: Category, image_size: int, depth: int | None = None, resize: str = "stretch") -> Split:
    """What can be read of a category; a finding names the rest. Raises DataError where no good image can."""
    try:
        return load(category, image_size, depth, resize)
    except DataError:
        items = category.items
        with strict_pillow():
            faults = on_all_cores(lambda at: _fault(items[at]), len(items))
        lost = {item: fault for item, fault in zip(items, faults, strict=True) if fault}
        if not lost:
            raise

    def kept(these: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(item for item in these if item not in lost)

    rest = replace(
        category, train=kept(category.train), calibration=kept(category.calibration), test=kept(category.test)
    )
    if not rest.train:
        first = next(iter(lost.values()))
        n = len(category.train)
        raise DataError(f"none of the {n} good photos in {path_text(category.folder)} can be read: {first}")
    split = load(rest, image_size, depth, resize)
    names = tuple(category.name_of(item.image) for item in lost)
    what = "photo cannot be read and is" if len(names) == 1 else "photos cannot be read and are"
    said = f"{len(names)} {what} left out"
    advice = ": HEIC takes pillow-heif (pip install 'anomaly-harness[heic]')" * any(map(_is_heic, lost.values()))
    found = Finding("unreadable", f"{said}{advice}.", count=len(names), examples=names[:_NAMED])
    incomplete = "; ".join(filter(None, [split.incomplete, f"{said}: {', '.join(names[:_NAMED])}"]))
    return replace(split, findings=(*split.findings, found), incomplete=incomplete)


def _is_heic(fault: str) -> bool:
    return "pillow-heif" in fault


def _fault(item: Item) -> str:
    """Why an image or its mask cannot be read; empty where both can."""
    try:
        image = read_image(item.image, 8)
        if item.masks:
            read_mask(item.masks, 8, item.image, image)
    except DataError as error:
        return str(error)
    return ""
