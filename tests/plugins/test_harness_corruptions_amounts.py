"""What each severity does to one photo: certificates are computed again from it, and must come out again."""

from __future__ import annotations

import numpy as np
import pytest

from harness import Corruption
from harness_corruptions import harness_corruptions
from harness_corruptions.camera import _spread
from harness_corruptions.graded import rounded, sign
from harness_corruptions.mounting import _moved

CHANGES = {
    "brightness": ("{} % brighter or darker", (5, 10, 20, 35, 60), (8.59, 17.53, 32.12, 46.16, 66.94)),
    "contrast": ("{} % less contrast", (10, 20, 35, 50, 70), (5.02, 10.06, 17.98, 25.67, 36.35)),
    "colour": ("{} % warmer or cooler", (3, 6, 10, 17, 28), (3.46, 6.72, 11.68, 18.4, 27.11)),
    "defocus": ("a disc of {} % of the side", (0.5, 1, 1.7, 2.6, 4), (0.26, 0.5, 0.94, 1.45, 2.16)),
    "motion_blur": ("a line of {} % of the side", (0.7, 1.5, 2.5, 4, 6.5), (0.29, 0.62, 1.08, 1.71, 2.71)),
    "noise": ("a deviation of {} grey levels", (2, 4, 8, 14, 24), (1.76, 3.55, 7.12, 12.37, 20.46)),
    "jpeg": ("quality {}", (80, 55, 30, 15, 7), (4.57, 5.59, 7.0, 8.84, 12.51)),
    "shift": ("{} % of the side", (0.5, 1, 2, 4, 8), (1.14, 2.29, 4.44, 8.5, 16.16)),
    "rotation": ("{}°", (1, 2, 5, 10, 20), (1.17, 2.12, 4.04, 7.14, 12.79)),
    "scale": ("{} % larger or smaller", (1, 2, 4, 8, 15), (1.04, 2.12, 4.23, 8.4, 15.68)),
    "dust": ("{} specks", (2, 5, 10, 20, 40), (0.14, 0.37, 0.81, 1.67, 3.27)),
}
"""How the amount is worded, the amounts, and by how many grey levels a photo changes in the mean over three seeds."""


def photo() -> np.ndarray:
    """A coloured part with stripes on a light ground, wider than high."""
    y, x = np.ogrid[:40, :56]
    part = np.hypot((y - 22) / 14, (x - 25) / 20) < 1
    stripes = 25 * np.sin(x / 2 + y / 5)
    colours = np.array([60, 110, 150]) + stripes[..., None]
    return rounded(np.where(part[..., None], colours, [225, 215, 205]))


@pytest.mark.parametrize("kind", list(harness_corruptions()), ids=lambda kind: kind.name)
def test_a_severity_is_an_amount_in_words_and_changes_a_photo_by_as_much(kind: type[Corruption]) -> None:
    words, amounts, changes = CHANGES[kind.name]
    assert [kind(severity=one).amount for one in range(1, 6)] == [words.format(f"{one:g}") for one in amounts]
    before = photo()
    for severity, change in enumerate(changes, 1):
        after = [kind(severity=severity).apply(before, np.random.default_rng(seed)) for seed in range(3)]
        moved = float(np.abs(np.array(after).astype(float) - before).mean())
        assert moved == pytest.approx(change, rel=0.1 if kind.name == "jpeg" else 0.004, abs=0.006)
    assert kind().severity == 3


def test_a_moved_photo_comes_from_where_it_is_said_to() -> None:
    pixels = np.zeros((7, 9, 3), np.uint8)
    pixels[2, 3] = 200
    down = _moved(pixels, np.eye(2), np.array([2.0, 1.0]))
    assert np.argwhere(down[..., 0]).tolist() == [[4, 4]]
    turned = _moved(pixels, np.array([[-1.0, 0.0], [0.0, -1.0]]), np.zeros(2))
    assert np.argwhere(turned[..., 2]).tolist() == [[4, 5]], "about the centre"
    half = _moved(pixels, np.eye(2), np.array([0.5, 0.0]))
    assert half[2:4, 3, 0].tolist() == [100, 100]


def test_a_point_becomes_the_points_that_are_asked_for() -> None:
    pixels = np.zeros((9, 9, 3), np.uint8)
    pixels[4, 4] = 200
    spread = _spread(pixels, np.array([[0.0, 0.0], [1.0, 0.0], [0.0, -1.5], [0.0, -1.5]]))
    found = {(y, x): int(spread[y, x, 1]) for y, x in np.argwhere(spread[..., 1]).tolist()}
    assert found in (
        {(4, 4): 50, (5, 4): 50, (4, 3): 50, (4, 2): 50}, {(4, 4): 50, (3, 4): 50, (4, 5): 50, (4, 6): 50}
    ), "its mirror image is as good for what is symmetrical"  # fmt: skip


def test_a_direction_is_as_asked_or_drawn_and_draws_alike() -> None:
    def drawn(towards: str) -> tuple[set[int], float]:
        randoms = [np.random.default_rng(seed) for seed in range(20)]
        return {sign(one, towards, "up", "down") for one in randoms}, float(randoms[0].random())

    assert (drawn("up")[0], drawn("down")[0], drawn("either")[0]) == ({1}, {-1}, {1, -1})
    assert drawn("up")[1] == drawn("either")[1], "what is drawn afterwards is the same"


def test_grey_levels_are_rounded_and_stay_in_range() -> None:
    values = rounded(np.array([-3.0, 0.4, 0.6, 254.6, 300.0]))
    assert (values.tolist(), values.dtype) == ([0, 0, 1, 255, 255], np.uint8)


@pytest.mark.parametrize("severity", [0, 6, -1])
def test_a_severity_that_there_is_not_is_quoted(severity: int) -> None:
    for kind in harness_corruptions():
        with pytest.raises(ValueError, match=f"^severity is {severity}, expected 1 to 5$"):
            kind(severity=severity)
