"""The contractive penalty: its estimators against the exact norm, in value and in gradient."""

from __future__ import annotations

import pytest
import torch

from harness import Run
from harness_autoencoders import Autoencoder
from harness_autoencoders.contraction import contraction
from harness_timm import Conv


@pytest.fixture(scope="module")
def network() -> Autoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Conv(widths=(4, 4, 6, 6)).build(Run(image_size=16))
        return Autoencoder(encoder, 16, widths=(4, 4, 4, 4), latent_dim=6, attention="none")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def norm_and_gradient(network, images, penalty, probes=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    _, norm = contraction(network.encode, images, penalty, probes, generator)
    gradients = torch.autograd.grad(norm, list(network.encoder.parameters()), allow_unused=True)
    return norm.item(), torch.cat([g.flatten() for g in gradients if g is not None])


def test_exact_is_the_squared_frobenius_norm_of_the_jacobian(network, images):
    expected = torch.stack(
        [torch.func.jacrev(lambda x: network.encode(x[None])[0])(image).square().sum() for image in images]
    ).mean()
    found, _ = norm_and_gradient(network, images, "exact")
    assert found == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("penalty", ["reverse", "forward"])
def test_an_estimator_agrees_with_exact_within_its_sampling_error(network, images, penalty):
    exact, exact_gradient = norm_and_gradient(network, images, "exact")
    draws = [norm_and_gradient(network, images, penalty, seed=seed) for seed in range(300)]
    norms = torch.tensor([norm for norm, _ in draws])
    assert norms.std() > 0, "else it does not estimate"
    error = norms.std() / len(norms) ** 0.5
    assert abs(norms.mean() - exact) < 4 * error
    assert error < 0.05 * exact, "else the agreement says little"

    gradients = torch.stack([gradient for _, gradient in draws])
    deviation = (gradients.mean(dim=0) - exact_gradient) / (gradients.std(dim=0) / len(draws) ** 0.5).clamp(min=1e-12)
    assert deviation.square().mean() < 2, "the mean gradient is farther from the exact one than chance takes it"
    length = exact_gradient.norm()
    assert (gradients.mean(dim=0) - exact_gradient).norm() < 0.2 * length


@pytest.mark.parametrize("penalty", ["reverse", "forward"])
def test_more_probes_scatter_less(network, images, penalty):
    one, many = (
        torch.tensor([norm_and_gradient(network, images, penalty, probes, seed)[0] for seed in range(30)]).std()
        for probes in (1, 16)
    )
    assert many < 0.5 * one


@pytest.mark.parametrize("penalty", ["reverse", "forward", "exact"])
def test_the_norm_is_the_mean_over_images(network, images, penalty):
    once, _ = norm_and_gradient(network, images[:1], "exact")
    repeated = images[:1].repeat(8, 1, 1, 1)
    found, _ = norm_and_gradient(network, repeated, penalty, probes=1 if penalty == "exact" else 100)
    assert found == pytest.approx(once, rel=1e-5 if penalty == "exact" else 0.2)


@pytest.mark.parametrize("penalty", ["reverse", "forward"])
def test_under_bfloat16_an_estimate_is_the_same_to_bfloat16_s_precision(network, images, penalty):
    expected, _ = norm_and_gradient(network, images, penalty, probes=4)
    with torch.autocast("cpu", torch.bfloat16):
        found, gradient = norm_and_gradient(network, images, penalty, probes=4)
    assert found == pytest.approx(expected, rel=0.05)
    assert gradient.isfinite().all()


def test_the_latent_is_the_encoder_s(network, images):
    latent, _ = contraction(network.encode, images, "reverse", 1, torch.Generator())
    torch.testing.assert_close(latent, network.encode(images))
