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
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from harness.plugin import library_functions

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]


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


_UNCATCHABLE = ("SIGKILL", "SIGSTOP")
_WATCHED = sorted(number for number in signal.valid_signals() if getattr(number, "name", "") not in _UNCATCHABLE)
"""Those by which a person or the system stops a run among them, and the one of an alarm."""


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in _WATCHED]


def _alarm() -> bool:
    """Whether a signal will come of itself."""
    return hasattr(signal, "getitimer") and any(signal.getitimer(signal.ITIMER_REAL))


def _put_alarm(before: bool) -> None:
    if not before:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def _limits() -> list[tuple[int, int]]:
    """Of files, memory and time; none where the system has none."""
    return [] if resource is None else [resource.getrlimit(getattr(resource, name)) for name in _LIMITS]


def _put_limits(before: list[tuple[int, int]]) -> None:
    for name, (soft, _) in zip(_LIMITS, before, strict=True):
        kind, (now, hard) = getattr(resource, name), resource.getrlimit(getattr(resource, name))
        if now != soft:
            resource.setrlimit(kind, (soft, hard))


_LIMITS = ("RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_CORE", "RLIMIT_STACK", "RLIMIT_DATA")


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
    _Shared("an alarm", _alarm, _put_alarm),
    _Shared("the mask of new files", _umask, os.umask),
    _Shared("limits of the process", _limits, _put_limits),
    _Shared("what numpy calls on errors", np.geterrcall, np.seterrcall),
    _Shared("how long a whole number may be", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    _Shared("what traces the code", sys.gettrace, sys.settrace),
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
        _Shared("torch's default device", torch.get_default_device, lambda was: _put_device(torch, was)),
        _Shared("torch's inference mode", torch.is_inference_mode_enabled, lambda was: _put_inference(torch, was)),
        _Shared(
            "torch's automatic precision",
            lambda: torch.is_autocast_enabled("cpu"),
            lambda was: torch.set_autocast_enabled("cpu", was),
        ),
    )


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


_TORCH_STARTS_WITH = (True, False, "highest", (True, False, False, True))
"""The state of a freshly imported torch, after its default dtype, in the order of `_of_torch`.

It is needed where a trial is the first to import torch, so that nobody could read the state before it."""


@contextmanager
def put_back() -> Iterator[list[str]]:
    """Put back all global state that changes within this context; then the list has the names of what had changed.

    Random generators are put back too, but not named, since drawing numbers is no mistake.
    """
    changed: list[str] = []
    with no_sudden_end(), _kept_descriptors(changed), _kept_state(changed):
        yield changed


@contextmanager
def no_sudden_end() -> Iterator[None]:
    """Make `os._exit` an error of whoever calls it in this thread: it would end the run, and with 0 as if all was well.

    Processes that were forked end by it as they always do.
    """
    system: Any = os
    at_once, here = os._exit, (os.getpid(), threading.get_ident())

    def refused(code: int) -> None:
        if (os.getpid(), threading.get_ident()) != here:
            at_once(code)
        raise SystemExit(code)

    system._exit = refused
    try:
        yield
    finally:
        system._exit = at_once


@contextmanager
def _kept_descriptors(changed: list[str]) -> Iterator[None]:
    """Put back the descriptors 0 to 2: who closes one would have the next file that is opened get what is printed."""
    copies: dict[int, tuple[int, os.stat_result]] = {}
    for number in range(3):
        with suppress(OSError):
            copies[number] = os.dup(number), os.fstat(number)
    try:
        yield
    finally:
        lost = [number for number, (_, was) in copies.items() if not _is_open(number, was)]
        for number, (copy, was) in copies.items():
            if _is_open(copy, was):  # and was not closed, and its number given to another file
                if number in lost:
                    os.dup2(copy, number)
                os.close(copy)
        if lost:
            changed.append("the standard descriptors")


def _is_open(number: int, was: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), was)
    except OSError:
        return False


@contextmanager
def _kept_state(changed: list[str]) -> Iterator[None]:
    functions, before = library_functions.look(), [(shared, shared.get()) for shared in _SHARED]
    modules, draws = set(sys.modules), (random.getstate(), np.random.get_state())
    torch = sys.modules.get("torch")
    of_torch = [(shared, shared.get()) for shared in _of_torch(torch)] if torch else []
    torch_draws = torch.get_rng_state() if torch else None
    try:
        yield
    finally:
        imported = {name.partition(".")[0] for name in sys.modules.keys() - modules} - {"harness"}
        if replaced := library_functions.put_back(functions, imported):  # first, for what follows calls some of them
            changed.append(library_functions.named(replaced))
        if torch is None and (torch := sys.modules.get("torch")) is not None:
            # How many threads it began with depends on the machine, and nobody has looked.
            starts = (torch.float32, *_TORCH_STARTS_WITH, torch.get_num_threads(), torch.device("cpu"), False, False)
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
