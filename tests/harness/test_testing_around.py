"""Each check of an executor and of a tracker finds the one that is wrong in just that way."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import Executor, Tracker, UsageError
from harness.testing import checks_for
from tests.kit_outcomes import outcomes_of


def failed(part: Any) -> dict[str, str]:
    """The checks that a part does not pass, each with the reason."""
    outcomes = outcomes_of(part).items()
    return {name: f"{outcome.status}: {outcome.reason}" for name, outcome in outcomes if outcome.status != "passed"}


class OneByOne(Executor):
    name = "one_by_one"

    def run(self, trials, worker, observer):
        for trial in trials:
            yield worker.perform(trial, observer)


class LosesTheLast(OneByOne):
    def run(self, trials, worker, observer):
        every = list(trials)
        yield from super().run(every[: max(1, len(every) - 1)], worker, observer)


class FitsOneTwice(OneByOne):
    def run(self, trials, worker, observer):
        for outcome in super().run(trials, worker, observer):
            yield outcome
            if outcome.trial.seed == 4:
                yield outcome


class StopsAtAFailure(OneByOne):
    def run(self, trials, worker, observer):
        for outcome in super().run(trials, worker, observer):
            yield outcome
            if outcome.status == "error":
                return


class HidesTheReason(OneByOne):
    def run(self, trials, worker, observer):
        for outcome in super().run(trials, worker, observer):
            yield replace(outcome, reason=outcome.reason and "it failed")


class ScoresALittleHigher(OneByOne):
    def run(self, trials, worker, observer):
        for outcome in super().run(trials, worker, observer):
            if outcome.evidence is not None:
                test = {pool: np.nextafter(one, np.inf) for pool, one in outcome.evidence.test.items()}
                outcome = replace(outcome, evidence=replace(outcome.evidence, test=test))
            yield outcome


class TakesOtherData(OneByOne):
    def run(self, trials, worker, observer):
        for outcome in super().run(trials, worker, observer):
            yield replace(outcome, fingerprint="0" * 16)


class HasAlwaysSomething(OneByOne):
    def run(self, trials, worker, observer):
        yield None


class IsFarAway(OneByOne):
    def prepare(self, wanted):
        raise UsageError("no cluster answers")


def test_a_right_executor_passes_every_check() -> None:
    assert failed(OneByOne()) == {}


@pytest.mark.parametrize(
    ("wrong", "name", "said"),
    [
        (LosesTheLast, "each_trial_has_one_outcome", "of trials with the seeds 0 to 4 came back [0, 1, 2, 3]"),
        (FitsOneTwice, "each_trial_has_one_outcome", "of trials with the seeds 0 to 4 came back [0, 1, 2, 3, 4, 4]"),
        (
            StopsAtAFailure,
            "a_trial_that_fails_costs_no_other",
            "of three trials, the second of which fails, it gave {0",
        ),
        (HidesTheReason, "a_trial_that_fails_costs_no_other", "of three trials, the second of which fails, it gave {0"),
        (ScoresALittleHigher, "scores_are_those_of_this_process", "scores of the pool '"),
        (TakesOtherData, "scores_are_those_of_this_process", "its data has another fingerprint"),
        (HasAlwaysSomething, "no_trial_is_no_outcome", "outcomes came of no trials"),
    ],
)
def test_an_executor_that_is_wrong_in_one_way_is_told_so(wrong: type[Executor], name: str, said: str) -> None:
    (check,) = (one for one in checks_for(wrong()) if one.__name__ == f"check_{name}")
    with pytest.raises(AssertionError, match=re.escape(said)):
        check(wrong())


def test_an_executor_whose_place_is_not_to_be_had_is_not_judged() -> None:
    assert set(failed(IsFarAway()).values()) == {"skipped: no cluster answers"}


class Notes(Tracker):
    name = "notes"

    def open(self):
        self.told = []

    def log(self, trial):
        self.told.append(trial.id)


class NeedsLosses(Notes):
    def log(self, trial):
        if not trial.losses:
            raise ValueError(f"no losses of {trial.name}, for {trial.reason}")


class NeedsFiniteFigures(Notes):
    def log(self, trial):
        odd = [name for name, value in trial.metrics.items() if not math.isfinite(value)]
        if odd or not all(map(math.isfinite, trial.losses)):
            raise ValueError(f"{odd} and losses of {list(trial.losses)}")


class TakesATrialOnce(Notes):
    def log(self, trial):
        if trial.id in self.told:
            raise ValueError(f"{trial.id} is here")
        super().log(trial)


class WritesWhereItIs(Notes):
    """Below the folder in which it is called; a run that went on before it is refused."""

    def open(self):
        Path("notes").mkdir()

    def log(self, trial):
        Path("notes/trial").write_text(f"{trial.command}{trial.page()}{trial.fingerprint}{trial.settings['seed']}")


class HasNoAddress(Notes):
    def prepare(self):
        raise UsageError("give the address of a server")


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (Notes, {}),
        (WritesWhereItIs, {}),
        (
            NeedsLosses,
            {"takes_trials_that_are_done_and_trials_that_failed": "failed: ValueError: no losses of toy · toy_mean · seed 1, for this fit was"},
        ),
        (
            NeedsFiniteFigures,
            {
                "takes_trials_that_are_done_and_trials_that_failed": "failed: ValueError: ['pixel_auroc'] and losses of [0.5, 0.25, inf]",
                "takes_a_trial_again": "failed: ValueError: ['pixel_auroc'] and losses of [0.5, 0.25, inf]",
            },
        ),
        (TakesATrialOnce, {"takes_a_trial_again": "failed: ValueError: 0000000000000000 is here"}),
        (HasNoAddress, dict.fromkeys(
            ("takes_trials_that_are_done_and_trials_that_failed", "takes_a_trial_again"), "skipped: give the address of a server"
        )),
    ],
)  # fmt: skip
def test_a_tracker_that_is_wrong_in_one_way_is_told_so(wrong: type[Tracker], found: dict[str, str]) -> None:
    reasons = failed(wrong())
    assert reasons.keys() == found.keys()
    assert all(reasons[name].startswith(said) for name, said in found.items())
