"""Noise: its kinds and level, and that an image's own depends on that image and the seed alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from harness_autoencoders.corruption import apply, corrupt, draw, draw_by_content

GREY = torch.full((4, 3, 32, 32), 0.5)


def corrupted(noise: str, level: float, seed: int = 0, images: torch.Tensor = GREY) -> torch.Tensor:
    return corrupt(images, noise, level, torch.Generator().manual_seed(seed))


def test_gaussian_noise_has_the_standard_deviation_asked_for():
    difference = corrupted("gaussian", 0.1) - GREY
    assert difference.std().item() == pytest.approx(0.1, rel=0.03)
    assert abs(difference.mean().item()) < 0.005


def test_gaussian_noise_stays_in_range():
    noisy = corrupted("gaussian", 1.0)
    assert noisy.min() == 0
    assert noisy.max() == 1


def test_masking_blackens_whole_pixels_at_the_share_asked_for():
    masked = corrupted("masking", 0.3)
    black = (masked == 0).all(dim=1)
    assert black.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (masked[~black[:, None].expand_as(masked)] == 0.5).all()


def test_salt_and_pepper_turn_half_of_their_share_white():
    noisy = corrupted("salt_pepper", 0.4)
    for value, share in ((0.0, 0.2), (1.0, 0.2), (0.5, 0.6)):
        assert (noisy == value).all(dim=1).float().mean().item() == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_pepper"])
def test_corrupting_leaves_the_image_alone_and_follows_its_generator(noise):
    images = GREY.clone().contiguous(memory_format=torch.channels_last)
    first = corrupted(noise, 0.2, images=images)
    assert torch.equal(images, GREY)
    assert torch.equal(first, corrupted(noise, 0.2, images=images))
    assert not torch.equal(first, corrupted(noise, 0.2, seed=1, images=images))


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_pepper"])
def test_no_noise_at_level_zero(noise):
    assert torch.equal(corrupted(noise, 0.0), GREY)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(115, 140, (5, 16, 16, 3), dtype=np.uint8)  # far from 0 and 1


def by_content(pixels: np.ndarray, seed: int = 0) -> torch.Tensor:
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    return apply(images, draw_by_content(pixels, "gaussian", 0.1, seed), "gaussian", 0.1)


def test_an_image_s_own_noise_does_not_depend_on_its_neighbours_or_their_order(pixels):
    together = by_content(pixels)
    order = [3, 0, 4, 1, 2]
    assert torch.equal(by_content(pixels[order]), together[order])
    assert torch.equal(by_content(pixels[2:3]), together[2:3])


def test_two_images_and_two_seeds_have_their_own_noise(pixels):
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    noise = by_content(pixels) - images
    assert (noise[0] - noise[1]).abs().max() > 0.01
    assert not torch.equal(by_content(pixels, seed=1), by_content(pixels, seed=0))
    assert torch.equal(by_content(pixels, seed=-1), by_content(pixels, seed=-1))


@pytest.mark.parametrize("noise", ["gaussian", "masking"])
def test_models_of_version_2_have_the_noise_of_the_digest_of_an_image_for_good(pixels, noise):
    for seed in (0, 31):
        found = draw_by_content(pixels, noise, 0.1, seed)
        for image, drawn in zip(pixels, found, strict=True):
            digits = hashlib.blake2b(image.tobytes(), digest_size=7, key=str(seed).encode()).hexdigest()
            generator = torch.Generator().manual_seed(int(digits, 16))
            assert torch.equal(drawn, draw(1, 16, 16, noise, 0.1, generator)[0])
