"""What the harness relies on in a corruption: it changes a copy, the same way for the same seed, more with severity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.api.corruptions import SEVERITIES, Corruption
from harness.plugin.options import options_of
from harness.testing.parts import Check, fresh

_SEEDS = range(6)
_SLACK = 0.9
"""A severity may change a photo a little less than the one below it, since chance has a part in it."""


def checks(corruption: Corruption) -> Iterator[Check]:
    """The checks that apply to this corruption."""
    yield check_severity_is_an_option
    yield check_gives_a_photo_of_the_same_form
    yield check_more_severe_changes_more
    yield check_equal_seeds_give_equal_photos
    yield check_leaves_the_photo_unchanged


def check_severity_is_an_option(corruption: Corruption) -> None:
    """Severity can be chosen, from 1 to 5, and any other is refused."""
    assert "severity" in {option.name for option in options_of(type(corruption))}, (
        "severity is no option: expected a dataclass with the field `severity: int = 3`"
    )
    assert corruption.severity in SEVERITIES, f"severity is {corruption.severity!r}, expected 1 to 5"
    for wrong in (0, 6):
        try:
            at(corruption, wrong)
        except ValueError:
            continue
        raise AssertionError(f"severity {wrong} is taken: expected a ValueError, for there are 1 to 5")


def check_gives_a_photo_of_the_same_form(corruption: Corruption) -> None:
    """Pixels stay uint8 of the same shape, whatever the photo's size, and some of them change."""
    for shape in ((64, 64), (48, 80)):
        pixels = _photo(shape)
        found = corruption.apply(pixels, np.random.default_rng(0))
        assert found.shape == pixels.shape, f"a photo of {pixels.shape} became one of {found.shape}"
        assert found.dtype == np.uint8, f"pixels are {found.dtype}, expected uint8"
        assert not np.array_equal(found, pixels), "no pixel changed: expected a change that can be seen"


def check_more_severe_changes_more(corruption: Corruption) -> None:
    """On average, the highest severity changes a photo more than the lowest, and no step changes it much less."""
    pixels = _photo()
    changes = []
    for severity in SEVERITIES:
        one = at(corruption, severity)
        found = [one.apply(pixels, np.random.default_rng(seed)) for seed in _SEEDS]
        changes.append(float(np.mean([np.abs(photo.astype(int) - pixels).mean() for photo in found])))
    said = ", ".join(f"{change:.3g}" for change in changes)
    assert changes[-1] > changes[0], f"severities 1 to 5 change a photo by {said} grey levels: expected more and more"
    fewer = [one for one, before in zip(changes[1:], changes, strict=False) if one < _SLACK * before]
    assert not fewer, f"severities 1 to 5 change a photo by {said} grey levels: expected more and more"


def check_equal_seeds_give_equal_photos(corruption: Corruption) -> None:
    """Chance comes from the generator that it is given, and from nothing else."""
    pixels = _photo()
    first, again = (one.apply(pixels, np.random.default_rng(3)) for one in (corruption, fresh(corruption)))
    assert np.array_equal(first, again), "the same seed gave another photo"


def check_leaves_the_photo_unchanged(corruption: Corruption) -> None:
    """It changes a copy: the photo itself is used again."""
    pixels = _photo()
    before = pixels.copy()
    corruption.apply(pixels, np.random.default_rng(0))
    assert np.array_equal(pixels, before), "the photo that was given has changed"


def at(corruption: Corruption, severity: int) -> Corruption:
    """The same corruption with the same options, at this severity. Raises ValueError where it refuses that."""
    changed: dict[str, Any] = {"severity": severity}
    return cast("Corruption", dataclasses.replace(cast("Any", corruption), **changed))


def _photo(shape: tuple[int, int] = (64, 64)) -> NDArray[np.uint8]:
    """A part with a colour, an edge and some grain before a bright ground."""
    random = np.random.default_rng(0)
    y, x = np.ogrid[: shape[0], : shape[1]]
    part = np.hypot(y - shape[0] / 2, x - shape[1] / 2) < 0.35 * min(shape)
    colour = np.where(part[..., None], (150.0, 110.0, 70.0), 215.0) + 20 * np.sin(x / 3)[..., None]
    grain = random.normal(0, 4, (*shape, 3))
    return np.asarray(np.rint(np.clip(colour + grain, 0, 255)), dtype=np.uint8)
