"""What a data set gives is looked at before anything is fitted to it, and what is wrong is told with its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import Images, Split
from harness.api.consistency import fault_of_images, fault_of_split


def images(n: int = 3, size: tuple[int, int] = (4, 5), **other: Any) -> Images:
    pixels = np.arange(n * size[0] * size[1] * 3, dtype=np.uint8).reshape(n, *size, 3)
    return Images(pixels, tuple(f"{at}.png" for at in range(n)), **other)


def masks(n: int = 3, value: int = 1) -> np.ndarray:
    made = np.zeros((n, 4, 5), np.uint8)
    made[1:, 2, 3] = value
    return made


@pytest.mark.parametrize(
    "right",
    [
        images(),
        images(0),
        images(masks=masks()),
        images(masks=masks().astype(bool)),
        images(defects=("good", "hole", "crack")),
        images(facts={"width": np.array([4, 5, 6])}),
        images(boxes=np.array([[0, 0, 4, 5], [0, 0, 1, 1], [3, 4, 4, 5]])),
    ],
)
def test_images_that_are_as_they_should_be_have_no_fault(right: Images) -> None:
    assert fault_of_images(right) == ""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(images(), pixels=[1, 2]), "pixels are [1, 2], expected uint8 of shape (N, H, W, 3)"),
        (
            replace(images(), pixels=np.zeros((3, 4, 5, 3), np.float32)),
            "pixels are float32 of shape (3, 4, 5, 3), expected uint8 of shape (N, H, W, 3)",
        ),
        (
            replace(images(), pixels=np.zeros((3, 4, 3), np.uint8)),
            "pixels are uint8 of shape (3, 4, 3), expected uint8 of shape (N, H, W, 3)",
        ),
        (
            replace(images(), pixels=np.zeros((3, 4, 5, 4), np.uint8)),
            "pixels are uint8 of shape (3, 4, 5, 4), expected uint8 of shape (N, H, W, 3)",
        ),
        (
            images(size=(0, 5)),
            "pixels are of shape (3, 0, 5, 3): expected images of at least one pixel",
        ),
        (replace(images(), paths=("0.png",)), "there are 3 images and 1 names: expected as many"),
        (replace(images(), defects=("good",) * 4), "there are 3 images and 4 defect kinds: expected as many"),
        (replace(images(), paths=("0.png", "", "2.png")), "one of the names is '': expected text"),
        (replace(images(), defects=("good", 1, "good")), "one of the defect kinds is 1: expected text"),
        (
            replace(images(), paths=("0.png", "1.png", "1.png")),
            "'1.png' names two images: expected a name for each",
        ),
        (
            images(masks=masks(2)),
            "masks are uint8 of shape (2, 4, 5), expected uint8 of shape (3, 4, 5), as the images have",
        ),
        (
            images(masks=masks().astype(np.float64)),
            "masks are float64 of shape (3, 4, 5), expected uint8 of shape (3, 4, 5), as the images have",
        ),
        (images(masks="none"), "masks are 'none', expected uint8 of shape (3, 4, 5), as the images have"),
        (
            images(facts={"width": np.array([4, 5])}),
            "there are 3 images, and the fact 'width' of 2: expected as many",
        ),
        (images(boxes=np.zeros((3, 5), np.int64)), "boxes are int64 of shape (3, 5), expected (N, 4)"),
        (images(boxes=np.zeros((2, 4), np.int64)), "boxes are int64 of shape (2, 4), expected (N, 4)"),
        *(
            (images(boxes=np.array([[0, 0, 4, 5], box, [0, 0, 4, 5]])), f"'1.png' fills {said} of 4 x 5")
            for box, said in (
                ([0, 0, 5, 5], "rows 0 to 5 and columns 0 to 5"),
                ([0, 0, 4, 6], "rows 0 to 4 and columns 0 to 6"),
                ([-1, 0, 4, 5], "rows -1 to 4 and columns 0 to 5"),
                ([0, -1, 4, 5], "rows 0 to 4 and columns -1 to 5"),
                ([2, 0, 2, 5], "rows 2 to 2 and columns 0 to 5"),
                ([0, 3, 4, 3], "rows 0 to 4 and columns 3 to 3"),
            )
        ),
    ],
)
def test_a_fault_of_images_is_told_with_what_was_expected(wrong: Images, said: str) -> None:
    assert fault_of_images(wrong) == said
    for name in ("train", "test"):
        one = replace(Split(images(), images()), **{name: wrong})
        assert fault_of_split(one) == f"{name}: {said}"


WHOLE = Split(images(), images(defects=("good", "hole", "hole"), masks=masks()), calibration=images(2))


def test_a_split_with_or_without_calibration_and_test_images_has_no_fault() -> None:
    for right in (WHOLE, replace(WHOLE, calibration=None), replace(WHOLE, test=images(0))):
        assert fault_of_split(right) == ""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("a split", "it is 'a split', a str: expected a harness.Split"),
        (replace(WHOLE, train=None), "train is None: expected harness.Images"),
        (replace(WHOLE, test=None), "test is None: expected harness.Images"),
        (replace(WHOLE, calibration=[1]), "calibration is [1]: expected harness.Images"),
        (replace(WHOLE, train=images(0)), "there are no images to fit on: expected at least one"),
        (
            replace(WHOLE, train=images(defects=("good", "hole", "crack"))),
            "train has '1.png' of defect kind 'hole': expected 'good'",
        ),
        (
            replace(WHOLE, calibration=images(2, defects=("good", "hole"))),
            "calibration has '1.png' of defect kind 'hole': expected 'good'",
        ),
        (
            replace(WHOLE, test=images(2, (6, 7))),
            "test has images of 6 x 7 and train of 4 x 5 pixels: expected one size",
        ),
        (replace(WHOLE, test=images(masks=masks(value=255))), "test: the mask of '1.png' has the value 255: expected 0 and 1"),
        (replace(WHOLE, train=images(masks=masks(value=2))), "train: the mask of '1.png' has the value 2: expected 0 and 1"),
    ],
)  # fmt: skip
def test_a_fault_of_a_split_is_told_with_its_place(wrong: Any, said: str) -> None:
    assert fault_of_split(wrong) == said


def test_a_mask_is_found_wrong_wherever_it_lies_among_many() -> None:
    many = np.zeros((150, 2, 2), np.uint8)
    many[140, 1, 0] = 7
    one = Images(np.zeros((150, 2, 2, 3), np.uint8), tuple(f"{at}" for at in range(150)), masks=many)
    assert fault_of_split(replace(WHOLE, train=one, test=images(0), calibration=None)) == (
        "train: the mask of '140' has the value 7: expected 0 and 1"
    )


def test_a_mask_that_is_one_everywhere_is_right() -> None:
    assert fault_of_split(replace(WHOLE, test=images(masks=np.ones((3, 4, 5), np.uint8)))) == ""


def changed(one: Split, part: str, **fields: Any) -> Split:
    return replace(one, **{part: replace(getattr(one, part), **fields)})


def brighter(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels.copy()
    pixels[-1, -1, -1, -1] ^= 1
    return pixels


@pytest.mark.parametrize(
    "change",
    [
        lambda one: changed(one, "train", pixels=brighter(one.train.pixels)),
        lambda one: changed(one, "test", pixels=brighter(one.test.pixels)),
        lambda one: changed(one, "calibration", pixels=brighter(one.calibration.pixels)),
        lambda one: changed(one, "test", masks=1 - one.test.masks),
        lambda one: changed(one, "train", paths=("0.png", "1.png", "3.png")),
        lambda one: changed(one, "test", defects=("good", "hole", "crack")),
        lambda one: replace(one, calibration=None),
        lambda one: replace(one, test=one.test.take(slice(2))),
        lambda one: replace(one, source_hash="f00d"),
    ],
)
def test_the_fingerprint_of_a_split_changes_with_an_image_a_mask_a_name_and_a_label(
    change: Callable[[Split], Split],
) -> None:
    one = Split(WHOLE.train, WHOLE.test, calibration=WHOLE.calibration)
    assert len(one.fingerprint) == 16
    assert one.fingerprint == replace(one, findings=(), depth=12, incomplete="a few").fingerprint
    assert change(one).fingerprint != one.fingerprint


def test_where_a_data_set_knows_a_hash_of_its_content_pixels_are_not_read_for_the_fingerprint() -> None:
    one = replace(WHOLE, source_hash="f00d")
    assert changed(one, "train", pixels=brighter(one.train.pixels)).fingerprint == one.fingerprint
    assert changed(one, "train", paths=("0.png", "1.png", "3.png")).fingerprint != one.fingerprint
    assert replace(one, source_hash="cafe").fingerprint != one.fingerprint


def test_the_fingerprint_of_many_images_is_the_one_that_older_stores_know_them_by() -> None:
    """Made of blocks of 64 images, each followed by its masks: other blocks would give other fingerprints."""
    many = images(70, masks=masks(70))
    assert Split(many, images(0)).fingerprint == "965ce8dfbb2e423c"


def test_images_beyond_the_first_block_count_for_the_fingerprint() -> None:
    def split(last: int) -> Split:
        pixels = np.zeros((70, 1, 1, 3), np.uint8)
        pixels[69] = last
        return Split(Images(pixels, tuple(map(str, range(70)))), images(0, (1, 1)))

    assert split(0).fingerprint != split(1).fingerprint


@pytest.mark.parametrize("chosen", [slice(1, 3), np.array([2, 0])])
def test_of_images_that_are_taken_all_that_is_known_is_taken_along(chosen: slice | np.ndarray) -> None:
    whole = images(defects=("good", "hole", "crack"), masks=masks(), facts={"width": np.array([7, 8, 9])})
    at = [1, 2] if isinstance(chosen, slice) else [2, 0]
    part = whole.take(chosen)
    assert part.paths == tuple(f"{index}.png" for index in at)
    assert part.defects == tuple(whole.defects[index] for index in at)
    assert (part.pixels == whole.pixels[at]).all()
    assert (part.masks == masks()[at]).all()
    assert part.facts["width"].tolist() == [7 + index for index in at]
    assert part.labels.tolist() == [index > 0 for index in at]
    assert replace(whole, masks=None).take(chosen).masks is None


def test_without_defect_kinds_all_images_are_good() -> None:
    assert images().defects == ("good",) * 3
    assert not images().labels.any()
