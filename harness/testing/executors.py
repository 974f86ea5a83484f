"""What the harness counts on in an executor: every trial comes back once, and scores as it does in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.api import Executor
from harness.errors import UnavailableError, UsageError
from harness.plugin.registry import Registry
from harness.testing import toy_plugin
from harness.testing.parts import Check
from harness.trials.observers import Observer
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

_TRIAL = Trial("toy_parts", "toy", "toy_mean", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")


def checks(executor: Executor) -> Iterator[Check]:
    """Those of any executor."""
    yield check_each_trial_has_one_outcome
    yield check_a_trial_that_fails_costs_no_other
    yield check_scores_are_those_of_this_process
    yield check_no_trial_is_no_outcome


def check_each_trial_has_one_outcome(executor: Executor) -> None:
    """In any order."""
    trials = [_TRIAL._replace(seed=seed) for seed in range(5)]
    came = sorted(outcome.trial for outcome in _run(executor, trials))
    assert came == trials, f"of trials with the seeds 0 to 4 came back {[trial.seed for trial in came]}"


def check_a_trial_that_fails_costs_no_other(executor: Executor) -> None:
    """Its outcome has the reason."""
    trials = [_TRIAL._replace(seed=seed, model=f"toy_mean[fail={seed == 1}]".lower()) for seed in range(3)]
    found = {outcome.trial.seed: (outcome.status, outcome.reason) for outcome in _run(executor, trials)}
    expected = {0: ("done", ""), 1: ("error", "this fit was asked to fail"), 2: ("done", "")}
    assert found == expected, f"of three trials, the second of which fails, it gave {found}"


def check_scores_are_those_of_this_process(executor: Executor) -> None:
    """To the last bit, for a model in numpy."""
    (outcome,) = _run(executor, [_TRIAL])
    here = _worker().perform(_TRIAL, Observer())
    assert outcome.evidence is not None, f"a trial ended as {outcome.status}: {outcome.reason}"
    assert here.evidence is not None
    for pool, scores in here.evidence.test.items():
        assert np.array_equal(outcome.evidence.test[pool], scores), f"scores of the pool {pool!r} differ"
    assert outcome.id == here.id, "its data has another fingerprint"


def check_no_trial_is_no_outcome(executor: Executor) -> None:
    """As where the store has them all."""
    assert not _run(executor, []), "outcomes came of no trials"


def _worker() -> Worker:
    files = (Path(toy_plugin.__file__),)
    return Worker(WorkerConfig(plugin_files=files, threads=1), Registry.discover(files))


def _run(executor: Executor, trials: list[Trial]) -> list[Outcome]:
    """Raises UnavailableError where the place is not to be had here."""
    try:
        executor.prepare("cpu")
    except UsageError as error:
        raise UnavailableError(str(error)) from error
    return list(executor.run(iter(trials), _worker(), Observer()))
