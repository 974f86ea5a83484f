"""Pieces of global state of the process that a plugin may change, and how each is read and put back."""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]


class Shared(NamedTuple):
    """One piece of global state: its name, and how it is read and put back."""

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], object]
    imports: bool = False
    """Whether merely importing a library may change it. If a library was imported, it is put back without a remark."""


def _put_environment(before: dict[str, str]) -> None:
    zone = os.environ.get("TZ")
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if zone != before.get("TZ") and hasattr(time, "tzset"):
        time.tzset()


def _put_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _named(owner: Any, names: tuple[str, ...]) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """How attributes are read and put back."""

    def put(before: tuple[Any, ...]) -> None:
        for name, value in zip(names, before, strict=True):
            setattr(owner, name, value)

    return lambda: tuple(getattr(owner, name) for name in names), put


def _listed(owner: Any, names: tuple[str, ...]) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """How lists are read and put back, which others may hold as well."""

    def put(before: tuple[list[Any], ...]) -> None:
        for name, value in zip(names, before, strict=True):
            getattr(owner, name)[:] = value

    return lambda: tuple(list(getattr(owner, name)) for name in names), put


_UNCATCHABLE = ("SIGKILL", "SIGSTOP")
_WATCHED = sorted(number for number in signal.valid_signals() if getattr(number, "name", "") not in _UNCATCHABLE)
"""Those by which a person or the system stops a run among them, and the one of an alarm."""


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in _WATCHED]


def _put_handlers(before: list[Any]) -> None:
    for number, handler in zip(_WATCHED, before, strict=True):
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


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


_LIMITS = ("RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_CORE", "RLIMIT_STACK", "RLIMIT_DATA")


def _limits() -> list[tuple[int, int]]:
    """Of files, memory and time; none where the system has none."""
    return [] if resource is None else [resource.getrlimit(getattr(resource, name)) for name in _LIMITS]


def _put_limits(before: list[tuple[int, int]]) -> None:
    for name, (soft, _) in zip(_LIMITS, before, strict=True):
        kind, (now, hard) = getattr(resource, name), resource.getrlimit(getattr(resource, name))
        if now != soft:
            resource.setrlimit(kind, (soft, hard))


def _turn() -> tuple[int, list[int]]:
    """The priority of the process, and the cores that it may use; nothing where the system does not say."""
    known = hasattr(os, "getpriority") and hasattr(os, "sched_getaffinity")
    return (os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0))) if known else (0, [])


def _put_turn(before: tuple[int, list[int]]) -> None:
    with suppress(OSError):  # only root may go back to a higher priority
        os.setpriority(os.PRIO_PROCESS, 0, before[0])
    os.sched_setaffinity(0, before[1])


def _decimals() -> tuple[Any, ...]:
    now = decimal.getcontext()
    return tuple(getattr(now, name) for name in _OF_DECIMALS), dict(now.traps)


def _put_decimals(before: tuple[Any, ...]) -> None:
    now = decimal.getcontext()
    for name, value in zip(_OF_DECIMALS, before[0], strict=True):
        setattr(now, name, value)
    now.traps.update(before[1])


_OF_DECIMALS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _tracing() -> tuple[Any, ...]:
    return sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile()


def _put_tracing(before: tuple[Any, ...]) -> None:
    for put, value in zip(
        (threading.settrace, threading.setprofile, sys.setprofile, sys.settrace),
        before[2:] + before[1::-1],
        strict=True,
    ):
        put(value)


OF_PYTHON = (
    Shared("the working folder", os.getcwd, os.chdir),
    Shared("environment variables", lambda: dict(os.environ), _put_environment, imports=True),
    Shared("warning filters", lambda: list(warnings.filters), _put_filters, imports=True),
    Shared("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda was: locale.setlocale(locale.LC_ALL, was)),
    Shared("numpy's handling of errors", np.geterr, lambda was: np.seterr(**was)),
    Shared("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Shared(
        "the standard streams", *_named(sys, ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__"))
    ),
    Shared("how logging is silenced", lambda: logging.root.manager.disable, logging.disable),
    Shared("signal handlers", _handlers, _put_handlers, imports=True),
    Shared("garbage collection", gc.isenabled, lambda was: gc.enable() if was else gc.disable()),
    Shared("an alarm", _alarm, _put_alarm),
    Shared("the mask of new files", _umask, os.umask),
    Shared("limits of the process", _limits, _put_limits),
    Shared("what numpy calls on errors", np.geterrcall, np.seterrcall),
    Shared("how long a whole number may be", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    Shared("what traces the code", _tracing, _put_tracing),
    Shared("how numpy prints numbers", np.get_printoptions, lambda was: np.set_printoptions(**was)),
    Shared("the context of decimals", _decimals, _put_decimals),
    Shared("when garbage is collected", gc.get_threshold, lambda was: gc.set_threshold(*was), imports=True),
    Shared("what is called as garbage is collected", *_listed(gc, ("callbacks",)), imports=True),
    Shared("where modules are looked for", *_listed(sys, ("path", "meta_path", "path_hooks")), imports=True),
    Shared("what is called on errors", *_named(sys, ("excepthook", "unraisablehook", "displayhook")), imports=True),
    Shared("how threads take turns", sys.getswitchinterval, sys.setswitchinterval),
    Shared("the words of the command", *_listed(sys, ("argv",))),
    Shared("who logging tells", *_listed(logging.root, ("handlers", "filters")), imports=True),
    Shared("what logging lets through", lambda: logging.root.level, logging.root.setLevel, imports=True),
    Shared("how long sockets wait", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Shared("the turn of the process", _turn, _put_turn),
)
