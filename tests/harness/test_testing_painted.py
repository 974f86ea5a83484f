"""Each check of a defect and of a corruption finds the one that is wrong in just that way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from harness import Corruption, Defect
from tests.kit_outcomes import failed


@dataclass
class Spot(Defect):
    """A dark square of five pixels a side, somewhere on the part."""

    name = "square_spot"
    size: float = 0.1
    contrast: float = 0.5

    def paint(self, pixels, part, random):
        rows, columns = np.nonzero(part)
        at = random.integers(len(rows))
        mask = np.zeros_like(part)
        mask[rows[at] - 2 : rows[at] + 3, columns[at] - 2 : columns[at] + 3] = True
        return self.painted(pixels, mask & part), mask & part

    def painted(self, pixels, mask):
        found = pixels.copy()
        found[mask] //= 2
        return found


class CutsTheImage(Spot):
    def paint(self, pixels, part, random):
        painted, mask = super().paint(pixels, part, random)
        return painted[1:], mask


class GivesFloats(Spot):
    def painted(self, pixels, mask):
        return super().painted(pixels, mask).astype(np.float32)


class MarksTooFewRows(Spot):
    def paint(self, pixels, part, random):
        painted, mask = super().paint(pixels, part, random)
        return painted, mask[1:]


class CannotBeSeen(Spot):
    def painted(self, pixels, mask):
        return pixels.copy()


class MarksNothing(Spot):
    def paint(self, pixels, part, random):
        painted, mask = super().paint(pixels, part, random)
        return painted, np.zeros_like(mask)


class PaintsBesideThePart(Spot):
    def painted(self, pixels, mask):
        found = super().painted(pixels, mask)
        found[0, :3] = 0
        return found


class MarksTheGround(Spot):
    def paint(self, pixels, part, random):
        painted, mask = super().paint(pixels, part, random)
        mask[0, 0] = True
        return painted, mask


class DrawsByItself(Spot):
    def paint(self, pixels, part, random):
        return super().paint(pixels, part, np.random.default_rng())


class IsAlwaysTheSame(Spot):
    def paint(self, pixels, part, random):
        return super().paint(pixels, part, np.random.default_rng(1))


class PaintsOnTheImage(Spot):
    def paint(self, pixels, part, random):
        pixels[0, 0] = 0  # beside the part
        return super().paint(pixels, part, random)


def test_a_right_defect_passes_every_check() -> None:
    assert failed(Spot()) == {}


CHANGES = "changes_pixels_where_it_says_and_nowhere_else"


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (CutsTheImage, CHANGES, "an image of (64, 64, 3) became one of (63, 64, 3)"),
        (GivesFloats, CHANGES, "pixels are float32, expected uint8"),
        (MarksTooFewRows, CHANGES, "the mask is (63, 64), expected (64, 64)"),
        (CannotBeSeen, CHANGES, "no pixel changed"),
        (MarksNothing, CHANGES, "the mask marks nothing"),
        (PaintsBesideThePart, CHANGES, "3 pixels changed that are not on the part"),
        (MarksTheGround, "lies_on_the_part", "the mask marks pixels that are not on the part"),
        (DrawsByItself, "equal_seeds_paint_equal_defects", "the same seed painted another defect"),
        (IsAlwaysTheSame, "equal_seeds_paint_equal_defects", "another seed painted the same defect"),
        (PaintsOnTheImage, "leaves_the_image_unchanged", "the image that was given has changed"),
    ],
)
def test_a_defect_that_is_wrong_in_one_way_is_told_so(wrong: type[Defect], found: str, said: str) -> None:
    reasons = failed(wrong())
    assert said in reasons[found]
    also = {
        MarksTooFewRows: "lies_on_the_part",
        CannotBeSeen: "equal_seeds_paint_equal_defects",
    }
    assert reasons.keys() - {also.get(wrong)} == {found}


@dataclass
class Darker(Corruption):
    """Ten grey levels less a severity, give or take one."""

    name = "ten_levels_darker"
    severity: int = 3

    def __post_init__(self):
        if not 1 <= self.severity <= 5:
            raise ValueError("severity is 1 to 5")

    def apply(self, pixels, random):
        return (pixels - self.levels() - random.integers(-1, 2)).clip(0, 255).astype(np.uint8)

    def levels(self):
        return 10 * self.severity


class TakesAnySeverity(Darker):
    def __post_init__(self):
        pass


class TakesNoSeverityBelowOne(Darker):
    def __post_init__(self):
        if self.severity < 1:
            raise ValueError("severity is at least 1")


class HasNoSeverity(Corruption):
    name = "has_no_severity"

    def apply(self, pixels, random):
        return Darker().apply(pixels, random)


class MakesSquares(Darker):
    def apply(self, pixels, random):
        side = min(pixels.shape[:2])
        return super().apply(pixels[:side, :side], random)


class GivesHalfNumbers(Darker):
    def apply(self, pixels, random):
        return super().apply(pixels, random).astype(np.float64)


class DoesNothing(Darker):
    def apply(self, pixels, random):
        return pixels.copy()


class FallsBack(Darker):
    def levels(self):
        return (10, 20, 30, 20, 25)[self.severity - 1]


class EndsWhereItBegan(Darker):
    def levels(self):
        return (12, 12, 12, 12, 11)[self.severity - 1]

    def apply(self, pixels, random):
        return (pixels - self.levels()).clip(0, 255).astype(np.uint8)


class DarkensByChance(Darker):
    def apply(self, pixels, random):
        return super().apply(pixels, np.random.default_rng()) - np.random.default_rng().integers(
            0, 2, pixels.shape, np.uint8
        )


class DarkensWhatItIsGiven(Darker):
    def apply(self, pixels, random):
        pixels[0, 0] = 0
        return super().apply(pixels, random)


def test_a_right_corruption_passes_every_check() -> None:
    assert failed(Darker()) == {}


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (TakesAnySeverity, "severity_is_an_option", "severity 0 is taken"),
        (TakesNoSeverityBelowOne, "severity_is_an_option", "severity 6 is taken"),
        (HasNoSeverity, "severity_is_an_option", "severity is no option"),
        (MakesSquares, "gives_a_photo_of_the_same_form", "a photo of (48, 80, 3) became one of (48, 48, 3)"),
        (GivesHalfNumbers, "gives_a_photo_of_the_same_form", "pixels are float64, expected uint8"),
        (DoesNothing, "gives_a_photo_of_the_same_form", "no pixel changed"),
        (FallsBack, "more_severe_changes_more", "severities 1 to 5 change a photo by "),
        (EndsWhereItBegan, "more_severe_changes_more", "by 12, 12, 12, 12, 11 grey levels"),
        (DarkensByChance, "equal_seeds_give_equal_photos", "the same seed gave another photo"),
        (DarkensWhatItIsGiven, "leaves_the_photo_unchanged", "the photo that was given has changed"),
    ],
)
def test_a_corruption_that_is_wrong_in_one_way_is_told_so(wrong: type[Corruption], found: str, said: str) -> None:
    reasons = failed(wrong())
    assert said in reasons[found]
    also = {HasNoSeverity: "more_severe_changes_more", DoesNothing: "more_severe_changes_more"}
    assert reasons.keys() - {also.get(wrong)} == {found}
