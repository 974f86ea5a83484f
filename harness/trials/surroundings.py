"""Global state of the process that a plugin may change, such as the working folder or the locale of the process.

It is put back after each trial, so that no plugin influences the trials that follow.
"""

from __future__ import annotations

import gc
import locale
import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from harness.plugin import library_functions


class _Shared(NamedTuple):
    """One piece of global state: its name, and how it is read and put back."""

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], object]
    imports: bool = False
    """Whether merely importing a library may change it. If a library was imported, it is put back without a remark."""


def _put_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _put_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _put_streams(before: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = before


_WATCHED = (signal.SIGINT, signal.SIGTERM)
"""The signals by which a person or the system stops a run."""


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in _WATCHED]


def _put_handlers(before: list[Any]) -> None:
    for number, handler in zip(_WATCHED, before, strict=True):
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


_SHARED = (
    _Shared("the working folder", os.getcwd, os.chdir),
    _Shared("environment variables", lambda: dict(os.environ), _put_environment, imports=True),
    _Shared("warning filters", lambda: list(warnings.filters), _put_filters, imports=True),
    _Shared("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda was: locale.setlocale(locale.LC_ALL, was)),
    _Shared("numpy's handling of errors", np.geterr, lambda was: np.seterr(**was)),
    _Shared("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    _Shared("the standard streams", lambda: (sys.stdout, sys.stderr), _put_streams),
    _Shared("how logging is silenced", lambda: logging.root.manager.disable, logging.disable),
    _Shared("signal handlers", _handlers, _put_handlers, imports=True),
    _Shared("garbage collection", gc.isenabled, lambda was: gc.enable() if was else gc.disable()),
)


def _of_torch(torch: Any) -> tuple[_Shared, ...]:
    return (
        _Shared("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
        _Shared("whether torch keeps gradients", torch.is_grad_enabled, torch.set_grad_enabled),
        _Shared(
            "torch's deterministic mode",
            torch.are_deterministic_algorithms_enabled,
            torch.use_deterministic_algorithms,
        ),
        _Shared(
            "torch's precision of products",
            torch.get_float32_matmul_precision,
            torch.set_float32_matmul_precision,
        ),
        _Shared("torch's settings of cuDNN", lambda: _cudnn(torch), lambda was: _put_cudnn(torch, was)),
        _Shared("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    )


_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")


def _cudnn(torch: Any) -> tuple[bool, ...]:
    return tuple(bool(getattr(torch.backends.cudnn, name)) for name in _CUDNN)


def _put_cudnn(torch: Any, before: tuple[bool, ...]) -> None:
    for name, value in zip(_CUDNN, before, strict=True):
        setattr(torch.backends.cudnn, name, value)


_TORCH_STARTS_WITH = (True, False, "highest", (True, False, False, True))
"""The state of a freshly imported torch, after its default dtype, in the order of `_of_torch`.

It is needed where a trial is the first to import torch, so that nobody could read the state before it."""


@contextmanager
def put_back() -> Iterator[list[str]]:
    """Put back all global state that changes within this context; then the list has the names of what had changed.

    Random generators are put back too, but not named, since drawing numbers is no mistake.
    """
    changed: list[str] = []
    functions, before = library_functions.look(), [(shared, shared.get()) for shared in _SHARED]
    modules, draws = set(sys.modules), (random.getstate(), np.random.get_state())
    torch = sys.modules.get("torch")
    of_torch = [(shared, shared.get()) for shared in _of_torch(torch)] if torch else []
    torch_draws = torch.get_rng_state() if torch else None
    try:
        yield changed
    finally:
        imported = {name.partition(".")[0] for name in sys.modules.keys() - modules} - {"harness"}
        if replaced := library_functions.put_back(functions, imported):  # first, for what follows calls some of them
            changed.append(library_functions.named(replaced))
        if torch is None and (torch := sys.modules.get("torch")) is not None:
            # How many threads it began with depends on the machine, and nobody has looked.
            starts = (torch.float32, *_TORCH_STARTS_WITH, torch.get_num_threads())
            of_torch = list(zip(_of_torch(torch), starts, strict=True))
        for shared, was in (*before, *of_torch):
            if _now(shared) == was:
                continue
            with suppress(Exception):  # a folder that was removed, say
                shared.put(was)
            if not (shared.imports and imported):
                changed.append(shared.name)
        random.setstate(draws[0])
        np.random.set_state(draws[1])
        if torch is not None and torch_draws is not None:
            torch.set_rng_state(torch_draws)


def _now(shared: _Shared) -> Any:
    try:
        return shared.get()
    except Exception:  # the working folder is gone
        return None
