"""Trials side by side, with threads in place of processes: who is given what, who is late, who died, and who is ended."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any

import pytest

from harness.api import Progress
from harness.trials.executors import ahead, processes
from harness.trials.executors.processes import Processes
from harness.trials.executors.room import CONTEXT, Room, holds_another
from harness.trials.observers import Observer
from harness.trials.record import Record
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import WorkerConfig

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def trials(count: int) -> list[Trial]:
    return [TRIAL._replace(seed=seed) for seed in range(count)]


class Hired:
    """What a process is seen as, and the thread that stands for it. It says `begun`, what it is told to, and an outcome."""

    def __init__(self, answer: Callable[[Trial, bool], Any]) -> None:
        self.ours, self.theirs = Pipe()
        self.exitcode: int | None = None
        self.did: list[str] = []
        self.given: list[tuple[Trial, bool]] = []
        self._answer = answer
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        with suppress(EOFError, OSError), self.theirs:  # the test has hung up
            while True:
                trial, alone = self.theirs.recv()
                self.given.append((trial, alone))
                self.theirs.send("begun")
                found = self._answer(trial, alone)
                if found is None:
                    self.exitcode = 7
                    return
                for one in found if isinstance(found, list) else [found]:
                    self.theirs.send(one)

    def join(self, timeout: float | None = None) -> None:
        self.did.append("join")

    def terminate(self) -> None:
        self.did.append("terminate")
        self.exitcode = -signal.SIGTERM if self.exitcode is None else self.exitcode

    def kill(self) -> None:
        self.did.append("kill")
        self.exitcode = -signal.SIGKILL


@pytest.fixture
def hired(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Says how trials are answered; the list has all that were hired."""
    every: list[Hired] = []

    def answering(answer: Callable[[Trial, bool], Any]) -> list[Hired]:
        def hire(config: WorkerConfig) -> processes._Hand:
            one = Hired(answer)
            every.append(one)
            return processes._Hand(one, one.ours)  # type: ignore[arg-type]

        monkeypatch.setattr(processes, "_hire", hire)
        return every

    yield answering
    for one in every:
        one.ours.close()


def done(trial: Trial, alone: bool) -> Outcome:
    return Outcome(trial, "done")


def run(jobs: int, some: list[Trial], *, by_memory: bool = False, observer: Any = None, **config: Any) -> list[Outcome]:
    worker: Any = SimpleNamespace(config=WorkerConfig(side_by_side=jobs, **config))
    return list(Processes(jobs, by_memory).run(some, worker, observer or Observer()))


def counted_at_work(seconds: float, **told: Any) -> tuple[Callable[[Trial, bool], Outcome], list[int]]:
    """A fit that takes so long, and how many were at work as each began."""
    at_work: list[int] = []
    lock, now = threading.Lock(), [0]

    def busy(trial: Trial, alone: bool) -> Outcome:
        with lock:
            now[0] += 1
            at_work.append(now[0])
        time.sleep(seconds)
        with lock:
            now[0] -= 1
        return Outcome(trial, "done", **told)

    return busy, at_work


def test_no_more_trials_are_at_work_than_jobs_and_processes_are_used_again(hired: Any) -> None:
    busy, at_work = counted_at_work(0.02)
    every = hired(busy)
    found = run(2, trials(6))
    assert sorted(one.trial.seed for one in found) == list(range(6))
    assert max(at_work) == 2
    assert len(every) == 2
    assert not any(alone for one in every for _, alone in one.given)
    assert all("terminate" in one.did for one in every), "all are ended"
    assert run(2, []) == []


def test_a_trial_out_of_memory_beside_others_is_fitted_once_more_alone_at_the_end(hired: Any) -> None:
    def short(trial: Trial, alone: bool) -> Outcome:
        if trial.seed == 0:
            return Outcome(trial, "error" if not alone else "done", out_of_memory=not alone)
        return Outcome(trial, "done")

    every = hired(short)
    found = run(2, trials(3))
    assert [(one.trial.seed, one.status, one.alone) for one in found[-1:]] == [(0, "done", True)]
    assert [one.alone for one in found[:-1]] == [False, False]
    assert sorted(seed.seed for one in every for seed, alone in one.given if alone) == [0]

    hired(lambda trial, alone: Outcome(trial, "error", out_of_memory=True))
    (still,) = run(2, trials(1))
    assert (still.status, still.alone) == ("error", True), "it is not tried a third time"
    (lone,) = run(1, trials(1))
    assert (lone.status, lone.alone) == ("error", False), "one at a time has the machine to itself already"


def test_a_process_that_dies_costs_its_trial_and_another_takes_its_place(hired: Any) -> None:
    every = hired(lambda trial, alone: None if trial.seed == 0 else Outcome(trial, "done"))
    found = {one.trial.seed: one for one in run(1, trials(3))}
    assert (found[0].status, found[0].reason) == ("error", "its process ended with exit code 7")
    assert [found[seed].status for seed in (1, 2)] == ["done", "done"]
    assert len(every) == 2
    assert every[0].did == ["join"], "how it ended is known once it is waited for"


def test_a_process_that_died_while_it_waited_costs_no_trial(hired: Any) -> None:
    every = hired(done)
    hand = processes._hire(WorkerConfig())
    hand.line.close()
    idle = [hand]
    started = processes._start(TRIAL, idle, WorkerConfig())
    assert started is not hand
    assert (started.trial, started.alone, started.until, idle) == (TRIAL, False, math.inf, [])
    assert every[0].did == ["join"]


def test_an_idle_process_is_given_the_trial_and_the_time_it_may_take(
    hired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hired(done)
    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    hand = processes._hire(WorkerConfig())
    idle = [hand]
    assert processes._start(TRIAL, idle, WorkerConfig(trial_minutes=2.0), alone=True) is hand
    assert (hand.trial, hand.alone, hand.until) == (TRIAL, True, 1000 + 120 + processes._START_S)
    new = processes._start(TRIAL, [], WorkerConfig(trial_minutes=2.0), alone=True)
    assert (new.trial, new.alone, new.until) == (TRIAL, True, 1000 + 120 + processes._START_S)


def test_time_runs_from_when_a_trial_begins_and_progress_is_passed_on(
    hired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    class Listens(Observer):
        def progressed(self, trial: Trial, progress: Progress) -> None:
            told.append((trial, progress))

    step = Progress(1, 2, 0.5, 3)
    hired(lambda trial, alone: [step, Outcome(trial, "done")])
    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    hand = processes._start(TRIAL, [], WorkerConfig(trial_minutes=2.0))
    assert processes._listen(hand, Listens(), 2.0) is None
    assert hand.until == 1120.0
    assert processes._listen(hand, Listens(), 2.0) is None
    assert told == [(TRIAL, step)]
    assert processes._listen(hand, Listens(), 2.0) == Outcome(TRIAL, "done")
    assert hand.trial is None, "it can be given another"
    again = processes._start(TRIAL, [], WorkerConfig())
    assert processes._listen(again, Listens(), None) is None
    assert again.until == math.inf


def test_a_trial_that_is_late_is_given_up_and_its_process_killed(hired: Any) -> None:
    release = threading.Event()

    def hangs(trial: Trial, alone: bool) -> Outcome:
        if trial.seed == 0:
            release.wait(20)
        return Outcome(trial, "done")

    every = hired(hangs)
    begun = time.monotonic()
    found = {one.trial.seed: one for one in run(2, trials(3), trial_minutes=0.02)}
    assert time.monotonic() - begun < 18
    release.set()
    assert found[0].status == "error"
    assert found[0].reason == (
        "it took longer than the 0.02 minutes that a trial may take (trial_minutes), and was ended"
    )
    assert [found[seed].status for seed in (1, 2)] == ["done", "done"]
    (late,) = [one for one in every if TRIAL in [trial for trial, _ in one.given]]
    assert late.did[:2] == ["kill", "join"]


def test_who_has_something_to_say_is_heard_at_once_and_who_is_late_too(hired: Any) -> None:
    hired(done)
    quiet, talks = (processes._hire(WorkerConfig()) for _ in range(2))
    talks.line.send((TRIAL, False))
    assert processes._heard_or_late([quiet, talks]) == [talks]
    quiet.until = time.monotonic() - 1
    assert quiet in processes._heard_or_late([quiet, talks])
    quiet.until = time.monotonic() + 0.05
    begun = time.monotonic()
    assert processes._heard_or_late([quiet]) == [quiet]
    assert time.monotonic() - begun >= 0.04


def test_processes_are_told_to_end_and_killed_where_they_do_not() -> None:
    def process(ends: bool) -> Any:
        did: list[str] = []
        one = SimpleNamespace(did=did, exitcode=0 if ends else None, terminate=lambda: did.append("terminate"))
        one.join = lambda timeout=None: did.append("join" if timeout is None else "wait")
        one.kill = lambda: did.append("kill")
        return one

    ends, hangs = process(True), process(False)
    processes._end([ends, hangs])
    assert ends.did == ["terminate", "wait"]
    assert hangs.did == ["terminate", "wait", "kill", "join"]


def test_memory_decides_how_many_trials_share_a_gpu_and_the_next_is_ready(hired: Any) -> None:
    memory = {"peak": 10 << 30, "free": 80 << 30}
    busy, at_work = counted_at_work(0.03, record=Record(device_memory=memory))
    hired(busy)
    found = run(3, trials(6), by_memory=True)
    assert sorted(one.trial.seed for one in found) == list(range(6))
    assert at_work[0] == 1, "the first is measured alone"
    assert 1 < max(at_work) <= 3


GIB = 1 << 30


@pytest.mark.parametrize(
    ("beside", "largest", "free", "most", "holds"),
    [
        ([], 7 * GIB, 10 * GIB, 4, True),
        ([], 7 * GIB + 1, 10 * GIB, 4, False),
        ([3 * GIB], 3 * GIB, 10 * GIB, 4, True),
        ([3 * GIB], 3 * GIB + 1, 10 * GIB, 4, False),
        ([0] * 4, 0, 1000 * GIB, 4, False),
        ([0] * 3, 0, 1000 * GIB, 4, True),
    ],
)
def test_a_fifth_of_the_memory_stays_free_and_each_process_takes_a_gigabyte(
    beside: list[int], largest: int, free: int, most: int, holds: bool
) -> None:
    assert CONTEXT == GIB
    assert holds_another(beside, largest, free, most) is holds


def test_room_is_learned_from_trials_of_one_kind_whatever_their_images_and_seed() -> None:
    def measured(trial: Trial, peak: int, free: int = 12 * GIB) -> Outcome:
        return Outcome(trial, "done", record=Record(device_memory={"peak": peak, "free": free}))

    room = Room(4)
    assert room.for_another([])
    assert not room.for_another([TRIAL]), "nothing was measured yet"
    room.learn(Outcome(TRIAL, "error", record=Record(device_memory={"peak": 1})))
    assert not room.for_another([TRIAL])
    room.learn(measured(TRIAL, 1 * GIB))
    assert room.for_another([TRIAL._replace(seed=9, category="small")] * 2)
    other = TRIAL._replace(model="cae")
    room.learn(measured(other, 5 * GIB, 1 * GIB))
    assert room.for_another([TRIAL]), "what was free at first counts, and the largest may come next"
    assert not room.for_another([other]), "twice the largest is too much"
    room.learn(measured(other, 1 * GIB))
    assert not room.for_another([other]), "the most that was measured counts"


# What a process does by itself.


def test_a_new_process_finds_no_main_module_to_run_again() -> None:
    main = sys.modules["__main__"]
    with pytest.raises(KeyError), processes._main_hidden():  # noqa: PT012
        assert sys.modules["__main__"] is not main
        assert not hasattr(sys.modules["__main__"], "__file__")
        raise KeyError
    assert sys.modules["__main__"] is main


def test_a_new_process_begins_with_an_interrupt_held_back() -> None:
    def held() -> bool:
        return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())

    assert not held()
    with processes._deaf_to_ctrl_c():
        assert held()
    assert not held()


def test_an_interrupt_that_a_plugin_raises_is_an_error_of_the_trial() -> None:
    def interrupts(trial: Trial, observer: Observer) -> Outcome:
        raise KeyboardInterrupt

    worker: Any = SimpleNamespace(perform=interrupts)
    found = processes._performed(worker, TRIAL, Observer())
    assert (found.trial, found.status) == (TRIAL, "error")
    assert found.reason.startswith("KeyboardInterrupt:  (test_process_pieces.py:")


def test_what_trials_need_is_imported_beforehand_where_they_are_fitted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[tuple[str, str | None]] = []

    def note(name: str) -> None:
        imported.append((name, os.environ.get("OMP_NUM_THREADS")))
        if name == "odd":
            raise SyntaxError

    monkeypatch.setattr(processes.importlib, "import_module", note)
    config = WorkerConfig(imports=("odd", "torch"), threads=3)
    processes._import(config)
    assert imported == [("odd", "3"), ("torch", "3")]
    processes._import(replace(config, isolate=True))
    assert len(imported) == 2


@pytest.mark.parametrize(
    ("side_by_side", "smaller", "alone", "allowed"),
    [(1, True, False, True), (2, True, False, False), (2, True, True, True), (1, False, False, False)],
)
def test_a_process_fits_what_it_is_sent_until_its_line_ends(
    monkeypatch: pytest.MonkeyPatch, side_by_side: int, smaller: bool, alone: bool, allowed: bool
) -> None:
    performed: list[bool] = []

    class Works:
        def __init__(self, config: WorkerConfig, registry: Any) -> None:
            assert registry == ((), False)
            self.config = config

        def perform(self, trial: Trial, observer: Observer) -> Outcome:
            performed.append(self.config.smaller_batches)
            observer.progressed(trial, Progress(1, 1, 0.5, 2))
            return Outcome(trial, "done")

    ignored: list[Any] = []
    monkeypatch.setattr(processes.signal, "signal", lambda *what: ignored.append(what))
    monkeypatch.setattr(processes, "_follow_parent", lambda: ignored.append("parent"))
    monkeypatch.setattr(processes, "Worker", Works)
    monkeypatch.setattr(processes, "registry_of", lambda files, *, isolate: (files, isolate))
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    ours, theirs = Pipe()
    ours.send((TRIAL, alone))
    thread = threading.Thread(
        target=lambda: processes._work(WorkerConfig(side_by_side=side_by_side, smaller_batches=smaller), theirs)
    )
    thread.start()
    said = [ours.recv() for _ in range(3)]
    ours.close()
    thread.join(10)
    assert not thread.is_alive()
    assert said == ["begun", Progress(1, 1, 0.5, 2), Outcome(TRIAL, "done")]
    assert performed == [allowed]
    assert (signal.SIGINT, signal.SIG_IGN) in ignored
    assert "parent" in ignored
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_a_process_ends_with_the_one_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Any] = []
    parent = SimpleNamespace(join=lambda: ended.append("joined"))
    monkeypatch.setattr(processes, "multiprocessing", SimpleNamespace(parent_process=lambda: parent))
    monkeypatch.setattr(processes.os, "_exit", ended.append)
    processes._follow_parent()
    assert ended == ["joined", 1]


# Starting ahead.


def test_processes_are_started_while_the_first_images_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "SOON_S", 0.01)
    started: list[int] = []

    def slow() -> Iterator[Trial]:
        while len(started) < 2:
            time.sleep(0.005)
        yield from trials(2)

    assert list(ahead.meanwhile(slow(), lambda: started.append(1), 2)) == trials(2)
    assert len(started) == 2


def test_nothing_is_started_where_the_first_trial_is_there_at_once_or_there_is_none() -> None:
    started: list[int] = []
    assert list(ahead.meanwhile(iter(trials(3)), lambda: started.append(1), 2)) == trials(3)
    assert list(ahead.meanwhile(iter([]), lambda: started.append(1), 2)) == []
    assert started == []


def test_once_the_first_trial_is_there_no_more_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "SOON_S", 0.0)
    one_started, trial_there = threading.Event(), threading.Event()
    started: list[int] = []

    def start() -> None:
        started.append(1)
        one_started.set()
        trial_there.wait(5)
        time.sleep(0.05)

    def slow() -> Iterator[Trial]:
        one_started.wait(5)
        trial_there.set()
        yield TRIAL

    assert list(ahead.meanwhile(slow(), start, 9)) == [TRIAL]
    assert len(started) == 1
