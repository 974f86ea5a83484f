"""What follows a convolution, in fewer passes over memory on a GPU: bias, ReLU and 2x2 max-pooling.

Elsewhere, and wherever the kernels cannot be used, the same is computed by torch, one operation after another.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def rectified(features: Tensor, bias: Tensor) -> Tensor:
    """ReLU of a map (N, C, H, W) plus a bias (C,), in the map's own memory."""
    if (kernels := _kernels_for(features)) is not None:
        output: Tensor = kernels.Rectified.apply(features, bias)
        return output
    return features.add_(bias.to(features.dtype)[:, None, None]).relu_()


def pooled(convolution: nn.Conv2d, images: Tensor, *, twice: bool = False) -> Tensor:
    """ReLU of the 2x2 max-pooling of a convolution: (N, C, H, W) to (N, width, H/2, W/2).

    `twice` says that gradients will be differentiated again, which these kernels do not provide for.
    """
    if not twice and _on_gpu(images) and convolution.bias is not None:
        features = convolution._conv_forward(images, convolution.weight, None)
        if (kernels := _kernels_for(features)) is not None:
            output: Tensor = kernels.Pooled.apply(features, convolution.bias)
            return output
        features = features.add_(convolution.bias.to(features.dtype)[:, None, None])
    else:
        features = convolution(images)
    # ReLU and max-pooling commute; after pooling, ReLU has only a quarter of the numbers to do.
    return functional.max_pool2d(features, 2).relu_()


def fused_on(device: str) -> bool:
    """Whether the kernels compute on this device, as torch spells it; where they do not, torch's operations do."""
    return device.startswith("cuda") and _kernels(torch.device(device)) is not None


def _kernels_for(features: Tensor) -> Any:
    """The module of kernels where they can be used on this map; None elsewhere."""
    if not _on_gpu(features) or not features.is_contiguous(memory_format=torch.channels_last):
        return None
    return _kernels(features.device)


def _on_gpu(images: Tensor) -> bool:
    return images.is_cuda


@cache
def _kernels(device: torch.device) -> Any:
    """The module of kernels if they compute here what torch computes; otherwise None, which is said once."""
    if os.environ.get("HARNESS_FUSED", "on") == "off":
        return None
    try:
        from harness_timm import kernels

        with torch.enable_grad(), torch.inference_mode(False):
            fault = "" if agree(kernels, device) else "they do not compute here what torch does"
    except Exception as error:  # no Triton, no compiler for it, a device that it does not know
        fault = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    if not fault:
        return kernels
    print(f"bias, pooling and ReLU are computed one by one on {device}, as exact and slower: {fault}", file=sys.stderr)
    return None


def agree(kernels: Any, device: torch.device, half: torch.dtype = torch.bfloat16) -> bool:
    """Whether these kernels give torch's values and gradients on a small map, of half precision and of float32."""
    generator = torch.Generator().manual_seed(0)
    bias = torch.randn(40, generator=generator).to(device)
    for kind in (half, torch.float32):
        features = torch.randn(2, 6, 10, 40, generator=generator).round(decimals=1).to(device, kind).permute(0, 3, 1, 2)
        added = (features + bias.to(kind)[:, None, None]).detach()
        for kernel, expected in (
            (kernels.Rectified, functional.relu),
            (kernels.Pooled, lambda x: functional.max_pool2d(x, 2).relu()),
        ):
            ours, theirs = features.clone().requires_grad_(), added.clone().requires_grad_()
            shift = bias.clone().requires_grad_()
            output, wanted = kernel.apply(ours * 1, shift), expected(theirs)
            weight = torch.randn(wanted.shape, generator=generator).to(device, kind)
            by_ours, by_shift = torch.autograd.grad(output, (ours, shift), weight)
            (by_theirs,) = torch.autograd.grad(wanted, theirs, weight)
            if not (torch.equal(output, wanted) and torch.equal(by_ours, by_theirs)):
                return False
            if not torch.allclose(by_shift, by_theirs.float().sum(dim=(0, 2, 3)), rtol=1e-4, atol=1e-4):
                return False
    return True
