"""Frozen networks on a CPU in down to a third of the time: what follows a convolution becomes part of it.

Batch normalisation goes into the convolution's weights and an activation into its kernel (oneDNN's), and few images
pass at a time, so that maps take no fresh pages of memory. Values are the same but for rounding, as of another number
of threads. Where any of it cannot be done, the network is used as it is.
"""

from __future__ import annotations

import copy
import os
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

Maps = list[Tensor]
ROUNDING = 3e-5
"""How far values may be from the network's own, as a share of the largest of a map; more would be a mistake here."""
LARGEST_MAP = 24 << 20
"""Bytes: so many images pass at a time that the largest map within the network fits, and at most four."""
_ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
}
"""As oneDNN names them, with their bounds."""
_MADE_BY = "harness_made_by"
"""The attribute of a tensor that says which use of a module made it."""


@dataclass(eq=False)
class _Call:
    """One use of a module on one tensor."""

    module: nn.Module
    shape: tuple[int, ...]
    """Of what it was given."""
    bytes: int
    """Of what it made."""
    version: int
    """Of the tensor that it made: one that was changed in place is another one."""
    before: _Call | None
    """The use that made what it was given, where a module did."""


@dataclass
class _Step:
    """A convolution with the normalisation and the activation behind it, where there are such."""

    convolution: nn.Conv2d
    shape: tuple[int, ...]
    normalisation: nn.BatchNorm2d | None = None
    activation: nn.Module | None = None
    apart: bool = False
    """Whether the activation is a module of its own, and not within the normalisation."""


class _Convolution(nn.Module):
    """A convolution and all behind it in one call of oneDNN."""

    def __init__(self, step: _Step, padding: list[tuple[int, int]]) -> None:
        super().__init__()
        convolution, norm = step.convolution, step.normalisation
        weight = convolution.weight.detach()
        bias = weight.new_zeros(len(weight)) if convolution.bias is None else convolution.bias.detach()
        if norm is not None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = (norm.running_var + norm.eps).rsqrt()
            scale = scale if norm.weight is None else scale * norm.weight.detach()
            weight = weight * scale[:, None, None, None]
            bias = (bias - norm.running_mean) * scale
            bias = bias if norm.bias is None else bias + norm.bias.detach()
        # Where more is padded behind than before, zeros before the kernel's first row take up the difference: padding
        # as much on both sides is the convolution's own, and a copy of the map is saved.
        (top, bottom), (left, right) = padding
        weight = nn.functional.pad(weight, (right - left, 0, bottom - top, 0))
        self.settings = ([bottom, right], list(convolution.stride), list(convolution.dilation), convolution.groups)
        self.packed = torch.ops.mkldnn._reorder_convolution_weight(
            weight.contiguous(memory_format=torch.channels_last), *self.settings, list(step.shape)
        )
        self.bias = bias
        found = None if step.activation is None else _ACTIVATIONS.get(type(step.activation))
        self.activation, self.bounds = found or ("none", [])

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            images, self.packed, self.bias, *self.settings, self.activation, self.bounds, ""
        )
        return made


class Folded:
    """A network from images (N, 3, H, W) to a list of maps, with convolutions folded and few images at a time."""

    def __init__(self, network: nn.Module, at_once: int) -> None:
        self.network, self.at_once = network, at_once

    def __call__(self, images: Tensor) -> Maps:
        found: list[Maps] = []
        before: Tensor | None = None
        for some in torch.split(images, self.at_once):
            # Batches are filled up with their last image, whose maps are known then.
            known = before is not None and torch.equal(some, before)
            found.append(found[-1] if known else self.network(some))
            before = some
        return found[0] if len(found) == 1 else [torch.cat(level) for level in zip(*found, strict=True)]


_known: WeakKeyDictionary[nn.Module, tuple[Any, Folded | None]] = WeakKeyDictionary()


def wanted() -> bool:
    """Whether networks may be folded; HARNESS_FUSED=off says no, here as to kernels on a GPU."""
    return os.environ.get("HARNESS_FUSED", "on") != "off"


def maps_of(pyramid: nn.Module, images: Tensor) -> Maps:
    """The maps of images (N, 3, H, W) by a frozen pyramid, as fast as they can be had here."""
    on_cpu = images.device.type == "cpu" and images.dtype == torch.float32
    followed = torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if not on_cpu or pyramid.training or followed or not wanted():
        return cast("Maps", pyramid(images))
    # Weights may be filled in after a first use, as those of a kept model; then they are folded again.
    state = (tuple(images.shape[2:]), torch.get_num_threads(), _versions(pyramid))
    found = _known.get(pyramid)
    if found is None or found[0] != state:
        _known[pyramid] = found = (state, folded(pyramid, images[:1]))
    return cast("Maps", pyramid(images)) if found[1] is None else found[1](images)


def _versions(pyramid: nn.Module) -> int:
    return sum(one._version for held in (pyramid.parameters(), pyramid.buffers()) for one in held)


def folded(pyramid: nn.Module, image: Tensor) -> Folded | None:
    """A faster form of the pyramid, which gives the same maps of an image (1, 3, H, W); None where there is none."""
    if not any(map(_plain, pyramid.modules())):
        return None
    try:
        with torch.no_grad():
            calls, own = _calls(pyramid, image)
            steps = [step for step in _steps(calls) if step.normalisation is not None or step.activation is not None]
            if not steps:
                return None
            largest = max(call.bytes for call in calls)
            network = _replaced(pyramid, steps)
            faster = Folded(network, max(1, min(4, LARGEST_MAP // largest)))
            return faster if _agree(faster(image), own) else None
    except Exception:  # a network that cannot be copied, a torch without oneDNN: what is not faster still works
        return None


def _calls(pyramid: nn.Module, image: Tensor) -> tuple[list[_Call], Maps]:
    """Every use of a module that makes one tensor of one, in the order in which they end, and the maps."""
    calls: list[_Call] = []

    def seen(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        if len(given) == 1 and isinstance(given[0], Tensor) and isinstance(made, Tensor):
            before = getattr(given[0], _MADE_BY, None)
            call = _Call(module, tuple(given[0].shape), made.nbytes, made._version, before)
            setattr(made, _MADE_BY, call)
            calls.append(call)

    single = [one for one in pyramid.modules() if isinstance(one, nn.BatchNorm2d) or not any(one.children())]
    # What changes its input in place is told by the version before it.
    hooks = [one.register_forward_hook(seen) for one in single if type(one) is not nn.Identity]
    hooks += [one.register_forward_pre_hook(_forget_if_changed) for one in single]
    try:
        return calls, [one.clone() for one in pyramid(image)]
    finally:
        for hook in hooks:
            hook.remove()


def _forget_if_changed(_: nn.Module, given: tuple[Any, ...]) -> None:
    for one in given:
        call = getattr(one, _MADE_BY, None)
        if call is not None and one._version != call.version:
            delattr(one, _MADE_BY)


def _steps(calls: list[_Call]) -> list[_Step]:
    """Convolutions with what follows each, of modules that are used once."""
    uses = Counter(call.module for call in calls)
    readers: dict[_Call, list[_Call]] = {}
    for call in calls:
        if call.before is not None:
            readers.setdefault(call.before, []).append(call)

    def reader(of: _Call) -> _Call | None:
        """The only module that reads it. Whether something else than a module does so shows in the maps."""
        found = readers.get(of, [])
        return found[0] if len(found) == 1 and uses[found[0].module] == 1 else None

    steps = []
    for call in calls:
        if not _plain(call.module) or uses[call.module] > 1:
            continue
        assert isinstance(call.module, nn.Conv2d)
        step, after = _Step(call.module, call.shape), reader(call)
        if after is not None and isinstance(after.module, nn.BatchNorm2d) and after.module.running_var is not None:
            step.normalisation, step.activation = after.module, _within(after.module)
            after = reader(after)
        if step.activation is None and after is not None and type(after.module) in _ACTIVATIONS:
            step.activation, step.apart = after.module, True
        steps.append(step)
    return steps


def _plain(module: nn.Module) -> bool:
    same = _padded_like_tensorflow()
    return type(module) in (nn.Conv2d, same) and isinstance(module, nn.Conv2d) and module.padding_mode == "zeros"


def _padded_like_tensorflow() -> type[nn.Module]:
    """The convolution of timm that pads more behind than before; torch's own where timm is not in use."""
    layers = sys.modules.get("timm.layers")
    return getattr(layers, "Conv2dSame", nn.Conv2d)


def _within(norm: nn.BatchNorm2d) -> nn.Module | None:
    """The activation that timm's normalisations hold."""
    inner = getattr(norm, "act", None)
    return inner if type(inner) in _ACTIVATIONS else None


def _padding(step: _Step) -> list[tuple[int, int]]:
    """How much is padded before and behind, along height and width."""
    own = step.convolution
    if type(own) is nn.Conv2d:
        if isinstance(own.padding, str):
            raise ValueError(own.padding)
        return [(int(one), int(one)) for one in own.padding]
    found = []
    for length, kernel, stride, dilation in zip(step.shape[2:], own.kernel_size, own.stride, own.dilation, strict=True):
        total = max((-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
        found.append((total // 2, total - total // 2))
        if dilation > 1 and total % 2:
            raise ValueError(dilation)
    return found


def _replaced(pyramid: nn.Module, steps: list[_Step]) -> nn.Module:
    """A copy of the pyramid with these steps in one call each; all other weights are shared with it."""
    memo: dict[int, Any] = {id(one): one for one in (*pyramid.parameters(), *pyramid.buffers())}
    for step in steps:
        memo[id(step.convolution)] = _Convolution(step, _padding(step))
        if step.normalisation is not None:
            memo[id(step.normalisation)] = nn.Identity()
        if step.activation is not None and step.apart:
            memo[id(step.activation)] = nn.Identity()
    return copy.deepcopy(pyramid, memo)


def _agree(ours: Maps, wanted: Maps) -> bool:
    return len(ours) == len(wanted) and all(
        a.shape == b.shape and float((a - b).abs().max()) <= ROUNDING * float(b.abs().max())
        for a, b in zip(ours, wanted, strict=True)
    )
