"""Each check of a pool and of a metric finds the one that is wrong in just that way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness import CountMetric, Metric, Pool, ScoreMetric
from tests.kit_outcomes import failed


class Mean(Pool):
    name = "mean_of_map"

    def score(self, maps):
        return maps.mean(axis=(1, 2), dtype=np.float64)


class GivesColumns(Mean):
    def score(self, maps):
        return super().score(maps)[:, None]


class TakesSinglePrecisionAlone(Mean):
    def score(self, maps):
        if maps.dtype != np.float32:
            raise TypeError("float64")
        return super().score(maps)


class HasNoNumberForDoubles(Mean):
    def score(self, maps):
        return super().score(maps) if maps.dtype == np.float32 else np.full(len(maps), np.inf)


class CountsItsNeighbours(Mean):
    def score(self, maps):
        return super().score(maps) + 0.001 * len(maps)


class CountsUp(Mean):
    def score(self, maps):
        return super().score(maps) + 0.001 * np.arange(len(maps))


class IsBlind(Mean):
    def score(self, maps):
        return np.full(len(maps), 0.5)


class FallsWhereAllErrorsGrow(Mean):
    def score(self, maps):
        return maps.max(axis=(1, 2)) / (super().score(maps) + 1e-9) ** 1.5


class RemembersTheLargest(Mean):
    largest = 0.0

    def score(self, maps):
        self.largest = max(self.largest, float(maps.max()))
        return super().score(maps) + 1e-6 * self.largest


class ScoresByChance(Mean):
    def score(self, maps):
        return super().score(maps) + 1e-9 * np.random.default_rng().random(len(maps))


class LeavesAMark(Mean):
    def score(self, maps):
        found = super().score(maps)
        maps[..., 0, 0] = np.nextafter(maps[..., 0, 0], np.float32(2))
        return found


class NeedsMoreThanOnePixel(Mean):
    def score(self, maps):
        if maps[0].size == 1:
            return np.full(len(maps), np.inf)
        return super().score(maps)


class NeedsSquares(Mean):
    def score(self, maps):
        if maps.shape[1] < maps.shape[2] / 2:
            return np.full(len(maps), np.inf)
        return super().score(maps)


class NeedsErrors(Mean):
    def score(self, maps):
        return super().score(maps) if maps.any() else np.full(len(maps), np.inf)


class HasATorchForm(Mean):
    def tensor(self, maps):
        return maps.mean(dim=(1, 2))


class TorchFormIsABitLarger(Mean):
    def tensor(self, maps):
        return 1.001 * maps.mean(dim=(1, 2))


class TorchFormJoinsMaps(Mean):
    def tensor(self, maps):
        return maps.mean(dim=(1, 2)).mean(dim=0, keepdim=True)


@pytest.mark.parametrize("right", [Mean, HasATorchForm])
def test_a_right_pool_passes_every_check(right: type[Pool]) -> None:
    assert failed(right()) == {}


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (TakesSinglePrecisionAlone, "gives_one_finite_score_a_map", "TypeError: float64"),
        (HasNoNumberForDoubles, "gives_one_finite_score_a_map", "finite maps gave the scores [inf inf inf inf]"),
        (CountsItsNeighbours, "score_does_not_depend_on_other_maps", ", and map by map ["),
        (CountsUp, "score_does_not_depend_on_other_maps", ", and map by map ["),
        (IsBlind, "defects_score_above_normal", "and with a square of larger errors [0.5 0.5 0.5 0.5]"),
        (FallsWhereAllErrorsGrow, "larger_errors_do_not_score_lower", "expected no less"),
        (RemembersTheLargest, "same_maps_give_same_scores", ", then ["),
        (ScoresByChance, "same_maps_give_same_scores", ", then ["),
        (NeedsMoreThanOnePixel, "copes_with_any_map", "shape (2, 1, 1), all 1, gave [inf inf]"),
        (NeedsSquares, "copes_with_any_map", "maps of shape (1, 3, 17), all 1, gave [inf]"),
        (NeedsErrors, "copes_with_any_map", "maps of shape (2, 8, 8), all 0, gave [inf inf]"),
        (TorchFormIsABitLarger, "torch_form_scores_alike", ", and by tensor() ["),
        (TorchFormJoinsMaps, "torch_form_scores_alike", ", and by tensor() ["),
    ],
)  # fmt: skip
def test_a_pool_that_is_wrong_in_one_way_fails_that_check_alone(wrong: type[Pool], found: str, said: str) -> None:
    reasons = failed(wrong())
    assert list(reasons) == [found]
    assert said in reasons[found]


def test_a_pool_that_gives_columns_or_marks_its_maps_is_told_so() -> None:
    assert "maps of shape (4, 24, 32) gave scores of shape (4, 1)" in failed(GivesColumns()).values()
    assert "scoring wrote into the maps" in failed(LeavesAMark()).values()


class Accuracy(CountMetric):
    name = "share_of_right_ones"

    def value(self, counts):
        return counts.accuracy

    def interval(self, counts):
        return counts.accuracy - 0.1, counts.accuracy + 0.1


class Auroc(ScoreMetric):
    name = "area"

    def value(self, ranking):
        return ranking.auroc()

    def interval(self, ranking):
        return ranking.auroc() - 0.1, 1.0


class Errors(Accuracy):
    """A right one, of which less is better."""

    higher_is_better = False

    def value(self, counts):
        return 1 - counts.accuracy

    def interval(self, counts):
        return None


class SaysItsVersionInWords(Accuracy):
    version = "2"


class BeginsAtNothing(Accuracy):
    version = 0


class IsMadeFromNothing(Metric):
    name = "of_nothing"


class TurnsItsRange(Errors):
    range = (1.0, 0.0)


class IsOneNumber(Accuracy):
    range = (0.5, 0.5)


class ThinksLittleOfItself(Auroc):
    range = (0.0, 0.95)


class ThinksMuchOfItself(Auroc):
    range = (0.1, 1.0)


class SaysTheWrongWay(Auroc):
    higher_is_better = False


class SaysTheOtherWrongWay(Errors):
    higher_is_better = True


class Remembers(Auroc):
    def __init__(self):
        self.seen = itertools.count()

    def value(self, ranking):
        return max(0.0, ranking.auroc() - 1e-14 * next(self.seen))


class CountsWholeImages(Accuracy):
    def value(self, counts):
        return round(super().value(counts)) if not counts.n_normal else super().value(counts)


class NeedsAnomalies(Auroc):
    def value(self, ranking):
        if not ranking.labels.any():
            raise ValueError("no anomalous image")
        return super().value(ranking)


class LiesAboveItsInterval(Accuracy):
    def interval(self, counts):
        return 0.0, counts.accuracy / 2


class LiesBelowItsInterval(Auroc):
    def interval(self, ranking):
        return (1 + ranking.auroc()) / 2, 1.0


class LooksAtTheFirst(Auroc):
    def value(self, ranking):
        return min(1.0, ranking.auroc() + 1e-6 * float(ranking.scores[0] > ranking.scores[1]))

    def interval(self, ranking):
        return 0.0, 1.0


@pytest.mark.parametrize("right", [Accuracy, Auroc, Errors])
def test_a_right_metric_passes_every_check(right: type[Metric]) -> None:
    assert failed(right()) == {}


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (SaysItsVersionInWords, "says_what_it_is_made_from", "version is '2', expected a whole number"),
        (BeginsAtNothing, "says_what_it_is_made_from", "version is 0, expected at least 1"),
        (IsMadeFromNothing, "says_what_it_is_made_from", "expected CountMetric, ScoreMetric or PixelMetric"),
        (TurnsItsRange, "range_is_two_ascending_numbers", "range is (1.0, 0.0)"),
        (IsOneNumber, "range_is_two_ascending_numbers", "range is (0.5, 0.5)"),
        (ThinksLittleOfItself, "value_is_a_number_in_its_range", "expected a number from 0 to 0.95"),
        (ThinksMuchOfItself, "value_is_a_number_in_its_range", "expected a number from 0.1 to 1"),
        (SaysTheWrongWay, "a_perfect_detector_is_not_worse_than_chance", "a perfect detector has 1, a blind one 0.63"),
        (SaysTheOtherWrongWay, "a_perfect_detector_is_not_worse_than_chance", "higher is said to be better"),
        (Remembers, "same_input_gives_same_value", "the same scores gave"),
        (CountsWholeImages, "copes_with_an_empty_class", "of type int, expected a float"),
        (NeedsAnomalies, "copes_with_an_empty_class", "ValueError: no anomalous image"),
        (LiesAboveItsInterval, "interval_holds_the_value", "the interval is 0 to 0."),
        (LiesBelowItsInterval, "interval_holds_the_value", "to 1, and the value 0."),
        (LooksAtTheFirst, "value_does_not_depend_on_the_order_of_images", "in another order"),
    ],
)  # fmt: skip
def test_a_metric_that_is_wrong_in_one_way_is_told_so(wrong: type[Metric], found: str, said: str) -> None:
    reasons = failed(wrong())
    assert said in reasons[found]
    also = {"value_is_a_number_in_its_range"} if found.startswith("range") else set()
    assert reasons.keys() - also == {found}
