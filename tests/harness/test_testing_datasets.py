"""Each check of a data set finds the data set that is wrong in just that way."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from harness import Dataset, Images, Split
from harness.testing import toy_images
from tests.kit_outcomes import failed, outcomes_of


class Toys(Dataset):
    name = "toys"
    needs_root = False

    def categories(self):
        return ("bolt", "nut")

    def load(self, category, image_size):
        return Split(toy_images(4, seed=1, size=image_size), toy_images(4, defective=2, seed=2, size=image_size))


class NoCategories(Toys):
    def categories(self):
        return ()


class UnsortedCategories(Toys):
    def categories(self):
        return ("nut", "bolt")


class OtherCategoriesEachTime(Toys):
    asked = 0

    def categories(self):
        self.asked += 1
        return ("bolt", "nut") if self.asked % 2 else ("bolt",)


class Altered(Toys):
    """One change to what was right."""

    def load(self, category, image_size):
        split = super().load(category, image_size)
        return Split(self.train(split.train), self.test(split.test))

    def train(self, images):
        return images

    def test(self, images):
        return images


class IgnoresTheSize(Toys):
    def load(self, category, image_size):
        return super().load(category, 48)


class GivesFloats(Altered):
    def train(self, images):
        return replace(images, pixels=images.pixels / 255)


class HasTooFewNames(Altered):
    def test(self, images):
        return replace(images, paths=images.paths[:-1])


class HasNoTrainingImages(Altered):
    def train(self, images):
        return images.take(slice(0))


class NamesTwoImagesAlike(Altered):
    def test(self, images):
        return replace(images, paths=(*images.paths[:-1], images.paths[0]))


class NamesAreAbsolute(Altered):
    def test(self, images):
        return replace(images, paths=tuple(f"/home/me/{path}" for path in images.paths))


class NamesAreOfWindows(Altered):
    def test(self, images):
        return replace(images, paths=tuple(path.replace("/", "\\") for path in images.paths))


class TrainsOnDefects(Altered):
    def train(self, images):
        return replace(images, defects=("good", "good", "good", "scratch"))


class ReusesTrainingImages(Altered):
    def test(self, images):
        seen = toy_images(4, seed=1)
        return replace(images, pixels=np.concatenate([seen.pixels[3:], images.pixels[1:]]))


class HasNoOrder(Altered):
    loads = 0

    def test(self, images):
        HasNoOrder.loads += 1
        return images.take(np.arange(len(images))[:: 1 if HasNoOrder.loads % 3 else -1])


class HasOtherPixelsEachTime(Altered):
    loads = 0

    def test(self, images):
        HasOtherPixelsEachTime.loads += 1
        pixels = images.pixels.copy()
        pixels[0, 0, 0] = HasOtherPixelsEachTime.loads
        return replace(images, pixels=pixels)


class MasksOfAnotherSize(Altered):
    def test(self, images):
        return replace(images, masks=images.masks[:, ::2, ::2])


class MasksOf255(Altered):
    def test(self, images):
        return replace(images, masks=images.masks * 255)


class MasksOnNormalImages(Altered):
    def test(self, images):
        return replace(images, masks=np.ones_like(images.masks))


class ForetellsAnotherCount(Toys):
    def train_count(self, category):
        return 3


class WithoutMasks(Altered):
    def test(self, images):
        return Images(images.pixels, images.paths, images.defects)


@pytest.mark.parametrize("right", [Toys, WithoutMasks])
def test_a_right_data_set_passes_every_check(right):
    assert failed(right()) == {}


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (NoCategories, "categories_are_sorted_and_unique", "it has no categories"),
        (UnsortedCategories, "categories_are_sorted_and_unique", "('nut', 'bolt') are not sorted"),
        (OtherCategoriesEachTime, "categories_are_sorted_and_unique", "then ('bolt',)"),
        (IgnoresTheSize, "images_have_the_size_asked_for", "an image size of 64 gave pixels of shape (4, 48, 48, 3)"),
        (GivesFloats, "images_have_the_size_asked_for", "bolt, train: pixels are float64, expected uint8"),
        (HasTooFewNames, "images_have_the_size_asked_for", "there are (4, 3, 4) images, names and defect kinds"),
        (HasNoTrainingImages, "images_have_the_size_asked_for", "bolt, train: there are no images"),
        (NamesTwoImagesAlike, "names_are_unique_and_relative", "'toy/2/000.png' names two images"),
        (NamesAreAbsolute, "names_are_unique_and_relative", "'/home/me/toy/2/000.png' is not relative"),
        (NamesAreOfWindows, "names_are_unique_and_relative", "is not relative to the category's folder with forward"),
        (TrainsOnDefects, "train_is_all_normal", "training images have defect kinds ['scratch']"),
        (ForetellsAnotherCount, "the_count_it_foretells_is_right", "bolt: train_count is 3, but there are 4 images"),
        (ReusesTrainingImages, "splits_are_disjoint_by_content", "test image 'toy/2/000.png' is training image"),
        (HasNoOrder, "order_is_stable", "stands where"),
        (HasOtherPixelsEachTime, "order_is_stable", "bolt, test: pixels differ the second time"),
        (MasksOfAnotherSize, "masks_lie_only_on_defects", "masks are of shape (4, 32, 32), expected (4, 64, 64)"),
        (MasksOf255, "masks_lie_only_on_defects", "masks hold [  0 255], expected only 0 and 1"),
        (MasksOnNormalImages, "masks_lie_only_on_defects", "normal image 'toy/2/000.png' has a defect in its mask"),
    ],
)
def test_a_data_set_that_is_wrong_in_one_way_fails_that_check_alone(wrong, found, said):
    outcomes = outcomes_of(wrong())
    failed = {name for name, outcome in outcomes.items() if outcome.status == "failed"}
    # With a name too few, images cannot be told by name.
    allowed = {HasTooFewNames: {"splits_are_disjoint_by_content"}, OtherCategoriesEachTime: {"order_is_stable"}}
    assert {found} <= failed <= {found} | allowed.get(wrong, set())
    with pytest.raises(AssertionError, match=re.escape(said)):
        raise AssertionError(outcomes[found].reason)


def test_a_data_set_is_checked_in_its_root(tmp_path):
    class Rooted(Toys):
        needs_root = True

        def categories(self):
            return tuple(sorted(folder.name for folder in self.root.iterdir()))

    assert {outcome.status for name, outcome in outcomes_of(Rooted()).items() if "spel" not in name} == {"skipped"}
    (tmp_path / "bolt").mkdir()
    rooted = Rooted()
    rooted.root = tmp_path
    assert {outcome.status for outcome in outcomes_of(rooted).values()} == {"passed"}
