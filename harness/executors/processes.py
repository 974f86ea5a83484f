"""Trials side by side in processes of this machine, the cores shared out among them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from harness.api import Progress
from harness.registry import Registry
from harness.runner import Report, Worker, Workplace
from harness.trial import Outcome, Trial


@dataclass
class _Hand:
    """One process, and the trial that it is at."""

    process: BaseProcess
    line: Connection
    trial: Trial | None = None


@dataclass(frozen=True)
class Processes:
    """Fits `jobs` trials at a time. A process that dies costs the trial it was at, and is replaced."""

    workplace: Workplace
    jobs: int
    report: Report

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """The outcome of each trial, as they end."""
        waiting = iter(trials)
        idle: list[_Hand] = []
        busy: list[_Hand] = []
        try:
            while True:
                while len(busy) < self.jobs and (trial := next(waiting, None)) is not None:
                    hand = idle.pop() if idle else self._hire()
                    hand.trial = trial
                    hand.line.send(trial)
                    busy.append(hand)
                if not busy:
                    return
                for line in wait([hand.line for hand in busy]):
                    hand = next(hand for hand in busy if hand.line is line)
                    outcome = self._listen(hand)
                    if outcome is not None:
                        busy.remove(hand)
                        idle += [hand] if hand.trial is None else []
                        yield outcome
        finally:
            for hand in [*idle, *busy]:
                hand.process.terminate()
            for hand in [*idle, *busy]:
                hand.process.join()

    def _hire(self) -> _Hand:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = max(1, (os.cpu_count() or 1) // self.jobs)
        process = context.Process(target=_work, args=(self.workplace, threads, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Hand(process, ours)

    def _listen(self, hand: _Hand) -> Outcome | None:
        """What a busy process says: the outcome of its trial, or None where it goes on."""
        assert hand.trial is not None
        try:
            said = hand.line.recv()
        except EOFError:  # it died; a hand that keeps its trial is not used again
            hand.process.join()
            return Outcome(hand.trial, "error", f"its process {_ending(hand.process.exitcode)}")
        if isinstance(said, Progress):
            self.report(hand.trial, said)
            return None
        hand.trial = None
        assert isinstance(said, Outcome)
        return said


def _work(workplace: Workplace, threads: int, line: Connection) -> None:
    """What a process does: fit what comes down the line, until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process decides
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read by torch when the first trial imports it
    worker = Worker(workplace, Registry.discover(workplace.plugin_files))

    def report(trial: Trial, progress: Progress) -> None:
        line.send(progress)

    while True:
        try:
            trial = line.recv()
        except EOFError:
            return
        line.send(worker.perform(trial, report))


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
    return f"ended with exit code {code}"
