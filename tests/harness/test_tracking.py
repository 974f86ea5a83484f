"""How a tracker is told: in a thread of its own, within its deadline, and never at a trial's cost."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness import TrackedTrial, Tracker, UsageError
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.trackers.asked import trackers_of
from harness.trackers.tracked import tracked
from harness.trackers.tracking import Tracking
from harness.trials.observers import Observer, Observers, RunStart
from harness.trials.settings import Settings
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

TRIAL = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")


class Notes(Tracker):
    """Keeps what it is told, and fails or hangs where it is asked to."""

    name = "notes"
    deadline_s = 0.5

    def __init__(self, *, broken: str = "", hangs: str = "") -> None:
        self.broken, self.hangs = broken, hangs
        self.calls: list[str] = []
        self.trials: list[TrackedTrial] = []
        self.freed = threading.Event()

    def open(self) -> None:
        self._do("open")

    def log(self, trial: TrackedTrial) -> None:
        self._do("log")
        self.trials.append(trial)

    def close(self) -> None:
        self._do("close")

    def _do(self, call: str) -> None:
        self.calls.append(call)
        if call == self.broken:
            raise OSError("no luck\nat all")
        if call == self.hangs:
            self.freed.wait(10)


@pytest.fixture
def outcomes(dots_plugin: Path, tmp_path: Path) -> list[Outcome]:
    """Of three trials, in a store."""
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))
    found = [worker.perform(TRIAL._replace(seed=seed), Observer()) for seed in range(3)]
    with Store(tmp_path, write=True) as store:
        for outcome in found:
            store.put(outcome)
    return found


def follow(tracker: Tracker, outcomes: list[Outcome], folder: Path, found: int = 0, stop: bool = False) -> list[str]:
    """What is warned of in a run that finds the first of these trials and fits the others."""
    warned: list[str] = []
    tracking = Tracking(tracker, lambda outcome: [], str, warned.append)
    try:
        with Observers([tracking], warned.append).following(RunStart(3, [], folder)) as told:
            for at, outcome in enumerate(outcomes):
                told.found(outcome.trial, outcome.id) if at < found else told.ended(outcome)
            if stop:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    return warned


def test_it_is_told_each_trial_once_those_that_were_found_last(outcomes: list[Outcome], tmp_path: Path) -> None:
    notes = Notes()
    assert follow(notes, outcomes, tmp_path, found=1) == []
    assert notes.calls == ["open", "log", "log", "log", "close"]
    assert [trial.settings["seed"] for trial in notes.trials] == [1, 2, 0]
    assert [trial.id for trial in notes.trials] == [outcomes[at].id for at in (1, 2, 0)]
    assert notes.trials[0].command.startswith("harness run --dataset dots")


@pytest.mark.parametrize(("broken", "calls"), [("open", 1), ("log", 2), ("close", 5)])
def test_one_that_fails_is_warned_of_once_with_the_reason(
    outcomes: list[Outcome], tmp_path: Path, broken: str, calls: int
) -> None:
    notes = Notes(broken=broken)
    (warned,) = follow(notes, outcomes, tmp_path)
    assert warned.startswith("tracker notes is told nothing more: no luck at all. Trials go on")
    assert len(notes.calls) == calls


@pytest.mark.parametrize("hangs", ["open", "log", "close"])
def test_one_that_hangs_is_left_after_its_deadline_and_told_nothing_even_if_it_comes_back(
    outcomes: list[Outcome], tmp_path: Path, hangs: str
) -> None:
    notes = Notes(hangs=hangs)
    began = time.monotonic()
    (warned,) = follow(notes, outcomes, tmp_path)
    assert "it has not answered for 0.5 s" in warned
    assert 0.4 < time.monotonic() - began < 5
    calls = len(notes.calls)
    notes.freed.set()
    time.sleep(0.3)
    assert len(notes.calls) == calls


def test_a_run_that_is_stopped_does_not_wait_for_it(outcomes: list[Outcome], tmp_path: Path) -> None:
    notes = Notes(hangs="log")
    notes.__class__.deadline_s, before = 60.0, notes.deadline_s
    began = time.monotonic()
    try:
        assert follow(notes, outcomes, tmp_path, stop=True) == []
    finally:
        notes.__class__.deadline_s = before
        notes.freed.set()
    assert time.monotonic() - began < 5


def test_a_run_that_is_stopped_lets_it_finish_for_a_second_and_leaves_earlier_trials_to_the_next(
    outcomes: list[Outcome], tmp_path: Path
) -> None:
    notes = Notes(hangs="open")
    threading.Timer(0.3, notes.freed.set).start()
    assert follow(notes, outcomes, tmp_path, found=1, stop=True) == []
    assert [trial.settings["seed"] for trial in notes.trials] == [1, 2]
    assert notes.calls[-1] == "close"


def test_the_user_is_told_what_the_end_of_a_run_waits_for(
    outcomes: list[Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.trackers.tracking._SAY_S", 0.01)
    notes = Notes(hangs="close")
    threading.Timer(0.2, notes.freed.set).start()
    (warned,) = follow(notes, outcomes, tmp_path)
    assert warned == "waiting for tracker 'notes'; Ctrl-C leaves the rest to the next run"
    late = Notes(hangs="open")
    late.deadline_s = 0.01  # type: ignore[misc]
    (warned,) = follow(late, outcomes, tmp_path)
    assert "told nothing more" in warned, "nobody waits for one that was given up"
    late.freed.set()


@pytest.mark.parametrize("event", ["found", "started", "ended"])
def test_one_that_is_late_is_noticed_at_the_next_trial_and_costs_no_more_work(
    outcomes: list[Outcome], tmp_path: Path, event: str
) -> None:
    notes, warned, judged = Notes(hangs="open"), list[str](), list[Outcome]()
    notes.deadline_s = 0.01  # type: ignore[misc]
    tracking = Tracking(notes, lambda outcome: judged.append(outcome) or [], str, warned.append)  # type: ignore[func-returns-value]
    tracking.run_started(RunStart(3, [], tmp_path))
    time.sleep(0.1)
    one = outcomes[0]
    about = {"found": (one.trial, one.id), "started": (one.trial,), "ended": (one,)}[event]
    getattr(tracking, event)(*about)
    assert len(warned) == 1
    tracking.ended(one)
    assert judged == []
    notes.freed.set()


def test_it_is_told_figures_by_pool_and_threshold_and_those_of_pixels_by_their_names(outcomes: list[Outcome]) -> None:
    of_images = Mock(status="done", pool="max", threshold="mean", metric={"auroc": 0.9, "aupro_0.30": 0.5}.get)
    unset = Mock(status="error", pool="mean", threshold="mean", metric={"auroc": 0.8}.get)
    found = tracked(outcomes[0], lambda outcome: [of_images, unset], str).metrics
    times = {"fit_seconds", "score_seconds", "train_images_per_second"}
    assert {name: value for name, value in found.items() if name not in times} == {
        "auroc/max/mean": 0.9,
        "aupro_0.30": 0.5,
    }


def test_the_setting_mlflow_is_the_tracker_of_that_name_with_its_address() -> None:
    (found,) = trackers_of(Registry.discover(), Settings.of({"mlflow": "http://127.0.0.1:1"}))
    assert (found.name, spell(found)) == ("mlflow", "mlflow[uri=http://127.0.0.1:1]")


def test_no_trial_waits_while_it_writes(outcomes: list[Outcome], tmp_path: Path) -> None:
    notes = Notes(hangs="open")
    tracking = Tracking(notes, lambda outcome: [], str, pytest.fail)
    tracking.run_started(RunStart(3, [], tmp_path))
    began = time.monotonic()
    for outcome in outcomes:
        tracking.ended(outcome)
    assert time.monotonic() - began < 0.4
    notes.freed.set()
    tracking.run_ended(stopped=False)
    assert len(notes.trials) == 3


def test_what_it_cannot_be_asked_for_is_refused_at_once() -> None:
    class Picky(Notes):
        def prepare(self) -> None:
            raise UsageError("tracker 'picky' needs a key")

    with pytest.raises(UsageError, match="needs a key"):
        Tracking(Picky(), lambda outcome: [], str, pytest.fail)

    class Broken(Notes):
        def prepare(self) -> None:
            raise RuntimeError("no such library")

    with pytest.raises(UsageError, match=r"tracker notes cannot be used: RuntimeError: no such library \(test_track"):
        Tracking(Broken(), lambda outcome: [], str, pytest.fail)
