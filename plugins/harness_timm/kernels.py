"""Triton kernels for what follows a convolution: bias, ReLU and 2x2 max-pooling, in one pass over memory each way.

torch hands no bias to cuDNN's convolutions, so bias, pooling and ReLU are kernels of their own there, each of which
reads and writes the whole map. All maps lie as (rows, channels), which is channels_last; a row is a pixel. Sums and
roundings are those of torch, so that values are equal to the last bit; only gradients of biases are summed in another
order, which is always the same.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, CHANNELS = 64, 32
"""Of a block."""


@triton.jit  # type: ignore[untyped-decorator]
def _rectify(x, bias, rows, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    inside = (row < rows) & (channel < channels)
    kind = x.dtype.element_ty
    b = tl.load(bias + channel, mask=channel < channels, other=0.0).to(kind).to(tl.float32)
    at = x + row.to(tl.int64) * channels + channel
    value = (tl.load(at, mask=inside, other=0.0).to(tl.float32) + b).to(kind).to(tl.float32)
    tl.store(at, tl.where(value <= 0, 0.0, value).to(kind), mask=inside)  # what is no number stays so


@triton.jit  # type: ignore[untyped-decorator]
def _gate(gradient, output, result, sums, rows, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    inside = (row < rows) & (channel < channels)
    at = row.to(tl.int64) * channels + channel
    live = tl.load(output + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.where(live <= 0, 0.0, value)
    tl.store(result + at, value.to(result.dtype.element_ty), mask=inside)
    column = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    tl.store(sums + tl.program_id(0) * channels + column, tl.sum(value, axis=0), mask=column < channels)


@triton.jit  # type: ignore[untyped-decorator]
def _pool(x, bias, pooled, places, rows, channels, height, width, ROWS: tl.constexpr, CHANNELS: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    inside = (row < rows) & (channel < channels)
    kind = x.dtype.element_ty
    b = tl.load(bias + channel, mask=channel < channels, other=0.0).to(kind).to(tl.float32)
    down, across = height // 2, width // 2
    corner = (row // (down * across) * height + row // across % down * 2) * width + row % across * 2
    first = x + corner.to(tl.int64) * channels + channel
    best = (tl.load(first, mask=inside, other=0.0).to(tl.float32) + b).to(kind).to(tl.float32)
    place = tl.zeros((ROWS, CHANNELS), dtype=tl.int32)
    for other in tl.static_range(1, 4):
        step = (other // 2 * width + other % 2) * channels
        value = (tl.load(first + step, mask=inside, other=0.0).to(tl.float32) + b).to(kind).to(tl.float32)
        better = (value > best) | (value != value)  # as torch has it: the first of equals, and what is no number
        best, place = tl.where(better, value, best), tl.where(better, other, place)
    at = row.to(tl.int64) * channels + channel
    tl.store(pooled + at, tl.where(best <= 0, 0.0, best).to(kind), mask=inside)
    tl.store(places + at, tl.where(best <= 0, 4, place).to(tl.uint8), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _unpool(gradient, places, result, sums, rows, channels, height, width, ROWS: tl.constexpr, CHANNELS: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    inside = (row < rows) & (channel < channels)
    at = row.to(tl.int64) * channels + channel
    value = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
    place = tl.load(places + at, mask=inside, other=4).to(tl.int32)
    down, across = height // 2, width // 2
    corner = (row // (down * across) * height + row // across % down * 2) * width + row % across * 2
    first = result + corner.to(tl.int64) * channels + channel
    for other in tl.static_range(0, 4):
        step = (other // 2 * width + other % 2) * channels
        tl.store(first + step, tl.where(place == other, value, 0.0).to(result.dtype.element_ty), mask=inside)
    column = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    tl.store(
        sums + tl.program_id(0) * channels + column,
        tl.sum(tl.where(place == 4, 0.0, value), axis=0),
        mask=column < channels,
    )


def _grid(rows: int, channels: int) -> tuple[int, int]:
    return triton.cdiv(rows, ROWS), triton.cdiv(channels, CHANNELS)


class Rectified(torch.autograd.Function):
    """ReLU of a map (N, C, H, W) plus a bias (C,), in the map's own memory."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, bias: Tensor) -> Tensor:
        n, channels, height, width = features.shape
        rows = n * height * width
        _rectify[_grid(rows, channels)](features, bias, rows, channels, ROWS=ROWS, CHANNELS=CHANNELS)
        ctx.mark_dirty(features)
        ctx.save_for_backward(features)
        return features

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (output,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        n, channels, height, width = output.shape
        rows = n * height * width
        grid = _grid(rows, channels)
        result = torch.empty_like(output)
        sums = torch.empty(grid[0], channels, device=output.device)
        _gate[grid](gradient, output, result, sums, rows, channels, ROWS=ROWS, CHANNELS=CHANNELS)
        return result, sums.sum(dim=0)


class Pooled(torch.autograd.Function):
    """ReLU of the 2x2 max-pooling of a map (N, C, H, W) plus a bias (C,).

    Of each window a byte is kept: the place of its largest number, or 4 where the ReLU lets nothing through.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, bias: Tensor) -> Tensor:
        n, channels, height, width = features.shape
        rows = n * (height // 2) * (width // 2)
        pooled = features.new_empty(n, height // 2, width // 2, channels)
        places = torch.empty(pooled.shape, dtype=torch.uint8, device=features.device)
        sizes = (rows, channels, height, width)
        _pool[_grid(rows, channels)](features, bias, pooled, places, *sizes, ROWS=ROWS, CHANNELS=CHANNELS)
        ctx.save_for_backward(places)
        ctx.shape = features.shape
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (places,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        n, channels, height, width = ctx.shape
        rows = n * (height // 2) * (width // 2)
        grid = _grid(rows, channels)
        made = torch.zeros if height % 2 or width % 2 else torch.empty  # pixels beyond the last window have no part
        result = made(n, height, width, channels, dtype=gradient.dtype, device=gradient.device)
        sums = torch.empty(grid[0], channels, device=gradient.device)
        sizes = (rows, channels, height, width)
        _unpool[grid](gradient, places, result, sums, *sizes, ROWS=ROWS, CHANNELS=CHANNELS)
        return result.permute(0, 3, 1, 2), sums.sum(dim=0)
