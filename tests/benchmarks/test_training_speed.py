"""Training: 256x256, batches of 32, the paper's own encoder and a decoder of widths 128-128-64-32."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_msssim
import torch
from torch import Tensor
from torch.nn import functional

from harness import Images, Loss, Run
from harness_autoencoders import CAE, DAE, Autoencoder
from harness_autoencoders.contraction import contraction
from harness_autoencoders.corruption import corrupt
from harness_autoencoders.memory import freed_memory_is_kept
from harness_autoencoders.networks import UpsampledConv2d
from harness_losses import MSE, SSIM
from harness_timm import Conv
from tests.benchmarks.usual import usual_loop

SIZE, BATCH = 256, 32
WIDTHS = ((3, 32, 1), (32, 64, 2), (64, 128, 4), (128, 128, 8), (128, 128, 8), (128, 128, 4), (128, 64, 2), (64, 32, 1))
"""Channels before and after each convolution but the last, and how many times smaller than the image its output is."""
OPERATIONS = 3 * 2 * 9 * sum(a * b * (SIZE // r) ** 2 for a, b, r in (*WIDTHS, (32, 3, 1)))
"""Of one image and step: forward, and backward to inputs and to weights, with no convolution folded."""


def random_images(count: int, size: int = SIZE) -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return Images(pixels, tuple(f"{i:03}.png" for i in range(count)))


@pytest.fixture(scope="module")
def images() -> Images:
    return random_images(2 * BATCH)


def autoencoder(latent_dim: int | None = None) -> Autoencoder:
    encoder = Conv().build(Run(image_size=SIZE))
    return Autoencoder(encoder, SIZE, widths=(128, 128, 64, 32), latent_dim=latent_dim, attention="none")


EPOCHS = 2
"""More than one, because a fit's first step has new memory to take."""


def fit(images: Images, batch: int = BATCH) -> None:
    size = images.pixels.shape[1]
    run = Run(image_size=size, epochs=EPOCHS, batch_size=batch, precision="bf16")
    DAE().fit(images, encoder=Conv(), loss=MSE(), run=run)


def test_training_against_the_loop_most_people_write(figures, images):
    figures.race(
        "training, against float32 NCHW",
        lambda: fit(images),
        lambda: usual_loop(images, batch=BATCH, epochs=EPOCHS)(),
        at_least=5,
        rounds=2,
    )


def test_training_against_a_bare_loop(figures, images):
    tensor = torch.from_numpy(images.pixels).permute(0, 3, 1, 2) / 255

    def bare_loop() -> None:
        network, generator = autoencoder(), torch.Generator()
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
        with freed_memory_is_kept():
            for clean in tensor.split(BATCH) * EPOCHS:
                with torch.autocast("cpu", torch.bfloat16):
                    output = network(corrupt(clean, "gaussian", 0.1, generator))
                    loss = functional.mse_loss(output, clean)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

    what = "training, against a bare loop of the same network"
    figures.race(what, lambda: fit(images), bare_loop, at_least=0.95, rounds=3)


def test_share_of_the_matrix_peak(figures, images):
    side = 2048
    left, right = (torch.randn(side, side, dtype=torch.bfloat16) for _ in range(2))
    products = round(OPERATIONS * EPOCHS * len(images) / (2 * side**3))

    def multiply() -> None:
        for _ in range(products):
            left @ right

    what = "training, against as many operations in bfloat16 matrix products"
    figures.race(what, lambda: fit(images), multiply, at_least=0.75, rounds=3)


class Steps:
    """One network and its optimiser, to make single steps with."""

    def __init__(self, images: Images, latent_dim: int | None = None) -> None:
        self.network = autoencoder(latent_dim)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-4, fused=True)
        self.clean = (torch.from_numpy(images.pixels[:BATCH]).permute(0, 3, 1, 2) / 255).contiguous(
            memory_format=torch.channels_last
        )
        self.generator = torch.Generator()

    def make(self, loss: Loss, penalty: str | None = None) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            if penalty is None:
                latent, norm = self.network.encode(self.clean), torch.zeros(())
            else:
                latent, norm = contraction(self.network.encode, self.clean, penalty, 1, self.generator)
            value = loss(self.network.decode(latent), self.clean) + 1e-3 * norm
        self.optimiser.zero_grad()
        value.backward()
        self.optimiser.step()


@pytest.fixture
def _memory_as_in_training():
    with freed_memory_is_kept():
        yield


@pytest.mark.usefixtures("_memory_as_in_training")
def test_an_ssim_step_against_an_mse_step(figures, images):
    steps = Steps(images)
    figures.race("SSIM step, against MSE step", lambda: steps.make(SSIM()), lambda: steps.make(MSE()), at_most=1.1)


@pytest.mark.usefixtures("_memory_as_in_training")
def test_the_ssim_loss_against_pytorch_msssim(figures, images):
    target = torch.from_numpy(images.pixels[:BATCH]).permute(0, 3, 1, 2) / 255
    output = (target + 0.1 * torch.randn_like(target)).clamp(0, 1).requires_grad_()

    def ours() -> Tensor:
        value = SSIM()(output, target)
        torch.autograd.grad(value, output)
        return value

    def library() -> Tensor:
        value = 1 - pytorch_msssim.ssim(output, target, data_range=1)
        torch.autograd.grad(value, output)
        return value

    found, expected = figures.race("SSIM and its gradient, against pytorch-msssim", ours, library, at_least=1)
    assert abs(found - expected) < 1e-5


@pytest.mark.usefixtures("_memory_as_in_training")
def test_the_ssim_map_against_kornia(figures, images):
    metrics = pytest.importorskip("kornia.metrics", reason="kornia is not installed: pip install kornia")
    target = torch.from_numpy(images.pixels[:BATCH]).permute(0, 3, 1, 2) / 255
    output = (target + 0.1 * torch.randn_like(target)).clamp(0, 1)
    ours, theirs = figures.race(
        "SSIM error map, against kornia's",
        lambda: SSIM().error_map(output, target),
        lambda: 1 - metrics.ssim(output, target, window_size=11, max_val=1.0).mean(dim=1),
    )
    inside = (..., slice(8, -8), slice(8, -8))  # at borders the two pad by rules of their own
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("_memory_as_in_training")
@pytest.mark.parametrize("penalty", ["reverse", "forward"])
def test_a_contractive_step_against_a_plain_step(figures, images, penalty):
    steps = Steps(images, CAE().latent_dim)
    limit = {"at_most": 1.6} if penalty == CAE().penalty else {"at_most": 2.0}
    what = f"contractive step ({penalty}), against plain step"
    figures.race(what, lambda: steps.make(MSE(), penalty), lambda: steps.make(MSE()), **limit)


@pytest.mark.usefixtures("_memory_as_in_training")
def test_folded_upsampling_against_upsampling_and_convolving(figures):
    folded = UpsampledConv2d(128, 64)
    features = torch.randn(BATCH, 128, 64, 64).contiguous(memory_format=torch.channels_last).requires_grad_()

    def backward(output: Tensor) -> Tensor:
        output.sum().backward()
        return output.detach()

    def ours() -> Tensor:
        return backward(folded(features))

    def plain() -> Tensor:
        upsampled = functional.interpolate(features, scale_factor=2, mode="nearest")
        return backward(functional.conv2d(upsampled, folded.weight, folded.bias, padding=1))

    with torch.no_grad():
        folded.to(memory_format=torch.channels_last)
    found, expected = figures.race("folded stage of 128 to 64 channels, against unfolded", ours, plain, at_least=1.2)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_how_cost_grows_with_image_size(figures, size):
    few = random_images(16, size)
    figures.time(f"training, {EPOCHS} epochs of 16 images of {size}x{size}", lambda: fit(few, batch=8), rounds=3)
