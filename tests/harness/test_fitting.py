"""What a record says of a fit: times, losses, and what it was fitted on."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest

from harness import Images, Model, Pool, Progress, Run, Scores, hookimpl
from harness.metrics.pixel import curves
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

TRIAL = Trial("dots", "large", "steps", "-", "-", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


class Steps(Model):
    """Reports twice an epoch, or never."""

    name = "steps"
    uses = frozenset({"pool", "training"})

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        for epoch in range(1, run.epochs + 1):
            run.report(Progress(epoch, run.epochs, 9.0, len(normal) // 2, epoch_done=False))
            run.report(Progress(epoch, run.epochs, np.float32(1 / epoch), len(normal) - len(normal) // 2))

    def score(self, images: Images) -> Scores:
        return Scores(maps=images.pixels[..., 0] / 255)


@pytest.fixture
def worker(dots_plugin: Path) -> Worker:
    module = types.ModuleType("steps")
    module.harness_models = hookimpl(lambda: [Steps])  # type: ignore[attr-defined]
    registry = Registry.discover([dots_plugin])
    registry.register(module, "steps")
    return Worker(WorkerConfig(), registry)


def fitted(worker: Worker, observer: Observer | None = None, **changes: object) -> Outcome:
    outcome = worker.perform(TRIAL._replace(**changes), observer or Observer())
    assert outcome.status == "done", outcome.reason
    return outcome


def test_the_loss_of_each_epoch_is_remembered_as_it_was_at_its_end(worker: Worker) -> None:
    record = fitted(worker, epochs=3).record
    assert record.loss_history == (1.0, 0.5, float(np.float32(1 / 3)))
    assert all(type(loss) is float for loss in record.loss_history), "of whatever number a plugin has"


def test_images_a_second_are_all_that_were_seen_by_the_time_that_the_fit_took(worker: Worker) -> None:
    record = fitted(worker).record
    assert record.fit_seconds > 0
    assert record.score_seconds > 0
    assert record.train_images_per_second == pytest.approx(2 * 6 / record.fit_seconds)
    assert fitted(worker, epochs=0).record.train_images_per_second is None, "nothing was seen"


def test_every_step_is_told_to_the_observer(worker: Worker) -> None:
    told: list[tuple[Trial, int, bool]] = []

    class Listener(Observer):
        def progressed(self, trial: Trial, progress: Progress) -> None:
            told.append((trial, progress.epoch, progress.epoch_done))

    fitted(worker, Listener())
    assert told == [(TRIAL, 1, False), (TRIAL, 1, True), (TRIAL, 2, False), (TRIAL, 2, True)]


def test_images_that_are_held_out_are_not_counted_as_fitted(worker: Worker) -> None:
    assert fitted(worker).record.n_train == 6
    held_out = fitted(worker, holdout=0.5)
    assert held_out.record.n_train == 3
    assert len(held_out.evidence.normal["mean"]) == 3
    assert held_out.record.default_pool == "mean"


def test_a_record_has_pixel_metrics_and_their_versions_only_of_a_model_that_makes_maps(worker: Worker) -> None:
    with_maps, without = fitted(worker).record, fitted(worker, model="brightest", epochs=0, batch_size=0).record
    assert with_maps.pixels.keys() == with_maps.pixel_versions.keys() == curves.VERSIONS.keys()
    assert (without.pixels, without.pixel_versions) == (None, {})


def test_a_record_names_the_plugins_of_strange_pools_alone(dots_plugin: Path) -> None:
    class Least(Pool):
        name = "least"

        def score(self, maps: np.ndarray) -> np.ndarray:
            return maps.min(axis=(1, 2))

    module = types.ModuleType("strange")
    module.harness_models = hookimpl(lambda: [Steps])  # type: ignore[attr-defined]
    module.harness_pools = hookimpl(lambda: [Least])  # type: ignore[attr-defined]
    registry = Registry.discover([dots_plugin])
    plugin = registry.register(module, "strange", "a distribution", "1.5")
    record = fitted(Worker(WorkerConfig(pools=("least", "mean")), registry)).record
    assert record.pools == {"least": str(plugin)}
