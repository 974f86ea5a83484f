"""The models beside the paper's, against what their publications say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import harness_reconstruction.segmentation as segmentation
from harness import Run, UnavailableError, spell
from harness.testing.toys import ToyEncoder, ToyLoss, toy_images
from harness_autoencoders import DAE, Adversary, Autoencoder, Reconstruction, seeded, train
from harness_autoencoders.corruption import corrupt
from harness_defects.lines import Scratch
from harness_reconstruction import VAE, Discriminative, GANomaly, Inpainting
from harness_reconstruction.holes import inpainted, partition, smoothed
from harness_reconstruction.painting import painted
from harness_reconstruction.segmentation import focal
from harness_reconstruction.variational_network import divergence, drawn

RUN = Run(image_size=32, epochs=2, batch_size=4, learning_rate=1e-3, weights="random")
NORMAL = toy_images(8, size=32, seed=1)
TEST = toy_images(4, defective=2, size=32, seed=2)
NARROW = (8, 8, 8, 8)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small images gain nothing from more, and lose much where others work on the same cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fitted(model, **changes):
    model.fit(NORMAL, encoder=ToyEncoder(), loss=ToyLoss(), run=replace(RUN, **changes))
    return model


def images(count=4, size=32):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


# --- adversarial


def test_without_an_adversary_a_dae_is_trained_as_it_was_before_there_were_any():
    with seeded(RUN):
        before = Autoencoder(ToyEncoder().build(RUN), 32, widths=NARROW, latent_dim=None, attention="none")
        step = lambda clean, random: ToyLoss()(before(corrupt(clean, "gaussian", 0.1, random)), clean)  # noqa: E731
        train(before, NORMAL, step, RUN)
    now = fitted(DAE(widths=NARROW)).state()
    assert all(np.array_equal(values.numpy(), now[name]) for name, values in before.state_dict().items())
    assert spell(DAE(adversarial=0.0)) == "dae"


def test_an_adversary_changes_what_is_learned_but_not_what_is_kept():
    plain, against = (fitted(DAE(widths=NARROW, adversarial=weight)) for weight in (0.0, 1.0))
    assert plain.state().keys() == against.state().keys()
    assert not np.allclose(plain.score(TEST).maps, against.score(TEST).maps, rtol=1e-3)


def test_an_adversary_learns_to_tell_what_was_made_from_what_is_real():
    torch.manual_seed(0)
    adversary, real = Adversary(RUN), images()
    made = real.mean(dim=(2, 3), keepdim=True).expand_as(real)
    for _ in range(60):
        adversary.learn(made, real)
    assert adversary.suspicion(made) > 0.5 > adversary.suspicion(real)
    assert adversary.difference(made, real) > adversary.difference(real, real) == 0


def test_the_generator_s_loss_leaves_the_adversary_as_it_is():
    adversary, made = Adversary(RUN), images().requires_grad_()
    adversary.learn(made, images())
    for weight in adversary.discriminator.parameters():
        weight.grad = None
    adversary.suspicion(made).backward()
    assert made.grad is not None
    assert all(weight.grad is None for weight in adversary.discriminator.parameters())


@dataclass
class OwnStep(Reconstruction):
    """A stranger's model, from before there was an adversary."""

    name = "own_step"

    def _step(self, clean, generator):
        return self._loss(self._network(clean), clean)


def test_a_model_whose_step_knows_no_adversary_says_so_and_is_skipped():
    fitted(OwnStep(widths=NARROW))
    with pytest.raises(UnavailableError, match="own_step trains by a step of its own, in which adversarial"):
        fitted(OwnStep(widths=NARROW, adversarial=0.5))


# --- vae


def test_the_divergence_is_that_of_torch_s_distributions():
    mean, log_variance = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0)).unbind()
    gaussian = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(gaussian, torch.distributions.Normal(0, 1)).sum(dim=1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_latents_are_drawn_with_the_mean_and_deviation_of_their_gaussians():
    mean, log_variance = torch.tensor([[2.0, -1.0]]).expand(20_000, 2), torch.tensor([[0.0, 9.0]]).clamp_min(1).log()
    latents = drawn(mean, log_variance.expand(20_000, 2), torch.Generator().manual_seed(0))
    torch.testing.assert_close(latents.mean(dim=0), torch.tensor([2.0, -1.0]), rtol=0, atol=0.1)
    torch.testing.assert_close(latents.std(dim=0), torch.tensor([1.0, 3.0]), rtol=0.05, atol=0)


def test_a_large_weight_of_the_divergence_draws_latents_towards_the_standard_gaussian():
    def distance(beta):
        network = fitted(VAE(widths=NARROW, latent_dim=4, beta=beta), epochs=6)._network
        with torch.no_grad():
            return float(divergence(*network.distribution(images())).mean())

    assert distance(1e5) < distance(0)


# --- inpainting


@settings(deadline=None, max_examples=30)
@given(side=st.integers(1, 40), cell=st.integers(1, 16), parts=st.integers(2, 5), seed=st.integers(0, 99))
def test_the_holes_of_all_parts_cover_each_pixel_once_and_are_equally_many(side, cell, parts, seed):
    hidden = partition(side, cell, parts, seed)
    assert torch.equal(hidden.sum(dim=0), torch.ones(side, side))
    squares = hidden[:, ::cell, ::cell].sum(dim=(1, 2))
    assert squares.max() - squares.min() <= 1


def test_no_pixel_is_seen_by_the_network_that_fills_it_in():
    hidden = partition(32, 4, 3, seed=0)
    assert torch.equal(inpainted(nn.Identity(), images(), hidden), torch.zeros(4, 3, 32, 32))


def test_an_inpainted_image_does_not_depend_on_the_pixel_itself():
    """Each pixel's gradient in itself is 0, whatever it depends on besides."""
    network = fitted(Inpainting(widths=NARROW, cells=(4,)))._network
    given_images = images(1).requires_grad_()
    filled = inpainted(network, given_images, partition(32, 4, 3, seed=1))
    (gradient,) = torch.autograd.grad(filled[0, :, 9, 9].sum(), given_images)
    assert gradient[0, :, 9, 9].abs().max() == 0 < gradient.abs().max()


def test_a_smoothed_map_is_the_mean_of_what_lies_in_the_window():
    maps = images()[:, 0]
    assert torch.equal(smoothed(maps, 1), maps)
    torch.testing.assert_close(smoothed(maps, 3)[:, 5, 5], maps[:, 4:7, 4:7].mean(dim=(1, 2)))
    torch.testing.assert_close(smoothed(maps, 3)[:, 0, 0], maps[:, :2, :2].mean(dim=(1, 2)))


# --- ganomaly


def test_ganomaly_scores_the_distance_of_both_latents_less_what_is_usual():
    model = fitted(GANomaly(widths=NARROW, latent_dim=4))
    network, clean = model._network, torch.tensor(TEST.pixels).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        latent, output, again = network(clean)
        torch.testing.assert_close(again, network.down(network.encoder(output).flatten(1)))
        usual = torch.tensor(NORMAL.pixels).permute(0, 3, 1, 2) / 255
        differences = network(usual)[0] - network(usual)[2]
    np.testing.assert_allclose(network.usual.numpy(), differences.mean(dim=0).numpy(), rtol=1e-3, atol=1e-6)
    expected = (latent - again - differences.mean(dim=0)).abs().mean(dim=1)
    np.testing.assert_allclose(model.score(TEST).images, expected.numpy(), rtol=1e-3, atol=1e-6)


def test_the_second_encoder_of_ganomaly_goes_its_own_way():
    network = fitted(GANomaly(widths=NARROW, latent_dim=4))._network
    assert not torch.equal(network.down.weight, network.generator.bottleneck.down.weight)


# --- discriminative


def test_the_focal_loss_is_cross_entropy_that_forgets_what_is_known(monkeypatch):
    logits, target = torch.tensor([[[2.0, -1.0]]]), torch.tensor([[[1.0, 1.0]]])
    sure = logits.sigmoid()
    torch.testing.assert_close(focal(logits, target), (-((1 - sure) ** 2) * sure.log()).mean())
    monkeypatch.setattr(segmentation, "FOCUS", 0.0)
    torch.testing.assert_close(focal(logits, target), -sure.log().mean())


def test_defects_are_painted_on_a_share_of_the_images_and_nothing_beside_them_changes():
    clean = torch.tensor(toy_images(40, size=32).pixels).permute(0, 3, 1, 2) / 255
    given_images, masks = painted(clean, None, 0.5, np.random.default_rng(0))
    struck = masks.amax(dim=(1, 2)) > 0
    assert 10 <= int(struck.sum()) <= 30
    torch.testing.assert_close(given_images[~struck], clean[~struck])
    changed = (given_images - clean).abs().amax(dim=(1, 2, 3)) > 0.02
    assert changed[struck].float().mean() > 0.9
    again = painted(clean, None, 0.5, np.random.default_rng(0))
    assert torch.equal(given_images, again[0])
    assert torch.equal(masks, again[1])


def test_the_defect_that_was_asked_for_is_the_one_painted(monkeypatch):
    seen = []
    monkeypatch.setattr(
        Scratch, "paint", lambda self, pixels, part, random: (seen.append(self.size), (pixels, part))[1]
    )
    fitted(Discriminative(widths=NARROW, width=2, defect=Scratch(size=0.3), share=1.0), epochs=1)
    assert seen == [0.3] * 8


def test_maps_of_the_discriminative_model_are_probabilities():
    maps = fitted(Discriminative(widths=NARROW, width=2)).score(TEST).maps
    assert 0 <= maps.min() <= maps.max() <= 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DAE(adversarial=-1), "adversarial is -1"),
        (lambda: VAE(beta=-1), "beta is -1"),
        (lambda: VAE(bottleneck="none"), "bottleneck is 'none'"),
        (lambda: GANomaly(bottleneck="none"), "bottleneck is 'none'"),
        (lambda: GANomaly(encoding=0), "encoding 0"),
        (lambda: Inpainting(cells=(0,)), r"cells are \(0,\)"),
        (lambda: Inpainting(parts=1), "parts is 1"),
        (lambda: Inpainting(widths=(1,)), r"widths are \(1,\)"),
        (lambda: Inpainting(smoothing=4), "smoothing is 4"),
        (lambda: Discriminative(share=0), "share is 0"),
        (lambda: Discriminative(width=0), "width is 0"),
        (lambda: Discriminative(smoothing=0), "smoothing is 0"),
    ],
)
def test_an_impossible_option_is_refused_with_its_value(make, said):
    with pytest.raises(ValueError, match=said):
        make()
