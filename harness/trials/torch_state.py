"""Pieces of torch's global state that a plugin may change, and how each is read and put back."""

from __future__ import annotations

import sys
from typing import Any

from harness.trials.process_state import Shared


def fresh(torch: Any) -> tuple[Any, ...]:
    """What a freshly imported torch has, in the order of `of_torch`, where a trial is the first to import it.

    How many threads it began with depends on the machine, and nobody has looked.
    """
    cudnn = (True, False, False, True)
    settings = (torch.float32, True, False, "highest", cudnn, torch.get_num_threads(), torch.device("cpu"))
    return (*settings, False, False, True, True, (False, True), [{} for _ in _hooks(torch)], (0, 0))


def of_torch(torch: Any) -> tuple[Shared, ...]:
    """Settings of torch, and what it calls at each layer and step."""
    return (
        Shared("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
        Shared("whether torch keeps gradients", torch.is_grad_enabled, torch.set_grad_enabled),
        Shared(
            "torch's deterministic mode",
            torch.are_deterministic_algorithms_enabled,
            torch.use_deterministic_algorithms,
        ),
        Shared(
            "torch's precision of products",
            torch.get_float32_matmul_precision,
            torch.set_float32_matmul_precision,
        ),
        Shared("torch's settings of cuDNN", lambda: _cudnn(torch), lambda was: _put_cudnn(torch, was)),
        Shared("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
        Shared("torch's default device", torch.get_default_device, lambda was: _put_device(torch, was)),
        Shared("torch's inference mode", torch.is_inference_mode_enabled, lambda was: _put_inference(torch, was)),
        Shared(
            "torch's automatic precision",
            lambda: torch.is_autocast_enabled("cpu"),
            lambda was: torch.set_autocast_enabled("cpu", was),
        ),
        Shared("whether torch uses oneDNN", torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled),
        Shared("whether tiny numbers are kept", _keeps_tiny_numbers, lambda was: torch.set_flush_denormal(not was)),
        Shared(
            "torch's search for anomalies",
            lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
            lambda was: torch.autograd.set_detect_anomaly(*was),
        ),
        Shared("torch's hooks", lambda: [dict(one) for one in _hooks(torch)], lambda was: _put_hooks(torch, was)),
        Shared("torch's modes", lambda: _modes(torch), lambda was: _put_modes(torch, was)),
    )


def _keeps_tiny_numbers() -> bool:
    """Whether this thread computes with numbers that are too small to be normal; flushed, they are 0."""
    return sys.float_info.min / 2 > 0


def _hooks(torch: Any) -> list[dict[Any, Any]]:
    """What is called at each layer, whatever the network, and at each step of any optimiser."""
    owners = (torch.nn.modules.module, sys.modules["torch.optim.optimizer"])
    found = [
        value for owner in owners for name, value in sorted(dict(vars(owner)).items()) if name.startswith("_global")
    ]
    return [value for value in found if isinstance(value, dict)]


def _put_hooks(torch: Any, before: list[dict[Any, Any]]) -> None:
    for now, was in zip(_hooks(torch), before, strict=True):
        now.clear()
        now.update(was)


def _modes(torch: Any) -> tuple[int, int]:
    """How many modes were entered that change what functions and operators do."""
    return torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()


def _put_modes(torch: Any, before: tuple[int, int]) -> None:
    for _ in range(_modes(torch)[0] - before[0]):
        torch._C._pop_torch_function_stack()
    for _ in range(_modes(torch)[1] - before[1]):
        torch._C._pop_torch_dispatch_stack()


_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")


def _cudnn(torch: Any) -> tuple[bool, ...]:
    return tuple(bool(getattr(torch.backends.cudnn, name)) for name in _CUDNN)


def _put_cudnn(torch: Any, before: tuple[bool, ...]) -> None:
    for name, value in zip(_CUDNN, before, strict=True):
        setattr(torch.backends.cudnn, name, value)


def _put_device(torch: Any, before: Any) -> None:
    torch.set_default_device(None if before == torch.device("cpu") else before)


_ENTERED: list[Any] = []


def _put_inference(torch: Any, before: bool) -> None:
    mode = torch.inference_mode(before)  # torch has no other way than to enter it,
    mode.__enter__()
    _ENTERED.append(mode)  # and leaves it where nobody keeps it
