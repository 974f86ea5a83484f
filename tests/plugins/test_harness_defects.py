"""Synthetic defects lie on the part, are deterministic, and are as large and as plain as they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import Defect, spell
from harness.images.foreground import foreground
from harness.plugin.registry import Registry
from harness.testing import attempt, checks_for
from harness_defects.lines import Crack, Scratch
from harness_defects.patches import ForeignTexture, MissingPiece, Spot, Stain

KINDS = [Scratch, Spot, Crack, Stain, MissingPiece, ForeignTexture]


def disc(size: int = 96, ground: float = 240.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y, x = np.ogrid[:size, :size]
    part = np.hypot(y - size / 2, x - size / 2) < size * 0.35
    pixels = np.where(part[..., None], 110 + random.normal(0, 8, (size, size, 3)), ground)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8), part


def test_all_are_offered() -> None:
    assert set(Registry.discover().offers(Defect)) >= {kind.name for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_keeps_the_contract_at_several_sizes(kind: type[Defect]) -> None:
    for options in ({}, {"size": 0.3, "contrast": 1.0}, {"size": 0.05, "contrast": 0.2}):
        part = kind(**options)
        for check in checks_for(part):
            outcome = attempt(check, part)
            assert outcome.status == "passed", f"{spell(part)} {check.__name__}: {outcome.reason}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_larger_defect_covers_more_and_a_plainer_one_differs_more(kind: type[Defect]) -> None:
    pixels, part = disc()

    def seen(**options: float) -> tuple[float, float]:
        found = [kind(**options).paint(pixels, part, np.random.default_rng(seed)) for seed in range(12)]
        changes = [np.abs(painted.astype(int) - pixels).sum() for painted, _ in found]
        return float(np.mean([mask.sum() for _, mask in found])), float(np.mean(changes))

    assert seen(size=0.3)[0] > 1.5 * seen(size=0.1)[0] > 0
    assert seen(contrast=1.0)[1] > 1.3 * seen(contrast=0.4)[1]


@given(
    kind=st.sampled_from(KINDS),
    size=st.floats(0.005, 1.0),
    contrast=st.floats(0.1, 1.0),
    side=st.sampled_from([32, 64, 96]),
    seed=st.integers(0, 50),
)
@settings(max_examples=60, deadline=None)
def test_a_defect_of_any_size_lies_on_the_part_and_is_marked(
    kind: type[Defect], size: float, contrast: float, side: int, seed: int
) -> None:
    pixels, part = disc(side)
    painted, mask = kind(size=size, contrast=contrast).paint(pixels, part, np.random.default_rng(seed))
    assert mask.any(), "even what is smaller than a pixel has a place"
    assert not (mask & ~part).any()
    assert not (painted != pixels)[~part].any(), "the ground is as it was"
    assert (painted != pixels).any()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("size", [0.1, 0.2, 0.3])
def test_its_longest_side_is_what_was_asked_for(kind: type[Defect], size: float) -> None:
    pixels, part = disc(128)
    sides = []
    for seed in range(8):
        mask = kind(size=size).paint(pixels, part, np.random.default_rng(seed))[1]
        places = np.argwhere(mask).astype(float)
        sides.append(float(np.hypot(*(places[:, None] - places[None, ::3]).T).max()) / 128)
    assert 0.75 * size < np.median(sides) < 1.45 * size


@pytest.mark.parametrize(("options", "said"), [({"size": 0.0}, "size is 0"), ({"contrast": 1.5}, "contrast is 1.5")])
def test_sizes_and_contrasts_out_of_range_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Spot(**options)


@pytest.mark.parametrize("ground", [240.0, 10.0])
def test_the_part_is_told_from_the_ground(ground: float) -> None:
    pixels, part = disc(ground=ground)
    found = foreground(pixels)
    assert (found & part).sum() / (found | part).sum() > 0.95


def test_a_texture_that_fills_the_photo_is_all_part() -> None:
    pixels = np.random.default_rng(0).integers(90, 140, (64, 64, 3), np.uint8)
    assert foreground(pixels).all()
    assert foreground(np.full((8, 8, 3), 7, np.uint8)).all()
