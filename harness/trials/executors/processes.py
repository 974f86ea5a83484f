"""Fits trials side by side, in processes of this machine that share its cores."""

from __future__ import annotations

import importlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType

from harness.api import Progress
from harness.errors import where_raised
from harness.plugin.printed import kept_apart
from harness.trials import hardware
from harness.trials.endings import ending, too_late
from harness.trials.executors.ahead import meanwhile
from harness.trials.executors.room import Room
from harness.trials.isolation.registry import registry_of
from harness.trials.observers import Observer
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

_hiding = threading.Lock()
_BEGUN = "begun"
_START_S = 120.0
"""How long a process may take until it begins with a trial that has a time limit."""
PATIENCE_S = 2.0
"""Seconds that processes may take to end when they are told to; then they are killed."""


@dataclass
class _Hand:
    """A process, and the trial that it is fitting."""

    process: BaseProcess
    line: Connection
    trial: Trial | None = None
    until: float = math.inf
    """When it is late with its trial, by the monotonic clock."""
    alone: bool = False
    """Whether its trial ran out of memory beside others, and now has the machine to itself."""


@dataclass(frozen=True)
class Processes:
    """Fits up to `jobs` trials at a time. If a process dies, its trial fails, and another process takes its place.

    A trial that runs out of memory beside others is fitted again when they have ended, alone.
    """

    jobs: int
    by_memory: bool = False
    """Whether fewer than `jobs` trials are fitted at a time where the memory of a GPU would not hold as many.

    The next trial is then made ready meanwhile, so that a process begins with it before what it found last is stored.
    """

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        """The outcome of each trial, as they end."""
        config = worker.config
        room = Room(self.jobs) if self.by_memory else None
        idle: list[_Hand] = []
        busy: list[_Hand] = []
        again: list[Trial] = []
        """The trials that are to be fitted alone."""
        ready: list[Trial] = []
        """The next trial, if it was taken before it can start."""
        waiting = meanwhile(iter(trials), lambda: idle.append(_hire(config)), self.jobs)
        try:
            while True:
                while self._takes_another(busy, room) and (trial := _next(ready, waiting)) is not None:
                    busy.append(_start(trial, idle, config))
                if again and not busy:
                    busy.append(_start(again.pop(0), idle, config, alone=True))
                if not busy:
                    return
                if room is not None and not ready and (trial := next(waiting, None)) is not None:
                    ready.append(trial)
                for hand, outcome in _ended(busy, observer, config.trial_minutes):
                    busy.remove(hand)
                    idle += [hand] if hand.trial is None else []
                    if room is not None:
                        room.learn(outcome)
                    if ready and self._takes_another(busy, room):
                        busy.append(_start(ready.pop(), idle, config))
                    if outcome.out_of_memory and not hand.alone and self.jobs > 1:
                        again.append(outcome.trial)
                    else:
                        yield replace(outcome, alone=True) if hand.alone else outcome
        finally:
            _end([hand.process for hand in (*idle, *busy)])

    def _takes_another(self, busy: list[_Hand], room: Room | None) -> bool:
        if room is None:
            return len(busy) < self.jobs
        return room.for_another([hand.trial for hand in busy if hand.trial is not None])


def _next(ready: list[Trial], waiting: Iterator[Trial]) -> Trial | None:
    return ready.pop() if ready else next(waiting, None)


def _ended(busy: list[_Hand], observer: Observer, limit: float | None) -> Iterator[tuple[_Hand, Outcome]]:
    """Those of the busy processes whose trials have ended, or are late, as soon as one has something to say."""
    for hand in _heard_or_late(busy):
        outcome = _listen(hand, observer, limit) if hand.line.poll() else None
        if outcome is None and limit is not None and time.monotonic() >= hand.until:
            outcome = _given_up(hand, limit)
        if outcome is not None:
            yield hand, outcome


def _start(trial: Trial, idle: list[_Hand], config: WorkerConfig, *, alone: bool = False) -> _Hand:
    """Give a trial to an idle process, or else to a new one."""
    limit = config.trial_minutes
    until = math.inf if limit is None else time.monotonic() + 60 * limit + _START_S
    while idle:
        hand = idle.pop()
        try:
            hand.line.send((trial, alone))
        except OSError:  # it was killed while it waited
            hand.process.join()
        else:
            hand.trial, hand.until, hand.alone = trial, until, alone
            return hand
    hand = _hire(config)
    hand.trial, hand.until, hand.alone = trial, until, alone
    with suppress(OSError):  # one that died at once is found out by listening to it
        hand.line.send((trial, alone))
    return hand


def _hire(config: WorkerConfig) -> _Hand:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(config, theirs), daemon=True)
    with _main_hidden(), _deaf_to_ctrl_c():
        process.start()
    theirs.close()
    return _Hand(process, ours)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Within, multiprocessing finds no main module, which each new process would else run again.

    A worker needs nothing of it. A script that calls `harness.run` needs no `if __name__ == "__main__":` then.
    """
    with _hiding:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _heard_or_late(busy: list[_Hand]) -> list[_Hand]:
    """Those that have something to say, as soon as one has, or is late."""
    first = min(hand.until for hand in busy)
    heard = wait([hand.line for hand in busy], None if first == math.inf else max(0.0, first - time.monotonic()))
    return [hand for hand in busy if hand.line in heard or time.monotonic() >= hand.until]


def _given_up(hand: _Hand, limit: float) -> Outcome:
    """The outcome of a trial that is late; its process is killed, whatever it is at."""
    assert hand.trial is not None
    hand.process.kill()
    hand.process.join()
    return Outcome(hand.trial, "error", too_late(limit))


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Within, a new process starts with SIGINT held back: it would end in a traceback while it is still importing.

    Only the signals of this thread are held back, and only for as long as this takes.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let the signal through again, if it had to be started within
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(hand: _Hand, observer: Observer, limit: float | None) -> Outcome | None:
    """Receive a message of a busy process: the outcome of its trial, or None if it is still working."""
    assert hand.trial is not None
    try:
        said = hand.line.recv()
    except (EOFError, OSError):  # it died, perhaps in mid-word; a hand that keeps its trial is not used again
        hand.process.join()
        return Outcome(hand.trial, "error", f"its process {ending(hand.process.exitcode)}")
    if said == _BEGUN:
        hand.until = math.inf if limit is None else time.monotonic() + 60 * limit
        return None
    if isinstance(said, Progress):
        observer.progressed(hand.trial, said)
        return None
    hand.trial = None
    assert isinstance(said, Outcome)
    return said


def _end(processes: list[BaseProcess]) -> None:
    """Stop processes, by force if they do not end in time."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + PATIENCE_S
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()


class _Line(Observer):
    """Sends the progress of a fit to the first process."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self._line.send(progress)


def _work(config: WorkerConfig, line: Connection) -> None:
    """The main function of a process: fit the trials that are sent to it, until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # what plugins start may hear it
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # a thread that spins while it waits takes another fit's core
    threading.Thread(target=_follow_parent, daemon=True).start()
    with kept_apart():
        worker = Worker(config, registry_of(config.plugin_files, isolate=config.isolate))
        _import(config)
        ahead = _Line(line)
        while True:
            try:
                trial, alone = line.recv()
            except EOFError:
                return
            line.send(_BEGUN)
            # A batch that is made smaller makes another trial, so how much memory others took must not decide on it.
            crowded = config.side_by_side > 1 and not alone
            worker.config = replace(config, smaller_batches=config.smaller_batches and not crowded)
            line.send(_performed(worker, trial, ahead))


def _import(config: WorkerConfig) -> None:
    """Import what trials need, where they are fitted in this process. What cannot be imported fails in a trial."""
    with hardware.limited_to(config.threads):
        for name in () if config.isolate else config.imports:
            with suppress(Exception):
                importlib.import_module(name)


def _performed(worker: Worker, trial: Trial, ahead: Observer) -> Outcome:
    """The outcome of a trial. Ctrl-C is not heard here, so that an interrupt is one that a plugin has raised."""
    try:
        return worker.perform(trial, ahead)
    except KeyboardInterrupt as error:
        return Outcome(trial, "error", where_raised(error))


def _follow_parent() -> None:
    """End at once if the first process is gone, since nobody needs the result then."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
