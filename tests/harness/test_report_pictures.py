from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.report.pictures import SHEETS_BYTES, affordable, outline, sheet
from harness.trials.pictures import LEVELS, Maps


def inside(path: str, height: int, width: int) -> np.ndarray:
    """What an outline goes around: its vertical lines turn inside to outside and back along each row."""
    turns = np.zeros((height, width + 1), dtype=int)
    for x, y, n in re.findall(r"M(\d+) (\d+)v(\d+)", path):
        turns[int(y) : int(y) + int(n), int(x)] += 1
    return np.cumsum(turns, axis=1)[:, :-1] % 2 == 1


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_an_outline_goes_around_the_mask_and_nothing_else(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) > 0.6
    assert np.array_equal(inside(outline(mask), height, width), mask)
    turned = outline(mask.T).replace("v", "H").replace("h", "v").replace("H", "h")
    assert sorted(re.findall(r"M\d+ \d+h\d+", outline(mask))) == sorted(
        f"M{y} {x}h{n}" for x, y, n in re.findall(r"M(\d+) (\d+)h(\d+)", turned)
    ), "its horizontal lines are the vertical ones of the mask turned over"


def test_an_empty_mask_has_no_outline() -> None:
    assert outline(np.zeros((4, 4), dtype=bool)) == ""


def test_a_sheet_holds_each_chosen_map_in_its_own_place() -> None:
    values = np.zeros((7, 64, 64), np.uint8)
    for at in range(7):
        values[at] = at * 4
    made = sheet(Maps(values, 0.5), np.array([1, 3, 4, 6]), 64)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(made["uri"].partition(",")[2]))))
    assert made["images"] == [1, 3, 4, 6]
    assert made["largest"] == 0.5
    for place, at in enumerate(made["images"]):
        top, left = place // made["columns"] * made["step"], place % made["columns"] * made["step"]
        tile = pixels[top : top + made["height"], left : left + made["width"]]
        assert np.abs(tile.astype(int) - at * 4 * 255 / (LEVELS - 1)).max() <= 3


@pytest.mark.parametrize(("trials", "images"), [(1, 30), (60, 83), (1000, 83), (20_000, 100)])
def test_maps_fit_into_a_page_whatever_the_number_of_trials(trials: int, images: int) -> None:
    side, most = affordable([images] * trials)
    assert most >= 6
    assert trials * min(most, images) * side**2 * 0.25 <= max(SHEETS_BYTES, trials * 6 * side**2 * 0.25)


def test_a_small_page_has_every_map_in_full() -> None:
    assert affordable([26, 83, 26]) == (64, 83)
    assert affordable([]) == (64, 0)
