"""What each defect paints for given seeds: certificates are computed again from them, and must come out again."""

from __future__ import annotations

import numpy as np
import pytest

from harness import Defect
from harness_defects.lines import Crack, Scratch, _turned
from harness_defects.painting import _centre, blob, drawn
from harness_defects.patches import ForeignTexture, MissingPiece, Spot, Stain


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A dark, coloured part on a light ground, in a photo that is wider than high."""
    random = np.random.default_rng(0)
    y, x = np.ogrid[:48, :80]
    part = np.hypot((y - 26) / 18, (x - 34) / 30) < 1
    pixels = np.where(part[..., None], np.array([60, 110, 90]) + random.normal(0, 6, (48, 80, 3)), [230, 220, 240])
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8), part


@pytest.mark.parametrize(
    ("kind", "covered", "y", "x", "change"),
    [
        (Scratch, 19.2, 32.0, 35.5, (2152, 2144, 2152)),
        (Spot, 138.2, 32.7, 35.8, (19131, 18334, 19124)),
        (Crack, 29.2, 30.1, 36.2, (-773, -1424, -1171)),
        (Stain, 196.3, 28.2, 33.5, (822, -1054, -197)),
        (MissingPiece, 164.5, 28.2, 33.7, (15356, 9962, 13546)),
        (ForeignTexture, 157.2, 28.3, 33.9, (8580, 5380, 7219)),
    ],
)
def test_a_seed_paints_the_same_defect_at_the_same_place(
    kind: type[Defect], covered: float, y: float, x: float, change: tuple[float, ...]
) -> None:
    pixels, part = scene()
    found = []
    for seed in range(6):
        painted, mask = kind(size=0.3, contrast=0.6).paint(pixels, part, np.random.default_rng(seed))
        found.append([mask.sum(), *np.argwhere(mask).mean(axis=0), *(painted.astype(float) - pixels).sum(axis=(0, 1))])
    means = np.mean(found, axis=0)
    assert means[:3] == pytest.approx([covered, y, x], abs=0.06)
    assert means[3:] == pytest.approx(change, rel=0.002, abs=1)


def test_a_spot_is_brighter_on_what_is_dark_and_darker_on_what_is_light() -> None:
    everywhere = np.ones((32, 40), dtype=bool)
    for level, contrast, becomes in ((60, 0.2, 111), (200, 0.2, 149), (127, 1.0, 255), (128, 1.0, 0), (90, 0.0, 90)):
        pixels = np.full((32, 40, 3), level, np.uint8)
        painted, mask = Spot(size=0.4, contrast=contrast).paint(pixels, everywhere, np.random.default_rng(3))
        assert set(np.unique(painted[~mask])) <= set(range(min(level, becomes), max(level, becomes) + 1))
        assert np.median(painted[mask]) == becomes


def test_a_missing_piece_shows_the_border_or_a_dark_hole_where_the_part_fills_the_photo() -> None:
    pixels, part = scene()
    painted, mask = MissingPiece(size=0.3, contrast=1.0).paint(pixels, part, np.random.default_rng(0))
    assert np.median(painted[mask], axis=0).tolist() == [230, 220, 240]
    full = np.full((40, 40, 3), 120, np.uint8)
    full[3:37, 3:37] = 121
    hole, mask = MissingPiece(size=0.3, contrast=1.0).paint(full, np.ones((40, 40), bool), np.random.default_rng(0))
    assert np.median(hole[mask]) == 0
    inside = np.zeros((40, 40), bool)
    inside[15:25, 15:25] = True
    for apart, gone in ((19, 0), (21, 120)):
        full[2:38, 2:38] = 120 - apart
        hole, mask = MissingPiece(size=0.2, contrast=1.0).paint(full, inside, np.random.default_rng(1))
        assert abs(float(np.median(hole[mask])) - gone) <= 1


def test_a_foreign_texture_has_the_photo_s_own_colours_in_another_grain() -> None:
    random = np.random.default_rng(1)
    pixels = np.clip(random.normal((60, 120, 180), 8, (64, 64, 3)), 0, 255).astype(np.uint8)
    painted, mask = ForeignTexture(size=0.6, contrast=1.0).paint(pixels, np.ones((64, 64), bool), random)
    assert painted[mask].mean(axis=0) == pytest.approx([60, 120, 180], abs=6)
    steps = np.abs(np.diff(painted.astype(float), axis=1))[mask[:, 1:]].mean()
    assert steps < 1.2 * np.abs(np.diff(pixels.astype(float), axis=1)).mean(), "it is smoother than it is strong"


def test_a_blob_lies_at_its_centre_has_its_radius_and_a_soft_border() -> None:
    cover = blob((12.0, 40.0), (48, 64), 8.0, 0.0, np.random.default_rng(0))
    assert cover.dtype == np.float32
    assert (float(cover.min()), float(cover.max())) == (0, 1)
    weight = cover / cover.sum()
    y, x = np.mgrid[:48, :64]
    assert ((weight * y).sum(), (weight * x).sum()) == pytest.approx((12, 40), abs=0.05)
    assert (cover[12] > 0.5).sum() == pytest.approx(16, abs=1), "8 to either side"
    column = (cover[:, 40] > 0.5).sum()
    assert 0.6 * 16 - 1 <= column <= 16, "it may be flatter than it is wide"
    assert ((cover[12] > 0) & (cover[12] < 1)).sum() <= 4, "two pixels on each side"


def test_a_rough_blob_keeps_a_third_of_its_radius_everywhere() -> None:
    for seed in range(30):
        cover = blob((32.0, 32.0), (64, 64), 20.0, 3.0, np.random.default_rng(seed))
        assert cover[32, 28:37].min() == 1


def test_points_of_a_line_turn_around_its_centre() -> None:
    along, across = np.array([-1.0, 0.0, 2.0]), np.array([0.0, 1.0, 0.0])
    assert _turned((10.0, 5.0), along, across, 0.0).tolist() == [[4, 10], [5, 11], [7, 10]]
    assert _turned((10.0, 5.0), along, across, np.pi / 2) == pytest.approx(np.array([[5, 9], [4, 10], [5, 12]]))


def test_a_line_is_drawn_in_its_width_with_a_smooth_border() -> None:
    cover = drawn((20, 30), [(5, 10), (25, 10)], 3)
    assert cover.shape == (20, 30)
    assert cover.max() == 1
    assert cover[:, 15].sum() == pytest.approx(3, abs=0.3)
    assert cover[10].sum() == pytest.approx(20, abs=0.6)
    assert drawn((20, 30), [(5, 10), (25, 10)], 0).sum() > 4, "a line is never too thin to be seen"


def test_a_centre_lies_on_the_part_and_anywhere_where_there_is_none() -> None:
    part = np.zeros((6, 9), dtype=bool)
    part[4, 7] = True
    assert _centre(part, np.random.default_rng(0)) == (4.0, 7.0)
    part[1, 2] = True
    places = {_centre(part, np.random.default_rng(seed)) for seed in range(20)}
    assert places == {(4.0, 7.0), (1.0, 2.0)}
    nowhere = {_centre(np.zeros((2, 3), dtype=bool), np.random.default_rng(seed)) for seed in range(60)}
    assert nowhere == {(float(y), float(x)) for y in range(2) for x in range(3)}


@pytest.mark.parametrize(("size", "contrast"), [(0, 0.5), (-1, 0.5), (1.01, 0.5), (0.5, -0.01), (0.5, 1.01)])
def test_sizes_and_contrasts_out_of_range_are_refused_with_what_was_expected(size: float, contrast: float) -> None:
    said = f"size is {size:g}, expected a share of the image's side above 0 and up to 1"
    said = said if contrast == 0.5 else f"contrast is {contrast:g}, expected a number from 0 to 1"
    with pytest.raises(ValueError, match=f"^{said}$"):
        Stain(size=size, contrast=contrast)
    for kind in (Spot, Crack, Stain):
        assert kind(size=1.0, contrast=1.0).size == kind(size=1.0, contrast=0.0).size == 1
    assert (Spot().size, Spot().contrast) == (0.1, 0.5)
