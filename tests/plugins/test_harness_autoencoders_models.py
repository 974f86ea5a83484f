"""The paper's two models, on tiny images and with real parts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import Encoder, Images, Loss, Run, UnavailableError
from harness.testing.toys import toy_images
from harness_autoencoders import CAE, DAE
from harness_autoencoders.content_noise import ContentNoise
from harness_autoencoders.contraction import contraction
from harness_autoencoders.corruption import apply, draw_by_content
from harness_losses import MSE, SSIM, Perceptual
from harness_timm import VGG16, Conv, ResNet50

RUN = Run(image_size=32, epochs=2, batch_size=4, learning_rate=1e-3, weights="random")
NORMAL = toy_images(9, size=32, seed=1)
TEST = toy_images(19, defective=5, size=32, seed=2)
SMALL = Conv(widths=(4, 4, 8, 8))
NARROW = (8, 8, 8, 8)


class Watched(Encoder):
    """Keeps what its module was shown."""

    name = "watched"
    reduction = 16

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def build(self, run: Run) -> nn.Module:
        module = SMALL.build(run)
        module.register_forward_pre_hook(lambda _, inputs: self.seen.append(inputs[0].detach().clone()))
        return module


class WatchedLoss(MSE):
    """Keeps its targets."""

    def __init__(self) -> None:
        self.targets: list[Tensor] = []

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        self.targets.append(target)
        return super().__call__(output, target)

    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        self.targets.append(target)
        return super().error_map(output, target)


def fitted(model, *, encoder: Encoder = SMALL, loss: Loss | None = None, normal: Images = NORMAL, **changes):
    model.fit(normal, encoder=encoder, loss=loss or MSE(), run=replace(RUN, **changes))
    return model


def is_clean(batch: Tensor) -> bool:
    return bool(((batch * 255) - (batch * 255).round()).abs().max() < 1e-3)


def test_dae_is_shown_corrupted_images_and_held_to_clean_ones():
    encoder, loss = Watched(), WatchedLoss()
    model = fitted(DAE(widths=NARROW), encoder=encoder, loss=loss)
    model.score(TEST)
    assert len(encoder.seen) == len(loss.targets) > 2
    for shown, target in zip(encoder.seen, loss.targets, strict=True):
        assert is_clean(target)
        assert not is_clean(shown)
        assert (shown - target).abs().mean().item() == pytest.approx(0.08, abs=0.01)  # E|x|, deviation 0.1


def test_cae_is_shown_clean_images():
    encoder = Watched()
    fitted(CAE(widths=NARROW, latent_dim=4), encoder=encoder).score(TEST)
    assert all(is_clean(shown) for shown in encoder.seen)


@pytest.mark.parametrize("model", [DAE(widths=NARROW), CAE(widths=NARROW, latent_dim=4)], ids=lambda m: m.name)
def test_scores_are_equal_to_the_last_bit_in_any_order_and_company(model):
    maps = fitted(model).score(TEST).maps
    assert maps.dtype == np.float32
    order = np.random.default_rng(0).permutation(len(TEST))
    assert np.array_equal(model.score(TEST.take(order)).maps, maps[order])
    assert np.array_equal(model.score(TEST.take(slice(7, 8))).maps, maps[7:8])


def test_dae_draws_test_noise_from_the_run_s_seed():
    state = fitted(DAE(widths=NARROW)).state()
    maps = []
    for seed in (0, 0, 1):
        model = DAE(widths=NARROW)
        model.restore(state, encoder=SMALL, loss=MSE(), run=replace(RUN, seed=seed))
        maps.append(model.score(TEST).maps)
    assert np.array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


@pytest.mark.parametrize(("noise", "level"), [("gaussian", 0.1), ("masking", 0.3), ("salt_pepper", 0.3)])
def test_dae_corrupts_images_in_its_network_by_their_own_pixels_and_the_seed(noise: str, level: float):
    model = fitted(DAE(widths=NARROW, noise=noise, level=level))
    clean = torch.from_numpy(TEST.pixels).permute(0, 3, 1, 2) / 255
    assert model.side_inputs(TEST.pixels) == {}
    source = ContentNoise(RUN.seed)
    drawn = source.normal(clean) * level if noise == "gaussian" else source.uniform(clean)
    shown = apply(clean, drawn, noise, level)
    with torch.inference_mode():
        expected = (model._network(shown) - clean).square().mean(dim=1)
    np.testing.assert_allclose(model.score(TEST).maps, expected.numpy(), rtol=1e-4, atol=1e-7)


def test_dae_of_version_2_keeps_the_noise_that_its_limit_was_set_with():
    model = fitted(DAE(widths=NARROW, noise="masking", level=0.5))
    old = {name: array for name, array in model.state().items() if name != "noise_seed"}
    again = DAE(widths=NARROW, noise="masking", level=0.5)
    again.restore(old, encoder=SMALL, loss=MSE(), run=RUN)
    clean = torch.from_numpy(TEST.pixels).permute(0, 3, 1, 2) / 255
    drawn = torch.from_numpy(again.side_inputs(TEST.pixels)["noise"])
    assert torch.equal(drawn, draw_by_content(TEST.pixels, "masking", 0.5, RUN.seed))
    with torch.inference_mode():
        expected = (model._network(apply(clean, drawn, "masking", 0.5)) - clean).square().mean(dim=1)
    np.testing.assert_allclose(again.score(TEST).maps, expected.numpy(), rtol=1e-4, atol=1e-7)
    assert not np.allclose(again.score(TEST).maps, model.score(TEST).maps, rtol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fitting_twice_with_one_seed_gives_the_same_scores_to_the_last_bit(precision):
    first, second = (fitted(DAE(widths=NARROW), precision=precision).score(TEST).maps for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("model", "encoder", "bottleneck"),
    [
        (DAE(), Conv(), "none"),
        (DAE(), VGG16(), "dense"),
        (DAE(), ResNet50(), "none"),
        (CAE(), Conv(), "dense"),
        (CAE(), ResNet50(), "dense"),
    ],
)
def test_the_default_bottleneck_is_the_paper_s_and_is_told(model, encoder, bottleneck):
    assert model.resolved(encoder) == {"bottleneck": bottleneck}


@pytest.mark.parametrize("model", [DAE, CAE])
@pytest.mark.parametrize("bottleneck", ["none", "dense"])
def test_a_bottleneck_that_is_asked_for_is_built(model, bottleneck):
    part = fitted(model(bottleneck=bottleneck, latent_dim=3, widths=NARROW), epochs=0)
    assert part.resolved(SMALL) == {}
    assert any("bottleneck" in name for name in part.state()) == (bottleneck == "dense")


def norm_after_fitting(weight: float) -> float:
    model = fitted(CAE(widths=NARROW, latent_dim=4, contraction=weight), epochs=10)
    images = torch.from_numpy(NORMAL.pixels).permute(0, 3, 1, 2) / 255
    return contraction(model._network.encode, images, "exact", 1, torch.Generator())[1].item()


def test_a_heavier_penalty_leaves_a_smaller_jacobian():
    assert norm_after_fitting(10.0) < 0.5 * norm_after_fitting(0.0)


@pytest.mark.parametrize("penalty", ["reverse", "forward", "exact"])
def test_cae_trains_with_each_penalty(penalty):
    losses = []
    fitted(
        CAE(widths=NARROW, latent_dim=4, penalty=penalty),
        epochs=8,
        learning_rate=1e-2,
        report=lambda step: losses.append(step.loss),
    )
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("encoder", [VGG16(), ResNet50()], ids=lambda e: e.name)
@pytest.mark.parametrize("model", [DAE, CAE])
def test_the_paper_s_other_encoders_are_fine_tuned(model, encoder):
    part = model(widths=NARROW, latent_dim=4)
    untrained = fitted(part, encoder=encoder, normal=NORMAL.take(slice(0, 5)), epochs=0).state()
    trained = fitted(part, encoder=encoder, normal=NORMAL.take(slice(0, 5)), epochs=2).state()
    changed = [
        name for name in trained if name.startswith("encoder") and not np.array_equal(trained[name], untrained[name])
    ]
    weights = [name for name in trained if name.startswith("encoder") and name.endswith("weight")]
    assert set(weights) <= set(changed)
    assert np.isfinite(part.score(TEST.take(slice(0, 2))).maps).all()


def test_bfloat16_scores_as_float32_does_within_the_scatter_of_seeds():
    images = toy_images(24, size=32, seed=3)

    def means(precision: str) -> np.ndarray:
        settings = {"precision": precision, "epochs": 15, "learning_rate": 5e-3, "batch_size": 8}
        models = [fitted(DAE(widths=NARROW), normal=images, seed=seed, **settings) for seed in range(4)]
        return np.array([model.score(TEST).maps.mean(axis=(1, 2)) for model in models])

    full, half = means("fp32"), means("bf16")
    normal = ~TEST.labels
    scatter = full[:, normal].mean(axis=1).std(ddof=1)
    assert abs(full[:, normal].mean() - half[:, normal].mean()) < 3 * scatter
    assert full[:, ~normal].min() > full[:, normal].max(), "else there is nothing to compare"
    assert half[:, ~normal].min() > half[:, normal].max()


def test_a_model_prepares_its_loss_and_passes_on_that_weights_are_missing(tmp_path):
    with pytest.raises(UnavailableError, match=r"vgg16\.tv_in1k"):
        fitted(DAE(widths=NARROW), loss=Perceptual(), weights="pretrained", weights_dir=tmp_path)


def test_a_model_whose_encoder_lacks_its_weights_is_not_fitted_with_random_ones(tmp_path):
    with pytest.raises(UnavailableError, match=r"resnet50\.tv_in1k\.safetensors"):
        fitted(DAE(widths=NARROW), encoder=ResNet50(), weights="pretrained", weights_dir=tmp_path)


def test_restoring_asks_for_no_published_weights(tmp_path):
    model = DAE(widths=NARROW)
    state = fitted(model, encoder=VGG16(), epochs=0).state()
    again = DAE(widths=NARROW)
    run = replace(RUN, weights="pretrained", weights_dir=tmp_path)
    again.restore(state, encoder=VGG16(), loss=SSIM(), run=run)
    assert np.array_equal(again.state()["decoder.last.weight"], state["decoder.last.weight"])


def test_a_restored_model_whose_encoder_has_batch_normalisation_scores_as_it_did():
    """The encoder's layers behave otherwise in training, where they also learn from the images that they score."""
    model = fitted(DAE(widths=NARROW), encoder=ResNet50(), epochs=1)
    maps = model.score(TEST).maps
    again = DAE(widths=NARROW)
    again.restore(model.state(), encoder=ResNet50(), loss=MSE(), run=replace(RUN, epochs=1))
    assert np.array_equal(again.score(TEST).maps, maps)
    assert np.array_equal(again.score(TEST).maps, maps), "scoring has changed the model"


def test_restoring_a_loss_with_a_random_network_gives_it_the_same_network():
    model, loss = DAE(widths=NARROW), Perceptual(encoder="test_resnet")
    maps = fitted(model, loss=loss, epochs=0).score(TEST).maps
    before = torch.get_rng_state()
    again = DAE(widths=NARROW)
    again.restore(model.state(), encoder=SMALL, loss=Perceptual(encoder="test_resnet"), run=replace(RUN, epochs=0))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(again.score(TEST).maps, maps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DAE(widths=(1, 2, 3)), r"widths are \(1, 2, 3\), expected four positive numbers"),
        (lambda: DAE(latent_dim=0), "latent_dim is 0"),
        (lambda: DAE(level=1.5), "level is 1.5, expected a number from 0 to 1"),
        (lambda: CAE(probes=0), "probes is 0"),
        (lambda: CAE(contraction=-1.0), "contraction is -1"),
    ],
)
def test_an_impossible_option_is_quoted(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_listing_the_parts_imports_no_torch():
    script = (
        "import sys, harness_autoencoders as a, harness_losses as l, harness_timm as t\n"
        "a.harness_models(), l.harness_losses(), t.harness_encoders()\n"
        "assert 'torch' not in sys.modules and 'timm' not in sys.modules\n"
        "a.train\n"
        "assert 'torch' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
