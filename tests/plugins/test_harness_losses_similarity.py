"""Structural similarity: our passes against pytorch-msssim, in value, gradient and map."""

from __future__ import annotations

import pytest
import pytorch_msssim
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import UsageError
from harness_losses import MSSSIM, SSIM, SSIML1


def pair(seed: int, height: int = 40, width: int = 40, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(count, 3, height, width, generator=generator)
    noise = torch.rand(count, 3, height, width, generator=generator)
    return (0.6 * target + 0.4 * noise).requires_grad_(), target


def value_and_gradient(function, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    value = function(output, target)
    return value.detach(), torch.autograd.grad(value, output)[0]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(11, 50),
    width=st.integers(11, 50),
    count=st.integers(1, 3),
    window=st.sampled_from([3, 7, 11]),
)
def test_the_loss_and_its_gradient_are_those_of_pytorch_msssim(seed, height, width, count, window):
    output, target = pair(seed, height, width, count)

    def library(x, y):
        return 1 - pytorch_msssim.ssim(x, y, data_range=1, win_size=window)

    expected, slope = value_and_gradient(library, output, target)
    found, ours = value_and_gradient(SSIM(window), output, target)
    assert abs(found - expected) < 1e-5
    torch.testing.assert_close(ours, slope, rtol=1e-3, atol=1e-5 * slope.abs().max().item())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_in_memory_does_not_matter(layout):
    output, target = pair(0)
    expected, slope = value_and_gradient(SSIM(), output, target)
    turned = output.detach().contiguous(memory_format=layout).requires_grad_()
    found, ours = value_and_gradient(SSIM(), turned, target.contiguous(memory_format=layout))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours, slope, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("window", [3, 7, 11])
def test_inside_the_border_the_map_is_pytorch_msssim_s(window):
    output, target = pair(1, 30, 25)
    margin = window // 2
    inside = SSIM(window).error_map(output, target)[:, margin:-margin, margin:-margin]
    whole = pytorch_msssim.ssim(output, target, data_range=1, win_size=window, size_average=False)
    torch.testing.assert_close(1 - inside.mean(dim=(1, 2)), whole)
    # One window's own similarity is that of the patch it covers.
    patch = slice(4, 4 + window)
    alone = pytorch_msssim.ssim(output[..., patch, patch], target[..., patch, patch], data_range=1, win_size=window)
    torch.testing.assert_close(1 - inside[:, 4, 4].mean(), alone)


def test_under_bfloat16_autocast_it_is_still_made_in_float32():
    output, target = pair(2)
    expected, slope = value_and_gradient(SSIM(), output, target)
    map_expected = SSIM().error_map(output, target)
    with torch.autocast("cpu", torch.bfloat16):
        found, ours = value_and_gradient(SSIM(), output, target)
        map_found = SSIM().error_map(output, target)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours, slope)
    torch.testing.assert_close(map_found, map_expected)


def test_a_bfloat16_output_gets_its_gradient_back():
    output, target = pair(3)
    rounded = output.detach().bfloat16().requires_grad_()
    SSIM()(rounded, target).backward()
    assert rounded.grad.dtype == torch.bfloat16
    assert rounded.grad.any()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_images_are_as_similar_as_their_brightness(value):
    same, other = torch.full((1, 3, 20, 20), value), torch.full((1, 3, 20, 20), 0.25)
    assert SSIM()(same, same).abs() < 1e-5
    brightness = (2 * value * 0.25 + 1e-4) / (value**2 + 0.25**2 + 1e-4)
    assert SSIM()(same, other).item() == pytest.approx(1 - brightness, abs=1e-3)


def test_images_smaller_than_the_window_are_refused_with_the_largest_that_fits():
    with pytest.raises(UsageError, match="images of 8x8 are too small for a window of 11: expected 11 or more, or a w"):
        SSIM()(*pair(0, 8, 8))
    with pytest.raises(UsageError, match="at most 7"):
        SSIM().error_map(*pair(0, 8, 8))


@pytest.mark.parametrize("part", [SSIM, MSSSIM, SSIML1])
@pytest.mark.parametrize("window", [-1, 1, 10])
def test_a_window_that_is_even_or_too_small_is_quoted(part, window):
    with pytest.raises(ValueError, match=f"window is {window}, expected an odd number"):
        part(window=window)


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_outside_0_to_1_is_quoted(weight):
    with pytest.raises(ValueError, match=f"weight is {weight}"):
        SSIML1(weight=weight)


def test_ms_ssim_is_pytorch_msssim_s():
    output, target = pair(4, 49, 49)
    expected = 1 - pytorch_msssim.ms_ssim(output, target, data_range=1, win_size=3)
    torch.testing.assert_close(MSSSIM(3)(output, target), expected)


def test_ms_ssim_marks_the_place_of_a_defect():
    target = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    output = target.clone()
    output[..., 20:36, 60:76] = 0.5
    errors = MSSSIM(3).error_map(output, target)[0]
    assert errors[20:36, 60:76].mean() > 5 * errors[50:, :50].mean()


def test_images_too_small_for_five_scales_are_refused_with_a_window_that_fits():
    with pytest.raises(UsageError, match="64x64 .* 11 at 5 scales: expected 161 or more, or a window of at most 3"):
        MSSSIM()(*pair(0, 64, 64))
    MSSSIM(3)(*pair(0, 64, 64))
    with pytest.raises(UsageError, match="expected 161 or more$"):
        MSSSIM()(*pair(0, 32, 32))
