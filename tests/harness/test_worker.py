"""What a worker makes of a trial, however it goes."""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import Images, Model, Run, Scores, UnavailableError, hookimpl
from harness.plugin.registry import Registry
from harness.trials.holdout import normal_images
from harness.trials.observers import Observer
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig


@dataclass
class Failing(Model):
    """Fails as it is asked to."""

    name = "failing"
    uses = frozenset({"pool", "training"})
    how: str = "memory"

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        if self.how == "memory":
            raise MemoryError
        if self.how == "away":
            raise UnavailableError("its weights are out of reach")
        raise ZeroDivisionError("one part too few")

    def score(self, images: Images) -> Scores:
        raise AssertionError


def perform(dots_plugin: Path, how: str, batch_size: int = 4, **config: object) -> Outcome:
    module = types.ModuleType("failing")
    module.harness_models = hookimpl(lambda: [Failing])  # type: ignore[attr-defined]
    registry = Registry.discover([dots_plugin])
    registry.register(module, "failing")
    trial = Trial("dots", "large", f"failing[how={how}]", "-", "-", 0, 16, 2, batch_size, 1e-4, 0.0, "fp32", "-")
    return Worker(WorkerConfig(**config), registry).perform(trial, Observer())


def test_a_part_that_is_out_of_reach_is_skipped_and_one_that_fails_is_an_error(dots_plugin: Path) -> None:
    away, failed = perform(dots_plugin, "away"), perform(dots_plugin, "mistake")
    assert (away.status, away.reason) == ("skipped", "its weights are out of reach")
    assert failed.status == "error"
    assert failed.reason.startswith("ZeroDivisionError: one part too few (test_worker.py:")
    assert failed.reason.endswith(")"), "no advice about batches, which have nothing to do with it"
    for outcome in (away, failed):
        assert outcome.fingerprint, "the data were there"
        assert outcome.record.machine["device"] == "cpu", "the default device"


@pytest.mark.parametrize(
    ("batch_size", "smaller", "advice"),
    [
        (4, False, "; try --batch-size auto"),
        (2, False, "; try --batch-size auto"),
        (4, True, "; so it went down to one image a batch"),
        (1, False, ""),
        (1, True, ""),
    ],
)
def test_where_memory_runs_out_the_reason_says_what_to_do_about_batches(
    dots_plugin: Path, batch_size: int, smaller: bool, advice: str
) -> None:
    outcome = perform(dots_plugin, "memory", batch_size, smaller_batches=smaller)
    assert outcome.status == "error"
    assert outcome.reason.partition(")")[2] == advice


def test_two_training_images_are_enough_for_a_holdout_and_one_is_not(dots_plugin: Path) -> None:
    registry = Registry.discover([dots_plugin])
    worker = Worker(WorkerConfig(), registry)
    found = normal_images(worker.split("dots[n_train=2]", "large", 16), 0.5, seed=0)
    assert (len(found.fitted), len(found.calibration), found.where) == (1, 1, "holdout")
    trial = Trial("dots[n_train=1]", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.5, "fp32", "-")
    outcome = worker.perform(trial, Observer())
    assert outcome.status == "error"
    assert outcome.reason.startswith("a holdout of 0.5 needs 2 training images")
