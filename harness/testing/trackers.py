"""What the harness counts on in a tracker: it takes every trial, and one that comes again does no harm."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import chdir

from harness.api import TrackedTrial, Tracker
from harness.errors import UnavailableError, UsageError
from harness.testing.parts import Check, fresh


def checks(tracker: Tracker) -> Iterator[Check]:
    """Those of any tracker. They write toy trials, and nothing into the folder in which they are called."""
    yield check_takes_trials_that_are_done_and_trials_that_failed
    yield check_takes_a_trial_again


def check_takes_trials_that_are_done_and_trials_that_failed(tracker: Tracker) -> None:
    """With figures that are not finite, and none at all."""
    _log(tracker, [_toy("done"), _toy("error")])


def check_takes_a_trial_again(tracker: Tracker) -> None:
    """Within a run, and in a run that goes on later."""
    for _ in range(2):
        _log(tracker, [_toy("done"), _toy("done")])


def _toy(status: str) -> TrackedTrial:
    done = status == "done"
    return TrackedTrial(
        id=f"{0 if done else 1:016x}",
        fingerprint="0123456789abcdef",
        name=f"toy · toy_mean · seed {0 if done else 1}",
        status="done" if done else "error",
        reason="" if done else "this fit was asked to fail",
        settings={"dataset": "toy_parts", "category": "toy", "model": "toy_mean", "seed": 0 if done else 1},
        metrics={"auroc/mean/mean": 1.0, "fit_seconds": 0.1, "pixel_auroc": float("nan")} if done else {},
        losses=[0.5, 0.25, float("inf")] if done else [],
        made_by={"model": "harness 0"},
        command="harness run --dataset toy_parts",
        page=lambda: "<!doctype html><title>toy</title>",
    )


def _log(tracker: Tracker, trials: list[TrackedTrial]) -> None:
    """Raises UnavailableError where it cannot be asked for as it is."""
    tracker = fresh(tracker)
    try:
        tracker.prepare()
    except UsageError as error:
        raise UnavailableError(str(error)) from error
    # A tracker that is told no place often writes below the folder in which it is called.
    with tempfile.TemporaryDirectory() as empty, chdir(empty):
        tracker.open()
        for trial in trials:
            tracker.log(trial)
        tracker.close()
