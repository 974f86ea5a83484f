"""How many trials share a GPU, and what becomes of one that runs out of memory beside others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plugin.registry import Registry
from harness.trials import hardware
from harness.trials.device_memory import measured_memory
from harness.trials.executors import local, processes, room
from harness.trials.executors.local import Local
from harness.trials.executors.processes import Processes
from harness.trials.executors.room import CONTEXT, SPARE, Room, holds_another
from harness.trials.observers import Observer
from harness.trials.oddities import of_memory
from harness.trials.record import Record
from harness.trials.schedule import RunSummary
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

TRIAL = Trial("dots", "large", "trained", "plain", "absolute", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
GIB = 1 << 30
PEAKS = st.integers(0, 100 * GIB)


def measured(trial: Trial, peak: int, free: int = 80 * GIB) -> Outcome:
    return Outcome(trial, "done", record=Record(device_memory={"peak": peak, "free": free}))


@given(st.lists(PEAKS, max_size=6), PEAKS, st.integers(0, 200 * GIB), st.integers(1, 4))
def test_trials_side_by_side_leave_a_fifth_of_the_memory_free_and_are_never_more_than_the_most(
    beside: list[int], largest: int, free: int, most: int
) -> None:
    if holds_another(beside, largest, free, most):
        assert len(beside) + 1 <= most
        assert sum(beside) + largest + (len(beside) + 1) * CONTEXT <= free * (1 - SPARE)
        assert holds_another(beside, largest, free + 1, most), "more memory holds no fewer"
        assert holds_another(beside[1:], largest, free, most), "nor does it hold fewer beside fewer"


@pytest.mark.parametrize(
    ("peak", "memory", "expected"), [(2, 141, 4), (30, 141, 3), (40, 141, 2), (60, 141, 1), (2, 8, 2), (5, 8, 1)]
)
def test_a_gpu_takes_as_many_trials_as_it_holds(peak: int, memory: int, expected: int) -> None:
    shared = Room(4)
    shared.learn(measured(TRIAL, peak * GIB, memory * GIB))
    beside: list[Trial] = []
    while shared.for_another(beside):
        beside.append(TRIAL._replace(seed=len(beside)))
    assert len(beside) == expected


def test_the_first_trial_is_measured_alone_and_one_that_failed_measures_nothing() -> None:
    shared = Room(4)
    assert shared.for_another([])
    assert not shared.for_another([TRIAL])
    shared.learn(Outcome(TRIAL, "error", "it failed"))
    assert shared.for_another([])
    assert not shared.for_another([TRIAL])
    shared.learn(measured(TRIAL, GIB))
    assert shared.for_another([TRIAL])


def test_a_trial_of_a_kind_that_was_not_measured_counts_as_much_as_the_largest() -> None:
    shared, small, large = Room(4), TRIAL, TRIAL._replace(encoder="vgg16")
    shared.learn(measured(small, 1 * GIB, free=50 * GIB))
    shared.learn(measured(large, 15 * GIB, free=20 * GIB))
    assert shared.for_another([small._replace(seed=5, category="small"), small]), "1 + 1 + 15, and 3 contexts, of 40"
    assert not shared.for_another([large, small._replace(loss="another")]), "15 + 15 + 15"
    assert shared.for_another([large]), "free memory is what the first trial found, which was alone"


@pytest.mark.parametrize(
    ("device", "trials", "jobs", "expected"),
    [("cuda", 9, None, 4), ("cuda:1", 3, None, 3), ("cuda", 9, 2, 2), ("mps", 9, None, 1), ("cpu", 9, None, 2)],
)
def test_up_to_four_trials_share_a_gpu_unless_somebody_says_how_many(
    monkeypatch: pytest.MonkeyPatch, device: str, trials: int, jobs: int | None, expected: int
) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 2)
    assert Local(jobs).side_by_side(device, trials) == expected


@pytest.mark.parametrize(
    ("device", "jobs", "by_memory"), [("cuda", None, True), ("cuda", 3, False), ("cpu", None, False)]
)
def test_memory_decides_on_a_gpu_alone_and_only_where_nobody_asked_for_a_number(
    monkeypatch: pytest.MonkeyPatch, device: str, jobs: int | None, by_memory: bool
) -> None:
    asked: list[tuple[int, bool]] = []

    def made(jobs: int, by_memory: bool) -> SimpleNamespace:
        asked.append((jobs, by_memory))
        return SimpleNamespace(run=lambda *_: iter(()))

    monkeypatch.setattr(local, "Processes", made)
    worker = Worker(WorkerConfig(device, side_by_side=3), Registry())
    list(Local(jobs).run([TRIAL], worker, Observer()))
    assert asked == [(3, by_memory)]


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (16, 4)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_beside_a_gpu_a_fit_has_as_many_threads_for_any_number_of_jobs(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, precision: str
) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [hardware.threads("cuda:0", precision, jobs) for jobs in (1, 2, 4)] == [threads] * 3


def test_processes_ask_for_room_and_begin_with_the_next_trial_before_the_last_one_is_stored(
    dots_plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widest, learned, taken, started = [0], [], [], []

    class Narrow(Room):
        def for_another(self, beside: list[Trial]) -> bool:
            widest[0] = max(widest[0], len(beside))
            return not beside

        def learn(self, outcome: Outcome) -> None:
            learned.append(outcome.trial.seed)

    def trials() -> Iterator[Trial]:
        for seed in range(3):
            taken.append(seed)
            yield TRIAL._replace(seed=seed)

    start = processes._start
    monkeypatch.setattr(processes, "Room", Narrow)
    monkeypatch.setattr(
        processes, "_start", lambda trial, *rest, **how: started.append(trial.seed) or start(trial, *rest, **how)
    )
    worker = Worker(WorkerConfig(plugin_files=(dots_plugin,)), Registry())
    ended = []
    for outcome in Processes(4, by_memory=True).run(trials(), worker, Observer()):
        ended.append((outcome.trial.seed, outcome.status))
        assert taken == started == list(range(min(3, len(ended) + 1))), (
            "the caller stores it now, and the next is at work"
        )
    assert ended == [(seed, "done") for seed in range(3)]
    assert learned == [0, 1, 2]
    assert widest == [1]


def test_a_trial_out_of_memory_is_tried_once_more_alone_with_the_batch_that_was_asked_for(
    dots_plugin: Path, tmp_path: Path
) -> None:
    plugin, diary = tmp_path / "greedy.py", tmp_path / "tried"
    raising = f"""tried = open({str(diary)!r}, 'a+')
        tried.seek(0)
        if run.seed == 2 or run.seed == 1 and '1' not in tried.read():
            tried.write(str(run.seed))
            tried.close()
            import torch
            raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 MiB.')
        assert encoder is not None"""
    plugin.write_text(dots_plugin.read_text().replace("assert encoder is not None", raising))
    worker = Worker(WorkerConfig(plugin_files=(plugin,), side_by_side=2), Registry())
    trials = [TRIAL._replace(seed=seed) for seed in range(4)]
    outcomes = {outcome.trial.seed: outcome for outcome in Processes(2).run(trials, worker, Observer())}
    assert [outcomes[seed].status for seed in range(4)] == ["done", "done", "error", "done"]
    assert [outcomes[seed].alone for seed in range(4)] == [False, True, True, False]
    assert sorted(diary.read_text()) == ["1", "2", "2"], "one that fails alone too is an error"
    assert outcomes[2].reason.endswith("; try --batch-size auto")
    summary = RunSummary(alone=[outcomes[1].trial, outcomes[2].trial])
    (line,) = of_memory(summary)
    assert line == (
        "large · trained + plain + absolute · seed 1 and 1 more ran out of memory beside other trials, and had a "
        "second try alone; fewer jobs avoid that"
    )
    assert not list(of_memory(RunSummary()))


def test_nothing_is_measured_without_a_gpu() -> None:
    with measured_memory("cpu") as found:
        pass
    assert found == {}


@pytest.mark.parametrize("broken", [False, True])
def test_memory_of_a_gpu_is_measured_from_what_was_free_before(monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    import torch

    def peak(on: str) -> int:
        if broken:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return 7

    said = {"empty_cache": lambda: None, "reset_peak_memory_stats": lambda on: None, "memory_reserved": lambda on: 5}
    for name, answer in {**said, "mem_get_info": lambda on: (20, 99), "max_memory_reserved": peak}.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    with measured_memory("cuda:0") as found:
        assert found == {}
    assert found == ({} if broken else {"peak": 7, "free": 25})


@pytest.mark.skipif(not __import__("torch").cuda.is_available(), reason="no GPU here")
def test_a_gpu_says_what_a_trial_took() -> None:
    import torch

    with measured_memory("cuda") as found:
        torch.empty(1 << 26, device="cuda")
    assert found["peak"] >= 1 << 28
    assert found["free"] > found["peak"]
    assert room.MOST_JOBS == 4
