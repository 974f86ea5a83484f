"""Cutting images into tiles and joining their maps: every pixel is covered, and no seam is seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.images.tiles import Joined, Tiling, starts, weights


@st.composite
def sides(draw: st.DrawFn) -> tuple[int, int, int]:
    """A length, a tile that is not longer, and an overlap of at most half of it."""
    tile = draw(st.integers(1, 40))
    return draw(st.integers(tile, 200)), tile, draw(st.integers(0, tile // 2))


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Tiling, int, int]:
    """A way to cut, and the height and width of an image."""
    tile = draw(st.integers(1, 24))
    tiling = Tiling(tile, draw(st.integers(0, tile // 2)))
    return tiling, draw(st.integers(tile, 70)), draw(st.integers(tile, 70))


def joined(tiling: Tiling, image: np.ndarray) -> np.ndarray:
    """What comes of an image whose tiles are their own maps."""
    whole = Joined(tiling, *image.shape, dtype=np.float64)
    corners = tiling.corners(*image.shape)
    for corner, tile in zip(corners, tiling.cut(image, corners), strict=True):
        whole.add(corner, tile)
    return whole.map


@given(sides())
def test_tiles_begin_at_the_first_pixel_end_at_the_last_and_share_at_least_the_overlap(asked: tuple[int, int, int]):
    length, tile, overlap = asked
    begin = starts(*asked)
    assert begin[0] == 0
    assert begin[-1] + tile == length
    shared = [first + tile - second for first, second in pairwise(begin)]
    assert all(overlap <= pixels < tile for pixels in shared)


@given(sides())
def test_no_tile_more_is_cut_than_the_overlap_asks_for(asked: tuple[int, int, int]):
    length, tile, overlap = asked
    one_less = len(starts(*asked)) - 1
    assert one_less == 0 or one_less * tile - (one_less - 1) * overlap < length


@given(sides())
def test_weights_add_up_to_one_at_every_pixel(asked: tuple[int, int, int]):
    length, tile, _ = asked
    total = np.zeros(length)
    for start, row in zip(starts(*asked), weights(*asked), strict=True):
        assert (row >= 0).all()
        total[start : start + tile] += row
    np.testing.assert_allclose(total, 1, atol=1e-12)


@given(cuts())
def test_every_pixel_is_covered_and_a_constant_map_stays_constant(cut: tuple[Tiling, int, int]):
    tiling, height, width = cut
    np.testing.assert_allclose(joined(tiling, np.ones((height, width))), 1, atol=1e-12)


@given(cuts())
def test_a_linear_ramp_has_no_seams(cut: tuple[Tiling, int, int]):
    tiling, height, width = cut
    ramp = np.add.outer(3.0 * np.arange(height), 2.0 * np.arange(width))
    np.testing.assert_allclose(joined(tiling, ramp), ramp, atol=1e-9)


@given(st.integers(8, 40), st.integers(2, 4))
def test_tiles_that_disagree_pass_into_one_another_without_a_step(tile: int, times: int):
    tiling = Tiling(tile, tile // 2)
    length = tile * times
    whole = Joined(tiling, tile, length, dtype=np.float64)
    for index, corner in enumerate(tiling.corners(tile, length)):
        whole.add(corner, np.full((tile, tile), float(index % 2)))  # neighbours are 0 and 1
    assert np.abs(np.diff(whole.map, axis=1)).max() <= np.pi / (2 * (tile // 2)) + 1e-9  # the steepest that sin² is


def test_the_middle_of_a_lone_tile_and_the_borders_of_the_image_keep_their_full_weight():
    window = weights(96, 64, 32)
    assert window[0][:32].tolist() == [1.0] * 32
    assert window[1][-32:].tolist() == [1.0] * 32
    assert window[0][63] < 0.01
    assert window[1][0] < 0.01


def test_an_image_smaller_than_a_tile_is_refused():
    with pytest.raises(ValueError, match="a tile of 64 pixels is longer than a side of 63"):
        Tiling(64, 16).corners(63, 64)


@pytest.mark.parametrize("overlap", [-1, 33])
def test_an_overlap_that_is_none_or_more_than_half_a_tile_is_refused(overlap: int):
    with pytest.raises(UsageError, match=f"an overlap of {overlap} pixels: expected 0 to 32, half a tile of 64"):
        Tiling(64, overlap)
