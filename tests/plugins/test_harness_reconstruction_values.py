"""Losses and painted defects by hand: nothing is fitted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from harness_reconstruction import painting, segmentation
from harness_reconstruction.discriminative import Discriminative
from harness_reconstruction.ganomaly import GANomaly
from harness_reconstruction.holes import partition, smoothed
from harness_reconstruction.inpainting import Inpainting
from harness_reconstruction.painting import painted
from harness_reconstruction.variational import VAE

CHANCE = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("images", [1, 3])
def test_the_loss_of_a_vae_is_its_error_and_the_divergence_for_each_number_of_an_image(images: int) -> None:
    model, clean = VAE(beta=6.0), torch.rand(images, 3, 4, 4)
    mean = torch.full((images, 2), 2.0)
    model._network = SimpleNamespace(
        distribution=lambda given: (mean, torch.zeros(images, 2)), decode=lambda drawn: clean
    )  # type: ignore[assignment]
    model._error = lambda output, given: torch.tensor(0.5)  # type: ignore[method-assign,assignment]
    assert float(model._step(clean, CHANCE)) == pytest.approx(0.5 + 6 * 4 / 48)


def test_the_loss_of_ganomaly_weighs_context_latents_and_adversary() -> None:
    clean, learned = torch.zeros(2, 3, 4, 4), []
    model = GANomaly(contextual=10.0, encoding=3.0, adversarial=7.0)
    latents = torch.tensor([[1.0, 3.0], [1.0, 3.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    network: Any = lambda given: (latents[0], given + 1, latents[1])  # noqa: E731
    model._network = network
    model._loss = lambda output, given: (output - given).mean() / 5  # type: ignore[assignment]
    model._adversary = None
    assert float(model._step(clean, CHANCE)) == pytest.approx(10 / 5 + 3 * 2.5)
    model._adversary = SimpleNamespace(  # type: ignore[assignment]
        learn=lambda output, given: learned.append((float(output.mean()), float(given.mean()))),
        difference=lambda output, given: torch.tensor(0.25),
    )
    assert float(model._step(clean, CHANCE)) == pytest.approx(10 / 5 + 3 * 2.5 + 7 / 4)
    assert learned == [(1.0, 0.0)], "it learns to tell reconstructions from images"


def test_kinds_sizes_and_contrasts_of_painted_defects_are_drawn_over_their_whole_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[int, float, float]] = []
    kinds = tuple(lambda size, contrast, number=number: made.append((number, size, contrast)) for number in range(3))
    monkeypatch.setattr(painting, "_kinds", lambda: kinds)
    random = np.random.default_rng(0)
    for _ in range(2000):
        painting._any(random)
    number, size, contrast = np.array(made).T
    assert np.bincount(number.astype(int)).tolist() == pytest.approx([667] * 3, abs=70)
    assert (size.min(), size.max()) == pytest.approx((0.05, 0.4), rel=0.01)
    assert np.median(size) == pytest.approx(np.sqrt(0.05 * 0.4), rel=0.06), "evenly in logarithms"
    assert (contrast.min(), contrast.max()) == pytest.approx((0.2, 1.0), abs=0.005)


def test_a_painted_image_has_its_grey_levels_and_a_mask_of_noughts_and_ones() -> None:
    clean = torch.full((6, 3, 8, 10), 100 / 255)

    class Dot:
        def paint(self, pixels: np.ndarray, part: np.ndarray, random: Any) -> Any:
            assert pixels.shape == (8, 10, 3)
            assert part.all()
            mask = np.zeros((8, 10), dtype=bool)
            mask[2, 7] = True
            changed = pixels.copy()
            changed[mask] = 255
            return changed, mask

    dot: Any = Dot()
    images, masks = painted(clean, dot, 1.0, np.random.default_rng(0))
    assert masks.sum(dim=(1, 2)).tolist() == [1] * 6
    assert images[:, :, 2, 7].min() == 1
    assert images[:, :, 0, 0].mean().item() == pytest.approx(100 / 255)
    untouched, none = painted(clean, dot, 0.0, np.random.default_rng(0))
    assert (none.sum().item(), torch.equal(untouched, clean)) == (0, True)
    some = painted(clean.repeat(50, 1, 1, 1), dot, 0.25, np.random.default_rng(0))[1]
    assert some.sum().item() / 300 == pytest.approx(0.25, abs=0.06)


class Given(torch.nn.Module):
    """Does what a function says."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: torch.Tensor) -> Any:
        return self.function(images)


def test_a_segmenter_begins_with_the_plain_difference() -> None:
    restoring: Any = Given(lambda images: images + torch.tensor([0.1, 0.2, 0.3])[None, :, None, None])
    network = segmentation.RestoredAndSegmented(restoring, 2)
    segmenting: Any = Given(lambda both: both[:, 0] * 0 + float(both.shape[1] == 6))
    network.segmenting = segmenting
    _, logits = network(torch.zeros(1, 3, 2, 2))
    assert logits.flatten().tolist() == pytest.approx([10 * 0.2 - 4 + 1] * 4)


def test_squares_of_a_partition_are_hidden_once_each_and_are_drawn_by_the_seed() -> None:
    parts = partition(10, 4, 3, 7)
    assert parts.shape == (3, 10, 10)
    assert torch.equal(parts.sum(dim=0), torch.ones(10, 10))
    assert all(len(parts[part, :4, :4].unique()) == 1 for part in range(3))
    assert sorted(int(parts[part, ::4, ::4].sum()) for part in range(3)) == [3, 3, 3]
    assert torch.equal(parts, partition(10, 4, 3, 7))
    assert not torch.equal(parts, partition(10, 4, 3, 8))
    maps = torch.rand(2, 5, 5)
    assert smoothed(maps, 1) is maps
    assert float(smoothed(maps, 3)[0, 0, 0]) == pytest.approx(float(maps[0, :2, :2].mean()))


def test_defaults_are_those_of_the_publications() -> None:
    assert (VAE().beta, Discriminative().share, Discriminative().width, Discriminative().smoothing) == (1, 0.5, 16, 21)
    assert (GANomaly().adversarial, GANomaly().contextual, GANomaly().encoding) == (1, 50, 1)
    inpainting = Inpainting()
    assert (inpainting.cells, inpainting.parts, inpainting.smoothing) == ((2, 4, 8, 16), 3, 21)
    assert inpainting.widths == (128, 64, 32, 16)
    assert (VAE().default_pool, Discriminative.default_pool, Inpainting.default_pool) == ("mean", "max", "max")
