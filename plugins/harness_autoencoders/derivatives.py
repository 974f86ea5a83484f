"""Convolution, max-pooling and ReLU whose gradients are themselves cheap to differentiate.

The contractive penalty is a function of a gradient, and autograd's second derivatives are slow where they need not be:
that of a convolution becomes convolutions with kernels as large as images, that of a max-pooling turns channels_last
maps round, and both add maps of zeros to the gradients of the loss. With these a penalised step at 256x256 takes 1.4
times as long as a plain one, without them twice as long.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten


class CheapSecondDerivatives(TorchFunctionMode):
    """While this is active, all networks use the functions below; `images` is what gradients are asked for.

    Under `create_graph` the gradients are those in the images alone, otherwise those in the parameters alone.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = images

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv2d and not any(isinstance(value, str) for value in (*args, *kwargs.values())):
            return self._convolve(*args, **kwargs)
        if func is functional.max_pool2d:
            return _pool(*args, **kwargs)
        if func is functional.relu:
            return _relu(*args, **kwargs)
        if func in (torch.relu, Tensor.relu, torch.relu_, Tensor.relu_):
            return _relu(args[0], inplace=func in (torch.relu_, Tensor.relu_))
        return func(*args, **kwargs)

    def _convolve(
        self,
        input: Tensor,  # noqa: A002  # as torch has it
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        geometry = (_pair(stride), _pair(padding), _pair(dilation), False, [0, 0], groups)
        first = input is self.images
        kind = input.device.type
        if torch.is_autocast_enabled(kind):
            wanted = torch.get_autocast_dtype(kind)
            input, weight = input.to(wanted), weight.to(wanted)  # noqa: A001
            bias = None if bias is None else bias.to(wanted)
        output: Tensor = _Convolution.apply(input, weight, bias, geometry, first)
        return output


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, geometry: Any, first: bool) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.geometry, ctx.first, ctx.biases = geometry, first, None if bias is None else [len(bias)]
        output: Tensor = torch.convolution(inputs, weight, bias, *geometry)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        inputs, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _InputGradient.apply(gradient, inputs, weight, ctx.geometry), None, None, None, None
        wanted = [not ctx.first, True, ctx.biases is not None]
        found = aten.convolution_backward(gradient, inputs, weight, ctx.biases, *ctx.geometry, wanted)
        return *found, None, None


class _InputGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, inputs: Tensor, weight: Tensor, geometry: Any) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.geometry = geometry
        wanted = [True, False, False]
        result: Tensor = aten.convolution_backward(gradient, inputs, weight, None, *geometry, wanted)[0]
        return result

    @staticmethod
    def backward(ctx: Any, tangent: Tensor) -> Any:
        gradient, weight = ctx.saved_tensors
        wanted = [False, True, False]
        by_weight = aten.convolution_backward(gradient, tangent, weight, None, *ctx.geometry, wanted)[1]
        return torch.convolution(tangent, weight, None, *ctx.geometry), None, by_weight, None


def _pool(
    input: Tensor,  # noqa: A002
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    geometry = (_pair(kernel_size), _pair(stride or kernel_size), _pair(padding), _pair(dilation), ceil_mode)
    pooled, indices = _MaxPooling.apply(input, geometry)
    return (pooled, indices) if return_indices else pooled


class _MaxPooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, geometry: Any) -> Any:
        pooled, indices = aten.max_pool2d_with_indices(inputs, *geometry)
        ctx.mark_non_differentiable(indices)
        ctx.save_for_backward(inputs, indices)
        ctx.geometry = geometry
        return pooled, indices

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Any) -> Any:
        return _Unpooling.apply(gradient, *ctx.saved_tensors, ctx.geometry), None


class _Unpooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, inputs: Tensor, indices: Tensor, geometry: Any) -> Tensor:
        ctx.save_for_backward(indices)
        result: Tensor = aten.max_pool2d_with_indices_backward(gradient, inputs, *geometry, indices)
        return result

    @staticmethod
    def backward(ctx: Any, tangent: Tensor) -> Any:
        (indices,) = ctx.saved_tensors
        places = indices.permute(0, 2, 3, 1)  # the order of channels_last in memory
        chosen = tangent.permute(0, 2, 3, 1).flatten(1, 2).gather(1, places.flatten(1, 2))
        return chosen.view(places.shape).permute(0, 3, 1, 2), None, None, None


def _relu(input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
    output: Tensor = _Rectifier.apply(input, inplace)
    return output


class _Rectifier(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, inplace: bool) -> Tensor:
        if inplace:
            ctx.mark_dirty(inputs)
        output = inputs.relu_() if inplace else inputs.relu()
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Gate.apply(gradient, *ctx.saved_tensors), None


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, output: Tensor) -> Tensor:
        ctx.save_for_backward(output)
        result: Tensor = aten.threshold_backward(gradient, output, 0)
        return result

    @staticmethod
    def backward(ctx: Any, tangent: Tensor) -> Any:
        return aten.threshold_backward(tangent, *ctx.saved_tensors, 0), None


def _pair(value: Any) -> list[int]:
    return list(value) if isinstance(value, tuple | list) else [value, value]
