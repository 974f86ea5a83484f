"""Asks a data set for its categories and their images; whatever its plugin does wrong becomes a DataError."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from harness.api import Dataset, Split
from harness.api.consistency import fault_of_split
from harness.errors import DataError, HarnessError, UsageError, where_raised
from harness.images.decoding import path_text
from harness.images.framing import STRETCH
from harness.images.walk import IMAGE_SUFFIXES
from harness.plugin.registry import Registry


def open_dataset(
    registry: Registry, text: str, root: Path | None, resize: str = STRETCH, *, skip_unreadable: bool = False
) -> Dataset:
    """The data set that is spelt so, looking at `root`. Raises UsageError."""
    dataset = registry.make(Dataset, text)
    dataset.root, dataset.resize, dataset.skip_unreadable = root, resize, skip_unreadable
    return dataset


def categories_of(dataset: Dataset) -> tuple[str, ...]:
    """The names of its categories. Raises DataError."""
    try:
        found = tuple(dataset.categories())
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may raise anything, sys.exit included
        raise DataError(f"data set {dataset.name!r} cannot tell its categories: {where_raised(error)}") from error
    if odd := [name for name in found if not isinstance(name, str) or not name]:
        raise DataError(f"data set {dataset.name!r} has a category {odd[0]!r:.60}: expected a name")
    return found


def load(dataset: Dataset, category: str, image_size: int) -> Split:
    """The images of one category. Raises DataError."""
    try:
        found: object = dataset.load(category, image_size)
        fault = fault_of_split(found)
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may raise anything, sys.exit included; other categories go on
        raise DataError(f"category {category!r} cannot be loaded: {where_raised(error)}") from error
    if not isinstance(found, Split) or fault:
        raise DataError(f"category {category!r} of data set {dataset.name!r} cannot be used: {fault}")
    return found


OWN_PHOTOS = ("folder", "photos", "table")
"""The data sets that read one's own photos, the most particular layout first."""


def own_photos(registry: Registry, place: Path) -> tuple[Dataset, Path]:
    """The data set that finds photos in a folder, or in a table (CSV), with its root. Raises UsageError, DataError."""
    if place.is_file():
        if place.suffix.lower() in IMAGE_SUFFIXES:
            raise UsageError(f"{path_text(place)} is one photo: give the folder that holds the good ones")
        if "table" not in registry.offers(Dataset):
            raise UsageError(f"{path_text(place)} is a file: expected a folder of photos")
        return open_dataset(registry, f"table[file={place.name}]", place.parent), place.parent
    for name in OWN_PHOTOS:
        if name in registry.offers(Dataset):
            dataset = open_dataset(registry, name, place)
            with suppress(HarnessError):
                dataset.categories()
                return dataset, place
    raise DataError(f"{path_text(place)} {_instead_of_photos(place)}")


def _instead_of_photos(place: Path) -> str:
    """What a folder holds that no data set here reads."""
    try:
        folders = sorted(path_text(one.name) for one in place.iterdir() if one.is_dir() and one.name[0] != ".")
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if not folders:
        return "holds no photos: expected a folder with good/ and bad/, one of good photos, or a table (CSV) of them"
    names = ", ".join(folders[:4]) + (", ..." if len(folders) > 4 else "")
    return (
        f"has no folder whose name says that its photos are good (it has {names}): call that of the good ones good and "
        "that of the bad ones bad, or give the folder of the good ones alone"
    )


def photos_of_one_part(registry: Registry, place: Path, learner: str) -> tuple[Dataset, Path, str]:
    """As `own_photos`, with the only category there, which is all that the learner (`a model`) can take.

    Raises UsageError, DataError.
    """
    if not place.exists():
        raise UsageError(f"no folder {path_text(place)}: expected a folder with good/ and bad/, or one of good photos")
    dataset, root = own_photos(registry, place)
    categories = categories_of(dataset)
    if len(categories) > 1:
        names = ", ".join(categories[:5]) + (", ..." if len(categories) > 5 else "")
        raise UsageError(
            f"{path_text(place)} holds {len(categories)} kinds of part ({names}): {learner} learns one, so give one "
            f"of them, such as {path_text(place / categories[0])}"
        )
    return dataset, root, categories[0]


def how_to_get(dataset: Dataset) -> str:
    """Where the images of a data set come from, and how they have to lie below the folder of `--data-root`."""
    steps = [f"get {dataset.name} from {dataset.homepage}"] * bool(dataset.homepage)
    steps += [f"lay the images out as {dataset.layout}"] * bool(dataset.layout)
    return " and ".join(steps) or "see its plugin"


def usual_dataset(registry: Registry, root: Path | None) -> str:
    """The data set that is meant where none is named: the images of the demo, MVTec AD, or one's own folders."""
    if root is None:
        return "synthetic"
    for name in ("mvtec_ad", "folder", "photos"):
        if name not in registry.offers(Dataset):
            continue
        dataset = open_dataset(registry, name, root)
        with suppress(HarnessError):
            dataset.categories()
            return name
    return "mvtec_ad"  # its error says what was expected
