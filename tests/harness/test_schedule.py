"""What is still to be fitted, on a store that other runs write as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.plugin.registry import Registry
from harness.trials.executors.serial import Serial
from harness.trials.grid import Cell
from harness.trials.observers import Observer
from harness.trials.saved_model import ModelFolder
from harness.trials.schedule import RunSummary, carry_out
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig


def test_a_trial_that_another_run_finishes_in_the_meantime_is_not_fitted_again(
    tmp_path: Path, dots_plugin: Path
) -> None:
    diary = tmp_path / "diary"
    diary.touch()
    model = f"trained[diary={diary}]"
    trial = Trial("dots", "large", model, "plain", "absolute", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))

    class Meanwhile(Observer):
        def ended(self, outcome: Outcome) -> None:
            with Store(tmp_path / "runs", write=True) as other:
                other.put(worker.perform(outcome.trial._replace(seed=1), Observer()))

    plan = [Cell(trial), Cell(trial._replace(seed=1))]
    with Store(tmp_path / "runs", write=True) as store:
        summary = carry_out(plan, store=store, worker=worker, executor=Serial(), observer=Meanwhile())
        assert len(store.done()) == 2
        (fingerprint,) = {outcome.fingerprint for outcome in store.outcomes()}
        assert len(store.thumbnails(fingerprint)) == 7, "of each test image, once"
    assert (summary.fitted, summary.found) == (1, 1)
    fits = diary.read_text().splitlines()
    assert fits == ["plain absolute 0", "plain absolute 1"], "the second is the other run's"


def test_an_observer_is_told_of_each_trial_as_it_starts_and_as_it_ends(tmp_path: Path, dots_plugin: Path) -> None:
    told: list[tuple[str, int]] = []

    class Listening(Observer):
        def started(self, trial: Trial) -> None:
            told.append(("started", trial.seed))

        def ended(self, outcome: Outcome) -> None:
            told.append(("ended", outcome.trial.seed))

    first = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))
    for seeds in ((0,), (0, 1)):
        with Store(tmp_path / "runs", write=True) as store:
            cells = [Cell(first._replace(seed=seed)) for seed in seeds]
            carry_out(cells, store=store, worker=worker, executor=Serial(), observer=Listening())
    assert told == [("started", 0), ("ended", 0), ("started", 1), ("ended", 1)]


def test_a_trial_that_lacks_a_pool_or_its_model_is_fitted_again_and_it_is_said_for_what(
    tmp_path: Path, dots_plugin: Path
) -> None:
    registry = Registry.discover([dots_plugin])
    trials = [Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")]
    trials.append(trials[0]._replace(model="brightest"))

    def run(**config: object) -> RunSummary:
        worker = Worker(WorkerConfig(**config), registry)
        with Store(tmp_path / "runs", write=True) as store:
            return carry_out(map(Cell, trials), store=store, worker=worker, executor=Serial(), observer=Observer())

    summary = run()
    assert (summary.fitted, summary.again, summary.again_for) == (2, 0, [])
    summary = run(pools=("mean", "topk[share=0.5]"))
    assert (summary.found, summary.again) == (1, 1), "a model that takes no pool lacks none"
    assert summary.again_for == ["pool topk[share=0.5]"]
    assert run(pools=("topk[share=0.5]",)).found == 2
    kept = ModelFolder(tmp_path / "kept" / "models", threshold="highest")
    summary = run(keep=kept)
    assert (summary.again, summary.again_for, summary.unkept) == (2, ["the model"], [])
    assert len(list(kept.folder.iterdir())) == 2, "in a folder that was not there, nor was the one above"
    assert run(keep=kept).found == 2


@pytest.mark.parametrize("why", ["", "its threshold failed"])
def test_a_model_that_was_not_kept_is_told_with_the_reason_or_that_the_folder_is_elsewhere(
    tmp_path: Path, dots_plugin: Path, why: str
) -> None:
    class Elsewhere(Serial):
        """Fits where the folder of models is another one."""

        def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
            there = replace(worker, config=replace(worker.config, keep=None))
            for outcome in super().run(trials, there, observer):
                yield replace(outcome, unkept=why)

    worker = Worker(WorkerConfig(keep=ModelFolder(tmp_path / "models", "highest")), Registry.discover([dots_plugin]))
    trial = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    with Store(tmp_path / "runs", write=True) as store:
        about = {"store": store, "worker": worker, "executor": Elsewhere(), "observer": Observer()}
        summary = carry_out([Cell(trial)], **about)
    said = why or "it was fitted on a machine that does not share the folder of models"
    assert summary.unkept == [(trial, said)]


@pytest.mark.parametrize(
    ("size", "smaller", "sizes"),
    [(8, True, [8, 4, 2, 1]), (5, True, [5, 2, 1]), (1, True, [1]), (0, True, [0]), (8, False, [8])],
)
def test_batches_are_halved_down_to_one_image_where_that_is_allowed(
    dots_plugin: Path, size: int, smaller: bool, sizes: list[int]
) -> None:
    worker = Worker(WorkerConfig(smaller_batches=smaller), Registry.discover([dots_plugin]))
    trial = Trial("dots", "large", "trained", "plain", "absolute", 0, 16, 2, size, 1e-4, 0.0, "fp32", "-")
    assert [variant.batch_size for variant in worker.variants(trial)] == sizes
    assert all(variant._replace(batch_size=size) == trial for variant in worker.variants(trial))
