"""Puts back global state of the process that a plugin has changed, such as the working folder or torch's settings.

It is put back after each trial, so that no plugin influences the trials that follow.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from harness.plugin import library_functions
from harness.trials.process_state import OF_PYTHON, Shared
from harness.trials.torch_state import fresh, of_torch


@contextmanager
def put_back() -> Iterator[list[str]]:
    """Put back all global state that changes within this context; then the list has the names of what had changed.

    Random generators are put back too, but not named, since drawing numbers is no mistake.
    """
    changed: list[str] = []
    with _kept_descriptors(changed), _kept_state(changed), no_sudden_end(changed):
        yield changed


@contextmanager
def no_sudden_end(changed: list[str] | None = None) -> Iterator[None]:
    """Make `os._exit` an error of whoever calls it in this thread: it would end the run, and with 0 as if all was well.

    Processes that were forked end by it as they always do. Where it was replaced, `changed` has its name afterwards.
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
        if changed is not None and system._exit is not refused:
            changed.append("the function os._exit")
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
    functions, before = library_functions.look(), [(shared, shared.get()) for shared in OF_PYTHON]
    modules, draws = set(sys.modules), (random.getstate(), np.random.get_state())
    torch = sys.modules.get("torch")
    with_torch = [(shared, shared.get()) for shared in of_torch(torch)] if torch else []
    torch_draws = torch.get_rng_state() if torch else None
    try:
        yield
    finally:
        imported = {name.partition(".")[0] for name in sys.modules.keys() - modules} - {"harness"}
        if replaced := library_functions.put_back(functions, imported):  # first, for what follows calls some of them
            changed.append(library_functions.named(replaced))
        if torch is None and (torch := sys.modules.get("torch")) is not None:
            with_torch = list(zip(of_torch(torch), fresh(torch), strict=True))
        for shared, was in (*before, *with_torch):
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


def _now(shared: Shared) -> Any:
    try:
        return shared.get()
    except Exception:  # the working folder is gone
        return None
