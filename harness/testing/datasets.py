"""What the harness relies on in a data set: that a test score is earned on images that were not seen in training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from harness.api import GOOD, Dataset, Images, Split
from harness.errors import UnavailableError
from harness.testing.parts import Check, fresh
from harness.testing.toys import SIZE

LOADED = 2
"""How many categories are loaded, so that the checks of a large data set end in time."""


def checks(dataset: Dataset) -> Iterator[Check]:
    """The checks that apply to this data set."""
    yield check_categories_are_sorted_and_unique
    yield check_images_have_the_size_asked_for
    yield check_names_are_unique_and_relative
    yield check_train_is_all_normal
    yield check_the_count_it_foretells_is_right
    yield check_splits_are_disjoint_by_content
    yield check_order_is_stable
    yield check_masks_lie_only_on_defects


def check_categories_are_sorted_and_unique(dataset: Dataset) -> None:
    """There is at least one category, and they are the same when asked for twice."""
    _need_root(dataset)
    categories = dataset.categories()
    assert categories, "it has no categories, expected at least one, or a DataError"
    assert list(categories) == sorted(set(categories)), f"categories {categories} are not sorted, or not unique"
    again = dataset.categories()
    assert again == categories, f"categories are {categories}, then {again}"


def check_images_have_the_size_asked_for(dataset: Dataset) -> None:
    """Pixels are uint8 of (N, size, size, 3), with a name and a defect kind for each image."""
    for where, images in _images(dataset):
        shape, dtype = images.pixels.shape, images.pixels.dtype
        assert shape[1:] == (SIZE, SIZE, 3), f"{where}: an image size of {SIZE} gave pixels of shape {shape}"
        assert dtype == np.uint8, f"{where}: pixels are {dtype}, expected uint8"
        counts = len(images.pixels), len(images.paths), len(images.defects)
        assert len(set(counts)) == 1, f"{where}: there are {counts} images, names and defect kinds, expected as many"
        assert counts[0], f"{where}: there are no images"


def check_names_are_unique_and_relative(dataset: Dataset) -> None:
    """Names tell images apart, and are the same on every machine."""
    for where, images in _images(dataset):
        repeated = sorted({path for path in images.paths if images.paths.count(path) > 1})
        assert not repeated, f"{where}: {repeated[0]!r} names two images"
        odd = [path for path in images.paths if path.startswith("/") or "\\" in path or ".." in path.split("/")]
        assert not odd, f"{where}: {odd[0]!r} is not relative to the category's folder with forward slashes"


def check_train_is_all_normal(dataset: Dataset) -> None:
    """Models learn from normal images alone."""
    for category, split in _splits(dataset):
        for where, images in (("training", split.train), ("calibration", split.calibration)):
            kinds = sorted(set(images.defects) - {GOOD}) if images is not None else []
            assert not kinds, f"{category}: {where} images have defect kinds {kinds}, expected only {GOOD!r}"


def check_the_count_it_foretells_is_right(dataset: Dataset) -> None:
    """`train_count` is None, or as many images as there are to fit on."""
    for category, split in _splits(dataset):
        said, there = dataset.train_count(category), len(split.train)
        assert said in (None, there), f"{category}: train_count is {said}, but there are {there} images to fit on"


def check_splits_are_disjoint_by_content(dataset: Dataset) -> None:
    """No test image was seen in training or calibration, and no calibration image in training, under whatever name."""
    for category, split in _splits(dataset):
        seen = {d: f"training image {path!r}" for d, path in zip(_digests(split.train), split.train.paths, strict=True)}
        if split.calibration is not None:
            for digest, path in zip(_digests(split.calibration), split.calibration.paths, strict=True):
                assert digest not in seen, f"{category}: calibration image {path!r} is {seen[digest]}"
                seen[digest] = f"calibration image {path!r}"
        for digest, path in zip(_digests(split.test), split.test.paths, strict=True):
            assert digest not in seen, f"{category}: test image {path!r} is {seen[digest]}"


def check_order_is_stable(dataset: Dataset) -> None:
    """Loading again, from a data set made anew, gives the same images in the same order."""
    again = fresh(dataset)
    again.root = dataset.root
    for (category, split), (_, other) in zip(_splits(dataset), _splits(again), strict=True):
        for part, first, second in (("train", split.train, other.train), ("test", split.test, other.test)):
            moved = [pair for pair in zip(first.paths, second.paths, strict=True) if pair[0] != pair[1]]
            assert not moved, f"{category}, {part}: {moved[0][0]!r} stands where {moved[0][1]!r} stands the second time"
            assert np.array_equal(first.pixels, second.pixels), f"{category}, {part}: pixels differ the second time"


def check_masks_lie_only_on_defects(dataset: Dataset) -> None:
    """Masks, where there are any, are 0 and 1, of the images' size, and 0 on normal images."""
    for where, images in _images(dataset):
        if images.masks is None:
            continue
        shape, wanted = images.masks.shape, images.pixels.shape[:3]
        assert shape == wanted, f"{where}: masks are of shape {shape}, expected {wanted}"
        values = np.unique(images.masks)
        assert set(values.tolist()) <= {0, 1}, f"{where}: masks hold {values}, expected only 0 and 1"
        for i in np.flatnonzero(~images.labels):
            assert not images.masks[i].any(), f"{where}: normal image {images.paths[i]!r} has a defect in its mask"


def _need_root(dataset: Dataset) -> None:
    if dataset.needs_root and dataset.root is None:
        layout = f", laid out as {dataset.layout}" if dataset.layout else ""
        raise UnavailableError(f"no data root was given: expected the folder of its files{layout}")


def _splits(dataset: Dataset) -> Iterator[tuple[str, Split]]:
    _need_root(dataset)
    for category in dataset.categories()[:LOADED]:
        yield category, dataset.load(category, SIZE)


def _images(dataset: Dataset) -> Iterator[tuple[str, Images]]:
    for category, split in _splits(dataset):
        yield f"{category}, train", split.train
        yield f"{category}, test", split.test
        if split.calibration is not None:
            yield f"{category}, calibration", split.calibration


def _digests(images: Images) -> list[str]:
    return [hashlib.sha256(np.ascontiguousarray(image).data).hexdigest() for image in images.pixels]
