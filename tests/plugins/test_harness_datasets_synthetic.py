"""Drawn objects: the same from the same seed, defective where the mask says and nowhere else, plain to see."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from harness import GOOD, Dataset, Part, UsageError
from harness.plugin.registry import Registry
from harness.testing import Check, parametrize_with_checks
from harness_datasets.synthetic import DRAWINGS, VERSION, Synthetic, picture

KINDS = [(category, kind) for category, drawing in DRAWINGS.items() for kind in drawing.DEFECTS]
SMALL = Synthetic(n_train=2, n_test_good=1, n_test_defective=3)


@parametrize_with_checks([SMALL])
def test_keeps_the_contract(part: Part, check: Check) -> None:
    check(part)


def test_there_are_the_five_categories_of_the_paper() -> None:
    assert SMALL.categories() == ("bottle", "hazelnut", "pill", "screw", "tile")


@pytest.mark.parametrize("category", DRAWINGS)
def test_the_numbers_of_images_are_options_and_defects_are_shared_out(category: str) -> None:
    split = Synthetic(n_train=3, n_test_good=2, n_test_defective=7).load(category, 16)
    assert (len(split.train), len(split.test), int(split.test.labels.sum())) == (3, 9, 7)
    kinds = DRAWINGS[category].DEFECTS
    counts = [split.test.defects.count(kind) for kind in kinds]
    assert max(counts) - min(counts) <= 1
    assert len(kinds) >= 3
    assert split.test.paths[0] == "test/good/000.png"


@pytest.mark.parametrize("category", DRAWINGS)
def test_the_seed_alone_decides(category: str) -> None:
    first, again, other = (Synthetic(seed, 2, 1, 2).load(category, 32) for seed in (7, 7, 8))
    assert (first.train.pixels == again.train.pixels).all()
    assert (first.test.pixels == again.test.pixels).all()
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert (first.train.pixels != other.train.pixels).any(axis=(1, 2, 3)).all()


def test_more_images_leave_the_first_ones_as_they_were() -> None:
    few, many = (Synthetic(n_train=n, n_test_good=1, n_test_defective=1).load("pill", 32) for n in (2, 5))
    assert (few.train.pixels == many.train.pixels[:2]).all()


@pytest.mark.parametrize("category", DRAWINGS)
def test_normal_images_differ_from_each_other_and_between_the_splits(category: str) -> None:
    split = SMALL.load(category, 32)
    normal = np.concatenate([split.train.pixels, split.test.pixels[:1]]).astype(float)
    for index, image in enumerate(normal):
        others = np.delete(normal, index, axis=0)
        assert abs(others - image).mean(axis=(1, 2, 3)).min() > 1.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("category", "kind"), KINDS)
def test_a_defect_lies_within_its_mask_and_can_be_seen_there(category: str, kind: str, seed: int) -> None:
    pixels, mask = picture(category, kind, (seed,), 64)
    twin, none = picture(category, GOOD, (seed,), 64)
    change = abs(pixels.astype(int) - twin).max(axis=2)
    inside = mask.astype(bool)
    assert not none.any()
    assert set(np.unique(mask)) == {0, 1}
    assert inside.sum() >= 6
    assert change[inside].mean() > 15
    edge = binary_dilation(inside, np.ones((3, 3), bool))  # a pixel that is less than a quarter defect
    shadow = 10 if category == "screw" else 0  # a bent screw's shadow bends too, hardly to be seen
    assert change[~edge].max() <= shadow
    assert change[~inside].mean() < 0.5


@pytest.mark.parametrize("category", DRAWINGS)
def test_an_object_is_the_same_at_every_size(category: str) -> None:
    kind = DRAWINGS[category].DEFECTS[0]
    small, small_mask = picture(category, kind, (3,), 64)
    large, large_mask = picture(category, kind, (3,), 256)
    reduced = np.asarray(Image.fromarray(large).reduce(4)).astype(int)
    assert abs(reduced - small).mean() < 4.5
    assert abs(large_mask.mean() - small_mask.mean()) < 0.01
    assert SMALL.load(category, 32).fingerprint == SMALL.load(category, 48).fingerprint


MEAN_COLOURS = {
    "bottle": (122.46, 113.19, 106.67),
    "hazelnut": (46.74, 34.57, 26.51),
    "pill": (83.31, 79.54, 74.93),
    "screw": (170.47, 171.31, 173.33),
    "tile": (172.88, 160.71, 153.05),
}


@pytest.mark.parametrize("category", DRAWINGS)
def test_drawings_that_change_must_raise_their_version(category: str) -> None:
    drawn = [picture(category, kind, (1,), 32)[0] for kind in (GOOD, *DRAWINGS[category].DEFECTS)]
    mean = np.mean(drawn, axis=(0, 1, 2))
    assert VERSION == 1
    assert mean == pytest.approx(MEAN_COLOURS[category], abs=0.02), "raise VERSION, and note the new mean colour here"


@pytest.mark.parametrize("text", ["synthetic[n_train=0]", "synthetic[seed=-1]", "synthetic[n_test_defective=0]"])
def test_impossible_options_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected at least"):
        Registry.discover(environ={"HARNESS_PLUGINS": ""}).make(Dataset, text)


def test_an_unknown_category_is_answered_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"no category 'botle'\. Did you mean 'bottle'\?"):
        SMALL.load("botle", 32)
