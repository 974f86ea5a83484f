from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.api import Progress
from harness.trials.observers import Observer, Observers, RunStart
from harness.trials.trial import Outcome, Trial

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
START = RunStart(1, [TRIAL], Path("runs"))


class Diary(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def run_started(self, start: RunStart) -> None:
        self.told.append(start)

    def found(self, trial: Trial, trial_id: str) -> None:
        self.told.append((trial, trial_id))

    def started(self, trial: Trial) -> None:
        self.told.append(trial)

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self.told.append(progress)

    def printed(self, plugin: str, line: str) -> None:
        self.told.append((plugin, line))

    def ended(self, outcome: Outcome) -> None:
        self.told.append(outcome)

    def run_ended(self, *, stopped: bool) -> None:
        self.told.append(stopped)


class Broken(Diary):
    """Fails at its second event."""

    def started(self, trial: Trial) -> None:
        super().started(trial)
        raise OSError("no space\nleft")


def test_each_observer_is_told_every_event_from_the_start_to_the_end() -> None:
    diaries = [Diary(), Diary(), Observer()]
    step, outcome = Progress(1, 2, 0.5, 6), Outcome(TRIAL, "done")
    with Observers(diaries, pytest.fail).following(START) as told:
        told.found(TRIAL, "0123")
        told.started(TRIAL)
        told.progressed(TRIAL, step)
        told.printed("dots", "hello")
        told.ended(outcome)
    assert (
        diaries[0].told == diaries[1].told == [START, (TRIAL, "0123"), TRIAL, step, ("dots", "hello"), outcome, False]
    )


def test_an_observer_that_fails_is_warned_of_once_and_the_others_and_the_run_go_on() -> None:
    warned: list[str] = []
    broken, whole = Broken(), Diary()
    with Observers([broken, whole], warned.append).following(START) as told:
        told.started(TRIAL)
        told.started(TRIAL)
        told.ended(Outcome(TRIAL, "done"))
    assert warned == ["Broken failed and is told nothing more of this run: OSError: no space left"]
    assert broken.told == [START, TRIAL]
    assert whole.told == [START, TRIAL, TRIAL, Outcome(TRIAL, "done"), False]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(2), ValueError("store")])
def test_a_run_that_is_stopped_is_told_as_such_and_the_reason_passes_through(stop: BaseException) -> None:
    diary = Diary()
    with pytest.raises(type(stop)), Observers([diary], pytest.fail).following(START):
        raise stop
    assert diary.told == [START, True]


def test_an_interrupt_passes_through_an_observer() -> None:
    class Interrupted(Observer):
        def started(self, trial: Trial) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Observers([Interrupted()], pytest.fail).started(TRIAL)
