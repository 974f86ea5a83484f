"""The opponent of a reconstruction model: what it judges, and how both learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness import Run
from harness_autoencoders.adversary import Adversary, PatchDiscriminator
from harness_autoencoders.networks import SqueezeExcite, level_shapes

RUN = Run(image_size=32, learning_rate=0.01)


@pytest.fixture
def adversary() -> Adversary:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Adversary(RUN)


def images(seed: int, n: int = 4) -> torch.Tensor:
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_it_judges_patches_of_22_pixels_at_every_eighth(adversary: Adversary) -> None:
    shown = torch.zeros(1, 3, 64, 64, requires_grad=True)
    verdicts = adversary.discriminator(shown)
    assert verdicts.shape == (1, 1, 8, 8)
    verdicts[0, 0, 4, 4].backward()
    rows, columns = torch.nonzero(shown.grad[0].abs().sum(dim=0), as_tuple=True)
    assert [int(end - start + 1) for start, end in ((rows.min(), rows.max()), (columns.min(), columns.max()))] == [
        22,
        22,
    ]


def test_its_layers_are_those_of_pix2pix_in_small() -> None:
    layers = list(PatchDiscriminator().features)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [(one.in_channels, one.out_channels) for one in convolutions] == [(3, 32), (32, 64), (64, 128)]
    assert {(one.kernel_size, one.stride, one.padding) for one in convolutions} == {((4, 4), (2, 2), (1, 1))}
    assert [layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)] == [0.2] * 3


def test_its_optimiser_has_the_rates_of_pix2pix(adversary: Adversary) -> None:
    (group,) = adversary.optimiser.param_groups
    assert (group["lr"], group["betas"]) == (0.01, (0.5, 0.999))
    assert len(group["params"]) == len(list(adversary.discriminator.parameters()))


def test_a_step_lowers_the_least_squares_of_real_and_made_and_is_counted(adversary: Adversary) -> None:
    real, made = images(0) * 0.2, images(1) * 0.2 + 0.8

    def loss() -> float:
        with torch.no_grad():
            judge = adversary.discriminator
            return float(((judge(real) - 1).square().mean() + judge(made).square().mean()) / 2)

    losses = [loss()]
    for steps in range(1, 31):
        adversary.learn(made, real)
        losses.append(loss())
        assert adversary.steps == steps
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        assert adversary.discriminator(real).mean() > adversary.discriminator(made).mean() + 0.4
    assert adversary.suspicion(real) < adversary.suspicion(made)


def test_its_first_step_is_that_of_the_gradient_of_half_the_sum(adversary: Adversary) -> None:
    real, made = images(0), images(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        twin = PatchDiscriminator().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01, betas=(0.5, 0.999))
    for _ in range(2):
        optimiser.zero_grad()
        (((twin(real) - 1) ** 2).mean() / 2 + (twin(made) ** 2).mean() / 2).backward()
        optimiser.step()
        adversary.learn(made, real)
    for ours, theirs in zip(adversary.discriminator.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_what_it_says_reaches_the_made_images_and_not_its_own_weights(adversary: Adversary) -> None:
    made = images(1).requires_grad_()
    adversary.learn(made, images(0))
    assert made.grad is None, "its own step says nothing to the model"
    before = [one.grad.clone() for one in adversary.discriminator.parameters()]
    adversary.suspicion(made).backward()
    assert made.grad.abs().sum() > 0
    assert all(
        torch.equal(one.grad, then) for one, then in zip(adversary.discriminator.parameters(), before, strict=True)
    )


def test_suspicion_and_difference_are_mean_squares(adversary: Adversary) -> None:
    real, made = images(0), images(1)
    with torch.no_grad():
        verdicts = adversary.discriminator(made)
        assert adversary.suspicion(made) == pytest.approx(float(((verdicts - 1) ** 2).mean()))
        features = [adversary.discriminator.features(one) for one in (made, real)]
        assert adversary.difference(made, real) == pytest.approx(float(((features[0] - features[1]) ** 2).mean()))
        assert adversary.difference(made, made) == 0


@pytest.mark.parametrize(("channels", "hidden"), [(8, 8), (128, 8), (144, 9), (512, 32)])
def test_attention_squeezes_to_a_sixteenth_and_to_eight_at_least(channels: int, hidden: int) -> None:
    attention = SqueezeExcite(channels)
    assert attention.squeeze.weight.shape == (hidden, channels)
    assert attention.excite.weight.shape == (channels, hidden)


def test_the_shapes_of_a_pyramid_are_found_by_one_black_image_and_leave_it_in_eval_mode() -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 6, 3, stride=2, padding=1)
            self.seen: list[torch.Tensor] = []

        def forward(self, shown: torch.Tensor) -> list[torch.Tensor]:
            self.seen.append(shown)
            first = self.first(shown)
            return [first, self.second(first)]

    pyramid = Pyramid()
    assert level_shapes(pyramid, 16) == [(4, 8, 8), (6, 4, 4)]
    assert not pyramid.training
    assert not pyramid.seen[0].any()
