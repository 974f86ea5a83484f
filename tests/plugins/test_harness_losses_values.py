"""The other losses, and the hook by which one of them gets its network."""

from __future__ import annotations

import pytest
import torch

from harness import Run, UnavailableError, UsageError
from harness.plugin.registry import Registry
from harness_losses import L1, MSE, SSIM, SSIML1, Perceptual


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 32, 32, generator=generator), torch.rand(2, 3, 32, 32, generator=generator)


def test_mse_is_the_paper_s_equation_averaged_over_channels(pair):
    output, target = pair
    torch.testing.assert_close(MSE().error_map(output, target), ((output - target) ** 2).sum(dim=1) / 3)
    torch.testing.assert_close(MSE()(output, target), MSE().error_map(output, target).mean())


def test_l1_is_the_absolute_difference(pair):
    output, target = pair
    torch.testing.assert_close(L1()(output, target), (output - target).abs().mean())


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_ssim_l1_weighs_its_two_losses(pair, weight):
    expected = weight * SSIM()(*pair) + (1 - weight) * L1()(*pair)
    torch.testing.assert_close(SSIML1(weight)(*pair), expected)
    expected = weight * SSIM().error_map(*pair) + (1 - weight) * L1().error_map(*pair)
    torch.testing.assert_close(SSIML1(weight).error_map(*pair), expected)


@pytest.fixture
def perceptual() -> Perceptual:
    loss = Perceptual(encoder="test_resnet", reductions=(4, 8))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loss.prepare(Run(image_size=32, weights="random"))
    return loss


def test_perceptual_sees_a_defect_where_it_is(perceptual, pair):
    _, target = pair
    output = target.clone()
    output[..., :8, :8] = 1
    errors = perceptual.error_map(output, target)
    assert errors.shape == (2, 32, 32)
    assert errors[:, :8, :8].mean() > 3 * errors[:, 20:, 20:].mean()


def test_perceptual_trains_its_output_and_not_its_network(perceptual, pair):
    output, target = pair
    perceptual(output.requires_grad_(), target).backward()
    assert output.grad.any()
    assert not any(parameter.requires_grad for parameter in perceptual._network.parameters())


def test_perceptual_compares_directions_of_features_and_not_their_size(perceptual, pair):
    class Louder(torch.nn.Module):
        def forward(self, images):
            return [1000 * features for features in quiet(images)]

    expected, quiet = perceptual(*pair), perceptual._network
    perceptual._network = Louder()
    torch.testing.assert_close(perceptual(*pair), expected, rtol=1e-2, atol=0)


def test_perceptual_before_it_is_prepared_says_what_to_do(pair):
    with pytest.raises(UsageError, match=r"call prepare\(run\)"):
        Perceptual()(*pair)


def test_perceptual_takes_its_weights_through_the_encoders_door(tmp_path):
    with pytest.raises(UnavailableError, match=r"vgg16\.tv_in1k\.safetensors"):
        Perceptual().prepare(Run(image_size=32, weights_dir=tmp_path))


def test_perceptual_with_real_weights_prefers_a_shifted_image_to_a_blurred_one(shared):
    loss = Perceptual()
    loss.prepare(Run(image_size=64, weights_dir=shared / "weights"))
    target = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    target = torch.nn.functional.interpolate(target, size=64, mode="nearest")
    shifted = target.roll(1, dims=3)
    blurred = torch.nn.functional.avg_pool2d(target, 9, stride=1, padding=4, count_include_pad=False)
    assert MSE()(shifted, target) > 0.5 * MSE()(blurred, target), "else the comparison says nothing"
    assert loss(shifted, target) < 0.5 * loss(blurred, target)


def test_only_perceptual_has_published_weights():
    from harness import Loss

    offers = Registry.discover(environ={"HARNESS_PLUGINS": ""}).offers(Loss)
    assert [name for name, offer in offers.items() if offer.part.pretrained] == ["perceptual"]
