"""Finds, joins or starts the Ray cluster that a run uses."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness import UsageError
from harness.executors import cores

_AUTH_MODE = "RAY_AUTH_MODE"
_ANSWER_S = 5.0
"""How many seconds to wait for an answer at an address."""
_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
"""The start of an HTTP/2 connection (RFC 9113, 3.4), which Ray uses without TLS: each side sends its settings first."""


@dataclass(frozen=True)
class Share:
    """The CPUs and GPUs that Ray reserves for a trial. Ray only counts them; it does not enforce them."""

    cpus: float = 1.0
    gpus: float = 0.0

    def fits(self, machine: dict[str, float]) -> int:
        """How many trials fit at once on a machine with these resources, by the names that Ray gives them."""
        needs = {"CPU": self.cpus, "GPU": self.gpus}
        return min(int(machine.get(name, 0) / need + 1e-6) for name, need in needs.items() if need)


@contextmanager
def joined(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected to a cluster. Without an address, one is started here and stopped afterwards.

    Ray listens on all interfaces whatever address it is given, so that one of ours asks for its token. Raises
    UsageError.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send no usage statistics unless asked to
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # otherwise Ray reports lost workers on standard output
    if not address:
        _ask_for_tokens()
    import ray

    if not address:
        _refuse_without_tokens()
    own = {} if address else {"include_dashboard": False, "num_cpus": cores()}
    try:
        with _our_own_sigterm():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
        where = f"at {address!r} cannot be joined" if address else "cannot be started here"
        raise UsageError(f"a Ray cluster {where}: {in_a_line(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()  # this also ends tasks that are still running


def _ask_for_tokens() -> None:
    """Let a Ray that is started here refuse whoever lacks its token. Raises UsageError where that is switched off."""
    mode = os.environ.setdefault(_AUTH_MODE, "token")
    if mode.lower() != "token":
        raise UsageError(
            f"{_AUTH_MODE} is {mode!r}: a Ray that is started here would then obey anyone who reaches this machine. "
            "Unset it, or start a Ray of your own and give its address"
        )


def _refuse_without_tokens() -> None:
    """Raises UsageError where this Ray knows no tokens, or was imported before they were asked for."""
    try:
        from ray._raylet import AuthenticationMode, get_authentication_mode  # type: ignore[attr-defined]
    except ImportError as error:
        raise UsageError("this Ray knows no tokens: pip install 'ray>=2.52'") from error
    if get_authentication_mode() != AuthenticationMode.TOKEN:
        raise UsageError(f"Ray was imported before {_AUTH_MODE}=token was set: set it before Python starts")


def in_a_line(error: BaseException) -> str:
    """The type of an error and the first line of its message."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"


@contextmanager
def _our_own_sigterm() -> Iterator[None]:
    """Restore our handler of SIGTERM, which Ray replaces by a plain exit that cannot be told from other exits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt(signal.SIGTERM) from stop
    finally:
        signal.signal(signal.SIGTERM, ours)


def call(address: str) -> None:
    """Check that a cluster answers at an address, since Ray itself would wait for minutes. Raises UsageError."""
    found = address
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address_or_die

        try:
            found = canonicalize_bootstrap_address_or_die(address)
        except ConnectionError as error:
            raise UsageError(
                f"the address auto finds no Ray cluster on this machine: `ray start --head` starts one ({error})"
            ) from error
    host, _, port = found.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise UsageError(f"the address of Ray is {address!r}: expected auto, or host:port such as 10.0.0.1:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S) as line:
            line.sendall(_HELLO)
            heard = line.recv(4)
    except (OSError, OverflowError) as error:
        raise UsageError(f"nobody answers at {address!r} ({error}): expected the head of a Ray cluster") from error
    if heard[3:] != _SETTINGS[3:4] and os.environ.get("RAY_USE_TLS", "0") == "0":
        raise UsageError(f"what answers at {address!r} is no Ray: expected the head of a Ray cluster")
