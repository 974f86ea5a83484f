"""Corruptions do what their names say, by as much as they say, and the same for the same seed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import Corruption, spell
from harness.plugin.registry import Registry
from harness.testing import attempt, checks_for
from harness_corruptions.camera import Defocus, Dust, Jpeg, MotionBlur, Noise
from harness_corruptions.light import Brightness, Colour, Contrast
from harness_corruptions.mounting import Rotation, Scale, Shift

KINDS = [Brightness, Contrast, Colour, Defocus, MotionBlur, Noise, Jpeg, Shift, Rotation, Scale, Dust]


def photo(size: int = 128) -> np.ndarray:
    """A bright square before a grey ground."""
    pixels = np.full((size, size, 3), 90, np.uint8)
    pixels[size // 4 : size // 2, size // 4 : size // 2] = 180
    return pixels


def changed(corruption: Corruption, seed: int = 0, size: int = 128) -> np.ndarray:
    return corruption.apply(photo(size), np.random.default_rng(seed)).astype(float)


def middle(pixels: np.ndarray) -> np.ndarray:
    """Where the light of the square lies: its centre as y and x."""
    light = np.clip(pixels.mean(axis=2) - 90, 0, None)
    return np.array([(light * axis).sum() / light.sum() for axis in np.indices(light.shape)])


def test_all_are_offered() -> None:
    assert set(Registry.discover().offers(Corruption)) >= {kind.name for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("severity", [1, 5])
def test_each_keeps_the_contract_at_either_end(kind: type[Corruption], severity: int) -> None:
    part = kind(severity=severity)
    for check in checks_for(part):
        outcome = attempt(check, part)
        assert outcome.status == "passed", f"{spell(part)} {check.__name__}: {outcome.reason}"


@given(
    kind=st.sampled_from(KINDS),
    severity=st.integers(1, 5),
    shape=st.tuples(st.integers(16, 70), st.integers(16, 70)),
    seed=st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_any_photo_stays_a_photo_and_says_how_much_it_changed(
    kind: type[Corruption], severity: int, shape: tuple[int, int], seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    one = kind(severity=severity)
    found = one.apply(pixels, np.random.default_rng(seed))
    assert found.shape == pixels.shape
    assert found.dtype == np.uint8
    assert "{" not in one.amount
    assert any(letter.isdigit() for letter in one.amount)


@pytest.mark.parametrize("severity", [0, 6, -1])
def test_other_severities_are_refused(severity: int) -> None:
    with pytest.raises(ValueError, match=f"severity is {severity}, expected 1 to 5"):
        Noise(severity=severity)


def test_light_moves_grey_levels_as_far_as_is_said() -> None:
    assert changed(Brightness(severity=3, towards="brighter"))[0, 0, 0] == 108, "20 % above 90"
    assert changed(Brightness(severity=3, towards="darker"))[0, 0, 0] == 72
    assert Brightness(severity=3).amount == "20 % brighter or darker"
    warm, cool = (changed(Colour(severity=3, towards=one))[0, 0] for one in ("warmer", "cooler"))
    assert warm.tolist() == [99, 90, 81]
    assert cool.tolist() == [81, 90, 99]
    flat = changed(Contrast(severity=4))
    assert flat[40, 40, 0] - flat[0, 0, 0] == 45, "half of 180 - 90"
    assert flat.mean() == pytest.approx(photo().mean(), abs=0.5)


def test_either_direction_comes_about_as_often() -> None:
    brighter = [changed(Brightness(), seed, 16).mean() > photo(16).mean() for seed in range(40)]
    assert 10 < sum(brighter) < 30


def test_noise_is_as_strong_as_is_said_and_grows_with_the_light() -> None:
    noisy = Noise(severity=3).apply(np.full((128, 128, 3), 128, np.uint8), np.random.default_rng(0))
    assert noisy.std() == pytest.approx(8, rel=0.05)
    dark = Noise(severity=3).apply(np.full((128, 128, 3), 40, np.uint8), np.random.default_rng(0))
    assert dark.std() < 0.75 * noisy.std()


def test_blurs_spread_light_and_keep_it() -> None:
    point = np.zeros((65, 65, 3), np.uint8)
    point[32, 32] = 255
    for one, reach in ((Defocus(severity=5), 1.3), (MotionBlur(severity=5), 2.2)):
        spread = one.apply(point, np.random.default_rng(1)).astype(float)[..., 0]
        far = max(abs(np.argwhere(spread > 2) - 32).ravel())
        assert far >= reach - 1
        assert far <= reach + 1
        assert spread.sum() == pytest.approx(255, rel=0.05)
    line = MotionBlur(severity=5).apply(point, np.random.default_rng(1)).astype(float)[..., 0]
    y, x = np.argwhere(line > 5).T
    assert np.linalg.eigvalsh(np.cov(y, x)).max() > 4 * np.linalg.eigvalsh(np.cov(y, x)).min(), "a line, not a disc"


def test_the_part_moves_turns_and_grows_as_far_as_is_said() -> None:
    start = middle(photo())
    for severity, share in zip(range(1, 6), Shift.amounts, strict=True):
        moved = middle(changed(Shift(severity=severity), seed=severity))
        assert np.hypot(*(moved - start)) == pytest.approx(share / 100 * 128, abs=0.1)
    centre = np.array([63.5, 63.5])
    turned = middle(changed(Rotation(severity=4))) - centre
    angle = np.arccos(turned @ (start - centre) / np.linalg.norm(turned) / np.linalg.norm(start - centre))
    assert np.rad2deg(angle) == pytest.approx(10, abs=0.3)
    across = Rotation(severity=4, towards="clockwise"), Rotation(severity=4, towards="anticlockwise")
    assert not np.array_equal(changed(across[0]), changed(across[1]))
    for towards, factor in (("larger", 1.15), ("smaller", 0.85)):
        scaled = changed(Scale(severity=5, towards=towards))
        light = [(one.mean(axis=2) - 90).clip(0).sum() for one in (scaled, photo())]
        assert light[0] / light[1] == pytest.approx(factor**2, rel=0.03)


def test_a_turn_clockwise_is_one_for_who_looks_at_it() -> None:
    pixels = np.zeros((65, 65, 3), np.uint8)
    pixels[4:12, 28:37] = 200  # at the top
    turned = Rotation(severity=5, towards="clockwise").apply(pixels, np.random.default_rng(0)).astype(float)
    assert (turned.mean(axis=2) * np.arange(65)).sum() / turned.mean(axis=2).sum() > 32, "what was on top goes right"


def test_jpeg_and_dust_are_what_they_say() -> None:
    assert Jpeg(severity=5).amount == "quality 7"
    pixels = np.full((128, 128, 3), 200, np.uint8)
    few, many = (Dust(severity=one).apply(pixels, np.random.default_rng(0)) for one in (1, 5))
    assert (many < 200).sum() > 5 * (few < 200).sum() > 0
    assert few.max() == 200, "it darkens, and nothing else"


def test_an_option_does_not_get_lost_when_the_severity_changes() -> None:
    one = dataclasses.replace(Brightness(towards="darker"), severity=5)
    assert spell(one) == "brightness[severity=5,towards=darker]"


def test_a_corruption_that_breaks_the_contract_is_told_so() -> None:
    @dataclasses.dataclass
    class Careless(Corruption):
        name = "careless"
        severity: int = 3

        def apply(self, pixels, random):
            pixels[0, 0] = np.random.default_rng().integers(256)
            return pixels[:-1] // (7 - self.severity)

    outcomes = {check.__name__: attempt(check, Careless()) for check in checks_for(Careless())}
    failed = {name for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert failed >= {
        "check_severity_is_an_option",
        "check_gives_a_photo_of_the_same_form",
        "check_leaves_the_photo_unchanged",
    }
