"""Each check of a loss finds the loss that is wrong in just that way."""

from __future__ import annotations

import re

import pytest

from harness import UnavailableError
from harness.testing.toys import ToyLoss
from tests.kit_outcomes import failed, outcomes_of


class Squared(ToyLoss):
    name = "squared"


class KeepsChannels(Squared):
    def error_map(self, output, target):
        return (output - target).square()


class HasAFloor(Squared):
    def error_map(self, output, target):
        return super().error_map(output, target) + 0.01


class Signed(Squared):
    def error_map(self, output, target):
        return (target - output).mean(dim=1)

    def __call__(self, output, target):
        return super().error_map(output, target).mean()

    mean_of_map = False


class RoundsTheMap(Squared):
    mean_of_map = False

    def error_map(self, output, target):
        return super().error_map(output.detach(), target)

    def __call__(self, output, target):
        return super().error_map(output, target).mean()


class HandsNoGradientOn(Squared):
    mean_of_map = False

    def __call__(self, output, target):
        return super().error_map(output.detach(), target).mean()


class HasAFlatGradient(Squared):
    mean_of_map = False

    def __call__(self, output, target):
        value = super().error_map(output, target).mean()
        return value.detach() + 0 * value


class SquareRoot(Squared):
    def error_map(self, output, target):
        return super().error_map(output, target).sqrt()


class DividesByTheContrast(Squared):
    def error_map(self, output, target):
        contrast = target.amax(dim=(1, 2, 3), keepdim=True) - target.amin(dim=(1, 2, 3), keepdim=True)
        return ((output - target).square() / contrast).nan_to_num(nan=0.0, posinf=float("inf")).mean(dim=1)


class DividesByTheBatch(Squared):
    def error_map(self, output, target):
        return super().error_map(output, target) / len(output)


class GivesOneNumberAnImage(Squared):
    mean_of_map = False

    def __call__(self, output, target):
        return self.error_map(output, target).mean(dim=(1, 2))


class PrefersWrongOutputs(Squared):
    mean_of_map = False

    def __call__(self, output, target):
        return -self.error_map(output, target).mean()


class SumsTheMap(Squared):
    def __call__(self, output, target):
        return self.error_map(output, target).sum()


class Pretrained(Squared):
    """Works once it is prepared, for which published weights have to be there."""

    pretrained = True
    prepared = False

    def prepare(self, run):
        if run.weights == "pretrained":
            raise UnavailableError(f"no squared.safetensors in {run.weights_dir}")
        self.prepared = True

    def error_map(self, output, target):
        assert self.prepared
        return super().error_map(output, target)


class FallsBackToRandomWeights(Squared):
    pretrained = True


@pytest.mark.parametrize("right", [Squared, Pretrained])
def test_a_right_loss_passes_every_check(right):
    assert failed(right()) == {}


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (KeepsChannels, "map_has_the_size_of_the_images", "a map of shape (3, 3, 176, 176), expected (3, 176, 176)"),
        (HasAFloor, "is_zero_at_identity", "has an error of 0.01, expected 0"),
        (Signed, "is_not_negative", "expected none below 0"),
        (RoundsTheMap, "is_differentiable", "the map hands no gradient to the output"),
        (HasAFlatGradient, "is_differentiable", "the gradient of the loss is 0 everywhere"),
        (SquareRoot, "gradient_is_finite_at_identity", "as nan"),
        (DividesByTheContrast, "is_finite_on_constant_images", "as inf"),
        (DividesByTheBatch, "map_does_not_depend_on_batch", "when it comes alone"),
        (GivesOneNumberAnImage, "gives_one_number_to_minimise", "gave shape (3,), expected a scalar"),
        (PrefersWrongOutputs, "gives_one_number_to_minimise", "a wrong output costs -0.015, a right one"),
        (FallsBackToRandomWeights, "says_that_weights_are_missing", "expected an UnavailableError"),
        (SumsTheMap, "is_the_mean_of_its_map", "expected equality, or mean_of_map = False"),
    ],
)
def test_a_loss_that_is_wrong_in_one_way_fails_that_check_alone(wrong, found, said):
    outcomes = outcomes_of(wrong())
    failed = {name for name, outcome in outcomes.items() if outcome.status == "failed"}
    # What is not a scalar cannot be differentiated, nor can a division by nought.
    allowed = {
        GivesOneNumberAnImage: {"is_differentiable", "gradient_is_finite_at_identity"},
        DividesByTheContrast: {"gradient_is_finite_at_identity"},
    }
    assert {found} <= failed <= {found} | allowed.get(wrong, set())
    with pytest.raises(AssertionError, match=re.escape(said)):
        raise AssertionError(outcomes[found].reason)


def test_a_loss_without_a_gradient_is_found():
    outcomes = outcomes_of(HandsNoGradientOn())
    assert outcomes["is_differentiable"].reason == "the loss hands no gradient to the output"
    assert outcomes["gradient_is_finite_at_identity"].status == "failed"


def test_a_loss_that_says_that_it_is_no_mean_is_not_held_to_it():
    class Weighted(Squared):
        mean_of_map = False

        def __call__(self, output, target):
            return 2 * self.error_map(output, target).mean()

    assert "is_the_mean_of_its_map" not in outcomes_of(Weighted())
    assert all(outcome.status == "passed" for outcome in outcomes_of(Weighted()).values())
