"""Each check of an encoder finds the encoder that is wrong in just that way."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from harness import Encoder, Run, UnavailableError
from harness.testing.toy_networks import ConvolutionPyramid, Convolutions
from harness.testing.toys import ToyEncoder
from tests.kit_outcomes import failed, outcomes_of


class Altered(ToyEncoder):
    """One change to what was right."""

    def build(self, run):
        return self.change(super().build(run))

    def change(self, module):
        return module


class SaysTooManyChannels(Altered):
    def change(self, module):
        module.channels = 16
        return module


class HasNoChannels(Altered):
    def change(self, module):
        return nn.Sequential(module)


class WorksAtOneSize(Altered):
    def change(self, module):
        class Resized(Convolutions):
            def forward(self, images):
                return super().forward(nn.functional.interpolate(images, size=64))

        return Resized()


class DeclaresAnotherReduction(Altered):
    reduction = 8


class DoesNotDeclareItsReduction(Altered):
    reduction = None


class LogOfBlack(Altered):
    def change(self, module):
        class Log(Convolutions):
            def forward(self, images):
                return super().forward(images) + images.mean(dim=(1, 2, 3), keepdim=True).log()

        return Log()


class IsConstant(Altered):
    def change(self, module):
        class Constant(Convolutions):
            def forward(self, images):
                return super().forward(images * 0 + 0.5) + 0 * super().forward(images)

        return Constant()


class DropsOutInEval(Altered):
    def change(self, module):
        class Dropping(Convolutions):
            def forward(self, images):
                return nn.functional.dropout(super().forward(images), training=True)

        return Dropping()


class NormalisesOverTheBatch(Altered):
    def change(self, module):
        class Normalising(Convolutions):
            def forward(self, images):
                return super().forward(images) - super().forward(images).mean(dim=0) * (len(images) > 1)

        return Normalising()


class CutsTheGradient(Altered):
    def change(self, module):
        class Cutting(Convolutions):
            def forward(self, images):
                return super().forward(images.detach())

        return Cutting()


class DrawsItsOwnWeights(Altered):
    def change(self, module):
        generator = torch.Generator()
        generator.seed()
        with torch.no_grad():
            for weights in module.parameters():
                weights.normal_(generator=generator)
        return module


class ReversesThePyramid(Altered):
    def build_pyramid(self, run, reductions):
        return ConvolutionPyramid(reductions[::-1])


class HasNoPyramid(Altered):
    build_pyramid = Encoder.build_pyramid


class Pretrained(Altered):
    """Has no weights here, and says so."""

    pretrained = True

    def build(self, run):
        if run.weights == "pretrained":
            raise UnavailableError(f"no toy.safetensors in {run.weights_dir}")
        return super().build(run)


class FallsBackToRandomWeights(Altered):
    pretrained = True


@pytest.mark.parametrize("right", [ToyEncoder, DoesNotDeclareItsReduction, Pretrained])
def test_a_right_encoder_passes_every_check(right):
    assert failed(right()) == {}


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (SaysTooManyChannels, "features_have_the_declared_shape", "of shape (2, 8, 4, 4), expected (2, 16, 4, 4)"),
        (WorksAtOneSize, "features_have_the_declared_shape", "images of 96x96 gave features of shape (2, 8, 4, 4)"),
        (DeclaresAnotherReduction, "declared_reduction_is_true", "it declares reduction 8, but is built with 16"),
        (LogOfBlack, "features_are_finite", "black images give 256 features that are not finite, as -inf"),
        (IsConstant, "features_depend_on_the_image", "two random images have equal features"),
        (DropsOutInEval, "is_deterministic_in_eval", "the second time"),
        (NormalisesOverTheBatch, "features_do_not_depend_on_batch", "when it comes alone"),
        (CutsTheGradient, "is_differentiable_in_the_image", "the features hand no gradient to the image"),
        (DrawsItsOwnWeights, "same_generator_state_gives_same_features", "built twice after torch.manual_seed(0)"),
        (ReversesThePyramid, "pyramid_has_the_reductions_asked_for", "maps of [(4, 4), (8, 8)], expected [(8, 8)"),
        (FallsBackToRandomWeights, "says_that_weights_are_missing", "expected an UnavailableError"),
    ],
)
def test_an_encoder_that_is_wrong_in_one_way_fails_that_check_alone(wrong, found, said):
    outcomes = outcomes_of(wrong())
    failed = {name for name, outcome in outcomes.items() if outcome.status == "failed"}
    # Chance in eval mode is chance in every comparison.
    allowed = {DropsOutInEval: {"features_do_not_depend_on_batch"}}
    assert {found} <= failed <= {found} | allowed.get(wrong, set())
    with pytest.raises(AssertionError, match=re.escape(said)):
        raise AssertionError(outcomes[found].reason)


def test_a_module_without_its_numbers_is_found():
    outcome = outcomes_of(HasNoChannels())["features_have_the_declared_shape"]
    assert outcome.reason == "the module has channels None, expected a whole number"


def test_the_toy_encoder_says_which_reductions_it_has():
    with pytest.raises(UnavailableError, match=r"has maps of reductions 2, 4, 8 and 16, not \(8, 32\)"):
        ToyEncoder().build_pyramid(Run(), (8, 32))


def test_an_encoder_without_a_pyramid_is_asked_for_none():
    outcome = outcomes_of(HasNoPyramid())["pyramid_has_the_reductions_asked_for"]
    assert outcome.status == "skipped"
    assert outcome.reason.startswith("encoder 'toy' gives one feature map, not maps of reductions 8 and 16")
