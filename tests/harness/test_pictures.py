from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness import Images
from harness.trials.pictures import LEVELS, MAP_PIXELS, MAP_SIDE, Shrinker, pack_mask, shrink, thumbnails, unpack_mask


@given(height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 50), seed=st.integers(0, 9))
def test_shrinking_keeps_the_range_and_a_constant_and_is_never_longer_than_asked(
    height: int, width: int, side: int, seed: int
) -> None:
    maps = np.random.default_rng(seed).random((2, height, width), dtype=np.float32)
    small = shrink(maps, side)
    assert small.shape == (2, min(side, height), min(side, width))
    assert small.min() >= maps.min() - 1e-6
    assert small.max() <= maps.max() + 1e-6
    assert shrink(np.full_like(maps, 0.25), side) == pytest.approx(0.25)


def test_cells_that_divide_the_map_are_its_block_means() -> None:
    maps = np.random.default_rng(0).random((3, 32, 64), dtype=np.float32)
    assert shrink(maps, 16) == pytest.approx(
        maps.reshape(3, 16, 2, 16, 4).mean(axis=(2, 4)), abs=1e-6
    )  # halves one way, quarters the other


def test_maps_are_kept_coarse_with_the_largest_error_as_the_last_level() -> None:
    shrinker = Shrinker(3)
    maps = np.zeros((3, 256, 256), np.float32)
    maps[1, :8, :8], maps[2, 100:120, 100:120] = 4.0, 1.0
    shrinker.add(maps[:2])
    shrinker.add(maps[2:])
    kept = shrinker.result()
    assert kept is not None
    assert kept.values.shape == (3, MAP_SIDE, MAP_SIDE)
    assert kept.values.dtype == np.uint8
    assert kept.largest == 4.0
    assert kept.values[0].max() == 0
    assert kept.values[1, 0, 0] == LEVELS - 1
    assert kept.values[2, 27, 27] == round(0.5 * (LEVELS - 1)), "half the root of a quarter of the largest error"


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_a_map_of_few_pixels_is_kept_as_one_pixel_at_least(shape: tuple[int, int]) -> None:
    shrinker = Shrinker(1)
    shrinker.add(np.ones((1, *shape), np.float32))
    kept = shrinker.result()
    assert kept is not None
    assert kept.values.shape == (1, 1, 1)
    assert kept.values.item() == LEVELS - 1


def test_a_small_image_has_maps_of_half_its_side_and_a_large_test_set_coarser_ones() -> None:
    small, many = Shrinker(1), Shrinker(64_000)
    small.add(np.ones((1, 64, 64), np.float32))
    many.add(np.ones((1, 256, 256), np.float32))
    first, second = small.result(), many.result()
    assert first is not None
    assert second is not None
    assert first.values.shape == (1, 32, 32)
    assert second.values.shape[1] ** 2 * 64_000 <= MAP_PIXELS


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_not_kept(value: float) -> None:
    shrinker = Shrinker(1)
    shrinker.add(np.full((1, 16, 16), value))
    assert shrinker.result() is None


def test_a_model_without_maps_leaves_none() -> None:
    assert Shrinker(5).result() is None


def test_constant_maps_of_no_error_are_kept() -> None:
    shrinker = Shrinker(1)
    shrinker.add(np.zeros((1, 16, 16)))
    kept = shrinker.result()
    assert kept is not None
    assert not kept.values.any()


def test_thumbnails_are_small_jpegs_with_masks_of_their_size() -> None:
    pixels = np.zeros((2, 256, 256, 3), np.uint8)
    pixels[..., 0] = 200
    masks = np.zeros((2, 256, 256), np.uint8)
    masks[1, 64:128] = 1
    plain, marked = thumbnails(Images(pixels, ("a", "b"), ("good", "cut"), masks))
    shown = Image.open(io.BytesIO(plain.jpeg))
    assert shown.size == (128, 128)
    assert np.abs(np.asarray(shown).astype(int) - [200, 0, 0]).max() <= 4
    assert plain.mask is not None
    assert not plain.mask.any()
    assert marked.mask is not None
    assert marked.mask[32:64].all()
    assert marked.mask.sum() == 32 * 128


def test_images_without_masks_have_thumbnails_without() -> None:
    (small,) = thumbnails(Images(np.zeros((1, 16, 16, 3), np.uint8), ("a",)))
    assert small.mask is None
    assert Image.open(io.BytesIO(small.jpeg)).size == (16, 16)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 9))
def test_a_packed_mask_comes_back_equal(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) > 0.5
    back = unpack_mask(pack_mask(mask))
    assert back is not None
    assert np.array_equal(back, mask)


def test_no_mask_comes_back_as_none() -> None:
    assert unpack_mask(pack_mask(None)) is None
