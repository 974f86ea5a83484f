"""What a certificate makes of scores and decisions: what a limit promises, what is seen of it, and what doubles errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from harness.api import Corruption, Defect
from harness.certifying.breaking import _doubling, what_breaks
from harness.certifying.guarantee import calibration_of, guarantee
from harness.certifying.smallest import _at, painted, smallest_found
from harness.errors import ModelError, TrainingError
from harness.metrics.guarantees import at_most
from harness.trials.chosen import Chosen
from harness.trials.corrupting import amount_of

CALIBRATION = np.arange(20.0)


def detector(limit: float, unfitted: bool = True, chosen: Chosen | None = None) -> Any:
    """One whose score of a photo is its mean grey level."""
    saved = Mock(calibration={"mean": CALIBRATION, "max": CALIBRATION[:0]}, unfitted=unfitted, chosen=chosen)
    saved.calibrated_on = "holdout"

    def decide(pixels: np.ndarray) -> Any:
        return Mock(scores=pixels.mean(axis=(1, 2, 3)))

    return Mock(saved=saved, pool="mean", threshold="conformal", limit=limit, decide=decide)


SCORES = {"unseen": np.array([0.0, 18.0, 17.5, 30.0]), "bad": np.array([18.0, 30.1234567, 5.0])}


def test_a_limit_at_one_of_the_scores_promises_their_share_above_it_and_one_more() -> None:
    found = guarantee(detector(18.0), SCORES, 0)
    assert (found.calibration, found.above) == (20, 1)
    assert found.promised == pytest.approx(2 / 21)
    assert found.promised_at_most == at_most(1, 20)
    assert found.by_rank is None
    assert (found.false_alarms.wrong, found.false_alarms.of, found.false_alarms.at_most) == (1, 4, at_most(1, 4))
    assert found.misses is not None
    assert (found.misses.wrong, found.misses.of) == (2, 3), "a bad photo at the limit is not found"
    assert found.false_alarms_today is None
    assert (found.threshold, found.limit, found.calibrated_on, found.unfitted) == ("conformal", 18.0, "holdout", True)
    assert found.scores["bad"] == (5.0, 18.0, 30.1235), "sorted, in six digits"
    assert [(one.first, one.second) for one in found.compared] == [("calibration", "unseen")]


@pytest.mark.parametrize(("limit", "unfitted"), [(18.5, True), (18.0, False)])
def test_a_limit_that_is_no_score_or_was_set_on_fitted_photos_promises_nothing(limit: float, unfitted: bool) -> None:
    found = guarantee(detector(limit, unfitted, Chosen(3, 0.4, 0.5)), {**SCORES, "bad": np.empty(0)}, 0)
    assert (found.promised, found.promised_at_most, found.by_rank, found.misses) == (None, None, None, None)


def test_where_the_same_photos_chose_the_detector_less_is_promised_and_what_it_would_be_else_is_said() -> None:
    found = guarantee(detector(18.0, chosen=Chosen(3, 0.2, 0.3)), {**SCORES, "today": np.array([19.0, 1.0])}, 0)
    assert (found.promised, found.promised_at_most, found.by_rank) == (0.2, 0.3, pytest.approx(2 / 21))
    assert found.false_alarms_today is not None
    assert (found.false_alarms_today.wrong, found.false_alarms_today.of) == (1, 2)
    assert [(one.first, one.second) for one in found.compared] == [
        ("calibration", "unseen"), ("calibration", "today"), ("unseen", "today")
    ]  # fmt: skip
    assert all(one.p <= one.p_holm <= 1 for one in found.compared)
    less = guarantee(detector(18.0, chosen=Chosen(3, 0.01, None)), SCORES, 0)
    assert (less.promised, less.promised_at_most) == (pytest.approx(2 / 21), None)


def test_two_groups_differ_where_the_corrected_p_is_below_a_twentieth() -> None:
    unseen = CALIBRATION + 100
    (far,) = guarantee(detector(18.0), {**SCORES, "unseen": unseen}, 0).compared
    (near,) = guarantee(detector(18.0), {**SCORES, "unseen": CALIBRATION + 0.5}, 0).compared
    assert far.differ
    assert not near.differ


def test_a_model_without_calibration_scores_of_its_pool_says_how_to_keep_it() -> None:
    bare = detector(1.0)
    bare.pool = "max"
    with pytest.raises(
        ModelError, match="holds no calibration scores of pool 'max'.*keep it again with `harness run --k"
    ):
        calibration_of(bare)


def wrong(*indices: int) -> np.ndarray:
    return np.isin(np.arange(10), indices)


@pytest.mark.parametrize(
    ("steps", "severity"),
    [
        ([wrong(), wrong(1), wrong(1, 2)], 2),  # one error of ten may be chance: at least two
        ([wrong(0), wrong(0, 1), wrong(0, 1, 2)], 1),
        ([wrong(0, 1), wrong(0, 1, 2), wrong(0, 1, 2, 3)], 2),
        ([wrong(0, 1), wrong(0, 1, 2), wrong(0, 1)], None),
    ],
)
def test_errors_double_at_the_least_severity_with_two_of_them_and_twice_those_of_before(
    steps: list[np.ndarray], severity: int | None
) -> None:
    found = _doubling(steps, ["a little", "much"])
    assert (found.severity if found else None) == severity
    if found:
        assert found.amount == ["a little", "much"][found.severity - 1]
        assert (found.before, found.after) == (int(steps[0].sum()), int(steps[found.severity].sum()))
        assert found.p == pytest.approx(2 * 0.5 ** (found.after - found.before)), "McNemar's exact test"


@dataclass
class Lighter(Corruption):
    """Twenty grey levels a severity."""

    name = "lighter"
    severity: int = 3

    @property
    def amount(self) -> str:
        return f"{20 * self.severity} levels"

    def apply(self, pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return pixels + np.uint8(20 * self.severity)


def test_a_corruption_without_a_unit_says_no_amount() -> None:
    class Stranger(Lighter):
        amount = Corruption.amount

    assert [amount_of(one) for one in (Lighter(severity=2), Stranger())] == ["40 levels", ""]


def test_false_alarms_and_misses_are_counted_at_each_severity_beside_those_of_unchanged_photos() -> None:
    normal = np.stack([np.full((4, 4, 3), level, np.uint8) for level in (0, 30, 50, 90)])
    bad = np.stack([np.full((4, 4, 3), level, np.uint8) for level in (70, 120)])
    said: list[str] = []
    (found,) = what_breaks(detector(80.0), normal, bad, [Lighter()], 0, said.append)
    assert said == ["what breaks it: lighter (1 of 1)"]
    assert found.corruption == "lighter"
    assert found.amounts == ("20 levels", "40 levels", "60 levels", "80 levels", "100 levels")
    assert found.false_alarms == (1, 1, 2, 3, 3, 4)
    assert found.misses == (1, 0, 0, 0, 0, 0)
    assert found.false_alarms_double is not None
    assert (found.false_alarms_double.severity, found.false_alarms_double.after) == (2, 2)
    assert found.misses_double is None


@dataclass
class Square(Defect):
    """Lighter by its contrast over its size."""

    name = "light_square"
    size: float = 0.1
    contrast: float = 0.5

    def paint(self, pixels: np.ndarray, part: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        found, side = pixels.copy(), round(self.size * len(pixels))
        found[:side, :side] += np.uint8(200 * self.contrast)
        return found, found[..., 0] != pixels[..., 0]


class WithoutSizes(Square):
    def __init__(self) -> None:
        pass


class Tears(Square):
    def paint(self, pixels: np.ndarray, part: np.ndarray, random: np.random.Generator) -> Any:
        raise SystemExit("torn")


class Halves(Square):
    def paint(self, pixels: np.ndarray, part: np.ndarray, random: np.random.Generator) -> Any:
        return super().paint(pixels, part, random)[0] / 2, part


def test_each_kind_of_defect_is_painted_in_each_size_and_contrast_on_each_photo() -> None:
    pixels = np.stack([np.full((10, 10, 3), level, np.uint8) for level in (0, 10)])
    said: list[str] = []
    photos = Mock(pixels=pixels, __len__=lambda self: 2)
    rungs = smallest_found(detector(15.0), photos, [Square()], (0.2, 0.5), (0.25, 0.5), 0, said.append)
    assert said == ["smallest defect found: light_square (1 of 1)"]
    assert [(one.defect, one.contrast, one.found, one.of) for one in rungs] == [
        ("light_square", 0.25, (0, 1), 2),
        ("light_square", 0.5, (0, 2), 2),
    ]


def test_a_defect_that_takes_no_size_ends_or_gives_no_photo_is_named_with_what_it_did() -> None:
    pixels, part = np.zeros((10, 10, 3), np.uint8), np.ones((10, 10), bool)
    with pytest.raises(TrainingError, match="defect 'light_square' takes no size 0.2 and contrast 0.5: "):
        _at(WithoutSizes(), 0.2, 0.5)
    with pytest.raises(
        TrainingError, match=r"defect 'light_square' cannot be painted: SystemExit: torn \(test_guarantee"
    ):
        painted(Tears(), pixels, part, np.random.default_rng(0))
    with pytest.raises(TrainingError, match=r"gave array.*: expected a photo of \(10, 10, 3\), uint8"):
        painted(Halves(), pixels, part, np.random.default_rng(0))
