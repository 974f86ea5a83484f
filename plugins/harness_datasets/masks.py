"""Which mask files belong to which image, by what people call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness import list_images, path_text
from harness_datasets.files import Item
from harness_datasets.names import folder_called

_ENDINGS = ("", "_mask", "-mask", "_gt", "_groundtruth", "_ground_truth", "_label", "_seg")
"""What may follow an image's name in the name of its mask, in lower case; the first that is there is taken."""

Masks = Mapping[str, tuple[Path, ...]]
"""Mask files by their name below the folder of masks, without suffix, in lower case."""


def masks_by_name(folder: Path, files: Iterable[Path]) -> Masks:
    """The mask files of one folder by name; those in a folder that is called as an image are all that image's."""
    found: dict[str, tuple[Path, ...]] = {}
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix().lower()
        found[name] = (file,)
        parent = PurePosixPath(name).parent.as_posix()
        if parent != ".":
            found[parent] = (*found.get(parent, ()), file)
    return found


def masks_of(image: PurePosixPath, masks: Masks) -> tuple[Path, ...]:
    """The masks of an image, named below its folder; empty where it has none. Upper and lower case are one."""
    name = image.with_suffix("").as_posix().lower()
    for ending in ("_mask", *_ENDINGS):
        if found := masks.get(name + ending):
            return found
    return ()


def masks_beside(images: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Images, and those among them that are masks by their name: `000_mask.png` beside `000.png`."""
    files = list(images)
    names = {file.with_suffix("").as_posix().lower() for file in files}
    found: tuple[list[Path], list[Path]] = ([], [])
    for file in files:
        name = file.with_suffix("").as_posix().lower()
        found[any(name.endswith(end) and name.removesuffix(end) in names for end in _ENDINGS if end)].append(file)
    return found


@dataclass(frozen=True)
class MaskFiles:
    """The masks of a category: in a folder for each kind of defect, or all in one where there is one kind."""

    folder: Path | None = None
    kinds: tuple[Path, ...] = ()
    """The folders in it."""
    files: tuple[Path, ...] = ()

    @classmethod
    def below(cls, folder: Path, kinds: Iterable[Path]) -> MaskFiles:
        """All in a folder of masks, which has these folders."""
        return cls(folder, tuple(kinds), tuple(list_images(folder).images))

    def of(self, kind: str, *, alone: bool) -> Masks:
        """The masks of a kind by name; `alone` where there is no other kind."""
        folder = folder_called(kind, self.kinds) or (self.folder if alone else None)
        return {} if folder is None else masks_by_name(folder, list_images(folder).images)


def with_masks(kind: Path, images: Sequence[Path], *masks: Masks) -> list[Item]:
    """The images of a folder of defective ones, each with its masks from the first source that has some."""
    items = []
    for image in images:
        name = PurePosixPath(image.relative_to(kind).as_posix())
        found = next((files for source in masks if (files := masks_of(name, source))), ())
        items.append(Item(image, path_text(kind.name), found))
    return items
