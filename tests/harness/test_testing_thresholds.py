"""Each check of a threshold finds the threshold that is wrong in just that way."""

from __future__ import annotations

import numpy as np
import pytest

from harness import OracleThreshold, Threshold
from harness.testing import attempt, checks_for


class Mean(Threshold):
    name = "mean"

    def fit(self, normal):
        return float(normal.mean())


class ReturnsAnArray(Mean):
    def fit(self, normal):
        return normal[:1] * 0 + normal.mean()


class SinglePrecision(Mean):
    def fit(self, normal):
        return np.float32(normal.mean())


class TakesTheFirst(Mean):
    def fit(self, normal):
        return float(normal[0])


class Constant(Mean):
    def fit(self, normal):
        return 0.5


class NeverBelowOne(Mean):
    def fit(self, normal):
        return max(1.0, float(normal.mean()))


class Remembers(Mean):
    highest = 0.0

    def fit(self, normal):
        self.highest = max(self.highest, float(normal.mean()))
        return self.highest


class ByChance(Mean):
    def fit(self, normal):
        return float(normal.mean() + 1e-12 * np.random.default_rng().random())


class SortsInPlace(Mean):
    def fit(self, normal):
        normal.sort()
        return float(normal[-1])


class InfiniteForOneScore(Mean):
    def fit(self, normal):
        return float(normal.mean()) if len(normal) > 1 else float("inf")


class DividesByTheSpread(Mean):
    def fit(self, normal):
        with np.errstate(invalid="ignore", divide="ignore"):
            skew = float(np.mean(((normal - normal.mean()) / normal.std()) ** 3))
        return float(normal.mean() + 0.01 * skew * normal.std())


class AsksForLabels(Mean):
    def fit(self, normal, labels=None):
        return float(normal.mean())


class OracleInDisguise(Mean):
    def fit_oracle(self, scores, labels):
        return float(scores[labels].min())


class SaysOracleOnly(Mean):
    oracle = True


class OtherwiseOfMany(Mean):
    """As with sums in another order."""

    def fit_many(self, normal):
        return np.nextafter(normal.mean(axis=1), np.inf)


class Between(OracleThreshold):
    name = "between"

    def fit_oracle(self, scores, labels):
        kinds = [scores[labels == label].mean() for label in (False, True) if (labels == label).any()]
        return float(np.mean(kinds))


class BetweenOfBothClassesOnly(Between):
    def fit_oracle(self, scores, labels):
        with np.errstate(invalid="ignore"):
            return float((scores[labels].sum() / labels.sum() + scores[~labels].mean()) / 2)


class HidesThatItIsAnOracle(Between):
    oracle = False


@pytest.mark.parametrize("right", [Mean, Between])
def test_a_right_threshold_passes_every_check(right):
    part = right()
    assert {check.__name__: attempt(check, part).reason for check in checks_for(part)} == {
        check.__name__: "" for check in checks_for(part)
    }


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (AsksForLabels, "sees_labels_only_if_oracle", "fit takes normal, labels"),
        (OracleInDisguise, "sees_labels_only_if_oracle", "has fit_oracle"),
        (SaysOracleOnly, "sees_labels_only_if_oracle", "oracle is True, but it is not derived"),
        (HidesThatItIsAnOracle, "sees_labels_only_if_oracle", "oracle is False, but it is derived"),
        (SinglePrecision, "limit_is_a_finite_number", "of type float32, expected a float"),
        (TakesTheFirst, "limit_does_not_depend_on_order", "in another order"),
        (Constant, "limit_moves_with_the_scores", "they gave 0.5: expected a higher one"),
        (NeverBelowOne, "limit_moves_with_the_scores", "gave a limit of 1"),
        (Remembers, "same_scores_give_same_limit", "then of"),
        (ByChance, "same_scores_give_same_limit", "then of"),
        (SortsInPlace, "leaves_scores_unchanged", "the scores began with"),
        (InfiniteForOneScore, "copes_with_degenerate_scores", r"one score \(0.5, ...\) gave a limit of inf"),
        (DividesByTheSpread, "copes_with_degenerate_scores", "gave a limit of nan"),
        (OtherwiseOfMany, "many_trials_get_the_limits_of_each", "its form for many gives a limit of"),
        (BetweenOfBothClassesOnly, "copes_with_degenerate_scores", "Warning|gave a limit of nan"),
    ],
)
def test_a_threshold_that_is_wrong_in_one_way_fails_that_check_alone(wrong, found, said):
    part = wrong()
    outcomes = {check.__name__.removeprefix("check_"): attempt(check, part) for check in checks_for(part)}
    assert {name for name, outcome in outcomes.items() if outcome.status == "failed"} == {found}
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(outcomes[found].reason)


def test_an_array_in_place_of_a_limit_is_refused():
    part = ReturnsAnArray()
    (check,) = (c for c in checks_for(part) if c.__name__ == "check_limit_is_a_finite_number")
    with pytest.raises(AssertionError, match=r"of type ndarray, expected a float"):
        check(part)
