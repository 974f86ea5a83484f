"""Structural similarity at each pixel, tied to pytorch-msssim by tests."""

from __future__ import annotations

import pytorch_msssim
import torch
from torch import Tensor
from torch.nn import functional

from harness import UsageError

SIGMA = 1.5
"""Standard deviation of the window, in pixels."""
C1, C2 = 0.01**2, 0.03**2
"""The constants that keep the quotient finite, for values in [0, 1]."""
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales of MS-SSIM, from fine to coarse: Wang, Simoncelli and Bovik 2003, as in pytorch-msssim."""


def ssim(output: Tensor, target: Tensor, window: int) -> Tensor:
    """The mean similarity over all windows that lie whole in the image, a scalar. Raises UsageError."""
    _check_size(output, window)
    luminance, structure = _similarity(output, target, window)
    return (luminance * structure).mean()


def ssim_map(output: Tensor, target: Tensor, window: int) -> Tensor:
    """(N, C, H, W) twice to (N, C, H, W), images mirrored at their borders. Raises UsageError."""
    _check_size(output, window)
    luminance, structure = _similarity(_mirrored(output, window), _mirrored(target, window), window)
    return luminance * structure


def ms_ssim(output: Tensor, target: Tensor, window: int) -> Tensor:
    """pytorch_msssim.ms_ssim for values in [0, 1], a scalar. Raises UsageError."""
    _check_size(output, window, scales=len(SCALE_WEIGHTS))
    with torch.autocast(output.device.type, enabled=False):
        value: Tensor = pytorch_msssim.ms_ssim(output.float(), target.float(), data_range=1, win_size=window)
    return value


def ms_ssim_map(output: Tensor, target: Tensor, window: int) -> Tensor:
    """(N, C, H, W) twice to (N, C, H, W): the product of the scales' maps to their weights. Raises UsageError."""
    _check_size(output, window, scales=len(SCALE_WEIGHTS))
    size, product = output.shape[2:], torch.ones((), device=output.device)
    output, target = output.float(), target.float()
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, structure = _similarity(_mirrored(output, window), _mirrored(target, window), window)
        similarity = structure if scale < len(SCALE_WEIGHTS) - 1 else luminance * structure
        # A negative similarity has no such power; a small one instead of 0 keeps the gradient finite.
        enlarged = functional.interpolate(similarity.clamp(min=1e-6).pow(weight), size=size, mode="bilinear")
        product = product * enlarged
        output, target = (functional.avg_pool2d(images, 2) for images in (output, target))
    return product


def _similarity(output: Tensor, target: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) twice to luminance, and contrast with structure, both (N, C, H - window + 1, W - window + 1)."""
    with torch.autocast(output.device.type, enabled=False):  # variances are differences of nearly equal numbers
        x, y = output.float(), target.float()
        planes = 5 * x.shape[1]
        stacked = torch.cat((x, y, x * x, y * y, x * y), dim=1)
        taps = gaussian(window, x.device).repeat(planes, 1, 1, 1)
        for kernel in (taps, taps.transpose(2, 3)):
            stacked = functional.conv2d(stacked, kernel, groups=planes)
        mean_x, mean_y, square_x, square_y, product = stacked.chunk(5, dim=1)
        variances = square_x - mean_x.square() + square_y - mean_y.square()
        covariance = product - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
        return luminance, (2 * covariance + C2) / (variances + C2)


def _mirrored(images: Tensor, window: int) -> Tensor:
    return functional.pad(images.float(), [window // 2] * 4, mode="reflect")


def gaussian(window: int, device: torch.device) -> Tensor:
    """(1, 1, 1, window), summing to 1."""
    taps = torch.exp(-((torch.arange(window, device=device) - window // 2) ** 2) / (2 * SIGMA**2))
    return (taps / taps.sum()).view(1, 1, 1, window)


def _check_size(images: Tensor, window: int, scales: int = 1) -> None:
    """As pytorch-msssim has it: more than window - 1 pixels at the smallest scale."""
    height, width = images.shape[2:]
    least = (window - 1) * 2 ** (scales - 1) + 1
    if min(height, width) < least:
        needs = f"a window of {window}" + (f" at {scales} scales" if scales > 1 else "")
        largest = (min(height, width) - 1) // 2 ** (scales - 1) // 2 * 2 + 1
        way = f", or a window of at most {largest}" if largest >= 3 else ""
        raise UsageError(f"images of {height}x{width} are too small for {needs}: expected {least} or more{way}")
