"""Structural similarity at each pixel and over whole images; tests compare it with pytorch-msssim."""

from __future__ import annotations

from typing import Any

import pytorch_msssim
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from harness import UsageError

SIGMA = 1.5
"""Standard deviation of the window, in pixels."""
C1, C2 = 0.01**2, 0.03**2
"""The constants that keep the quotient finite, for values in [0, 1]."""
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales of MS-SSIM, from fine to coarse: Wang, Simoncelli and Bovik 2003."""


def ssim(output: Tensor, target: Tensor, window: int) -> Tensor:
    """The mean similarity over all windows that lie whole in the image, a scalar. Raises UsageError."""
    _check_size(output, window)
    with torch.autocast(output.device.type, enabled=False):  # variances are differences of nearly equal numbers
        value: Tensor = _MeanSimilarity.apply(output.float(), target.float(), window)
    return value


def ssim_map(output: Tensor, target: Tensor, window: int) -> Tensor:
    """(N, C, H, W) twice to (N, C, H, W), images mirrored at their borders. Raises UsageError."""
    _check_size(output, window)
    luminance, structure = _factors(output, target, window)
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
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, structure = _factors(output, target, window)
        similarity = structure if scale < len(SCALE_WEIGHTS) - 1 else luminance * structure
        # A negative similarity has no such power; a small one instead of 0 keeps the gradient finite.
        enlarged = functional.interpolate(similarity.clamp(min=1e-6).pow(weight), size=size, mode="bilinear")
        product = product * enlarged
        output, target = (functional.avg_pool2d(images, 2) for images in (output, target))
    return product


def _factors(output: Tensor, target: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) twice to luminance, and contrast with structure, both (N, C, H, W)."""
    with torch.autocast(output.device.type, enabled=False):
        x, y = (functional.pad(images.float(), [window // 2] * 4, mode="reflect") for images in (output, target))
        mean_x, mean_y, product, square = _moments(x, y, _gaussian(window, x.device))
        a1, b1 = _of_means(mean_x, mean_y)
        return a1 / b1, (product - a1) / (square - b1)


class _MeanSimilarity(torch.autograd.Function):
    """The mean of the map without borders, a1 a2 / (b1 b2), whose gradient is computed in the forward pass.

    Autograd's own makes many more passes over the images, and takes twice as long.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, window: int) -> Tensor:
        taps = _gaussian(window, x.device)
        mean_x, mean_y, product, square = _moments(x, y, taps)
        a1, b1 = _of_means(mean_x, mean_y)
        a2, b2 = product.sub_(a1), square.sub_(b1)
        inverse = (b1 * b2).reciprocal_()
        similarity = (a1 * a2).mul_(inverse)
        value = similarity.mean()
        if ctx.needs_input_grad[0]:
            # Half the derivatives by mean and product, and the whole one by square: so x needs no factor of 2.
            by_square = similarity.div(b2)
            by_means_square = similarity.div_(b1).sub_(by_square)
            by_mean = a2.sub_(a1).mul_(inverse).mul_(mean_y).addcmul_(by_means_square, mean_x, value=-1)
            by_product = a1.mul_(inverse)
            spread = _blur(torch.cat((by_mean, by_square, by_product)), taps, padding=window - 1).chunk(3)
            ctx.save_for_backward(spread[0].addcmul_(spread[1], x, value=-1).addcmul_(spread[2], y))
            ctx.scale = 2 / mean_x.numel()
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * (by_value * ctx.scale), None, None


def _moments(x: Tensor, y: Tensor, taps: Tensor) -> tuple[Tensor, ...]:
    """(N, C, H, W) twice to the windows' means of x, of y, of 2xy + c1 + c2, and of x^2 + y^2 + c1 + c2."""
    product, difference = torch.addcmul(x.new_full((), C1 + C2), x, y, value=2), x - y
    # In this order, the two are equal to the last bit where x and y are equal.
    square = torch.addcmul(product, difference, difference)
    blurred = _blur(torch.cat((x, y, product, square)), taps)
    # The same as chunk(4), which cannot be exported for an unknown number of images.
    return blurred.view(4, x.shape[0], *blurred.shape[1:]).unbind()


def _of_means(mean_x: Tensor, mean_y: Tensor) -> tuple[Tensor, Tensor]:
    """The two factors of equation 2 that are made of means: 2 mx my + c1 above, and mx^2 + my^2 + c1 below.

    The other two are what is left of the means of product and square without them.
    """
    above, difference = torch.addcmul(mean_x.new_full((), C1), mean_x, mean_y, value=2), mean_x - mean_y
    return above, torch.addcmul(above, difference, difference)


def _blur(images: Tensor, taps: Tensor, padding: int = 0) -> Tensor:
    """(N, C, H, W) to (N, C, H + 2 padding - window + 1, the same for W): one pass along rows, one along columns.

    In memory images are (N, H, W, C), so along columns the W x C numbers of a row may all count as channels. With
    so many to a vector instead of 3, that pass is four times as fast.
    """
    count, channels, height, _ = images.shape
    window = len(taps)
    rows = functional.conv2d(images, taps.expand(channels, 1, 1, window), padding=(0, padding), groups=channels)
    width = rows.shape[3]
    columns = rows.permute(0, 2, 3, 1).reshape(count, 1, height, width * channels).permute(0, 3, 1, 2)
    kernel = taps.expand(width * channels, 1, 1, window)
    blurred = functional.conv2d(columns, kernel, padding=(0, padding), groups=width * channels)
    return blurred.permute(0, 2, 3, 1).reshape(count, -1, width, channels).permute(0, 3, 1, 2)


def _gaussian(window: int, device: torch.device) -> Tensor:
    """(window,), summing to 1."""
    taps = torch.exp(-((torch.arange(window, device=device) - window // 2) ** 2) / (2 * SIGMA**2))
    return taps / taps.sum()


def _check_size(images: Tensor, window: int, scales: int = 1) -> None:
    """The smallest scale must have more than window - 1 pixels, as in pytorch-msssim."""
    height, width = images.shape[2:]
    least = (window - 1) * 2 ** (scales - 1) + 1
    if min(height, width) < least:
        needs = f"a window of {window}" + (f" at {scales} scales" if scales > 1 else "")
        largest = (min(height, width) - 1) // 2 ** (scales - 1) // 2 * 2 + 1
        way = f", or a window of at most {largest}" if largest >= 3 else ""
        raise UsageError(f"images of {height}x{width} are too small for {needs}: expected {least} or more{way}")
