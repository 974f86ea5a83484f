"""Synthetic defects lie on the part, are deterministic, and are as large and as plain as they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from harness import Defect, spell
from harness.plugin.registry import Registry
from harness.recommending.foreground import part_of
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


@pytest.mark.parametrize(("options", "said"), [({"size": 0.0}, "size is 0"), ({"contrast": 1.5}, "contrast is 1.5")])
def test_sizes_and_contrasts_out_of_range_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Spot(**options)


@pytest.mark.parametrize("ground", [240.0, 10.0])
def test_the_part_is_told_from_the_ground(ground: float) -> None:
    pixels, part = disc(ground=ground)
    found = part_of(pixels)
    assert (found & part).sum() / (found | part).sum() > 0.95


def test_a_texture_that_fills_the_photo_is_all_part() -> None:
    pixels = np.random.default_rng(0).integers(90, 140, (64, 64, 3), np.uint8)
    assert part_of(pixels).all()
    assert part_of(np.full((8, 8, 3), 7, np.uint8)).all()
