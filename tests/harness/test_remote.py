"""A worker that is sent elsewhere, as any executor may send it: what it takes along, and what comes back."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import Images, Split
from harness.errors import ModelError, UsageError
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.provenance import makers
from harness.trials.remote import RemoteWorker, portable
from harness.trials.saved_model import ModelFolder
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig

TRIAL = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")


@pytest.fixture
def worker(dots_plugin: Path, tmp_path: Path) -> Worker:
    keep = ModelFolder(tmp_path / "models", threshold="highest", pool=None)
    return Worker(WorkerConfig(plugin_files=(dots_plugin,), keep=keep), Registry.discover([dots_plugin]))


def test_only_plain_values_and_the_content_of_plugin_files_are_sent(dots_plugin: Path, worker: Worker) -> None:
    place = replace(worker.config, data_root=Path("/data"), weights_dir=Path("weights"), threads=3)
    remote = RemoteWorker.of(
        replace(worker, config=place), {"HARNESS_OFFLINE": "1", "HARNESS_PLUGINS": "a,b", "HOME": "/home/me"}
    )
    assert remote.files == ((dots_plugin, dots_plugin.read_bytes()),)
    assert dict(remote.environ) == {"HARNESS_OFFLINE": "1", "HARNESS_PLUGINS": "a,b"}
    assert remote.config == replace(place, data_root=None, plugin_files=(), weights_dir=Path.cwd() / "weights"), (
        "the data come with each trial"
    )
    assert pickle.loads(pickle.dumps(remote)) == remote
    assert RemoteWorker.of(worker).config.weights_dir is None


def test_a_plugin_file_that_is_gone_is_said_before_anything_is_sent(worker: Worker) -> None:
    gone = replace(worker.config, plugin_files=(Path("gone.py"),))
    with pytest.raises(UsageError, match=r"no plugin file 'gone\.py'"):
        RemoteWorker.of(replace(worker, config=gone))


def test_a_trial_that_was_fitted_elsewhere_is_the_one_that_is_fitted_here(worker: Worker, tmp_path: Path) -> None:
    split = worker.split("dots", "large", 16)
    here = makers(TRIAL, worker.registry)
    alone = worker.perform(TRIAL, Observer())
    folder = worker.config.keep.folder
    (kept,) = folder.iterdir()
    files = {file.name: file.read_bytes() for file in kept.iterdir()}
    kept.rename(tmp_path / "of_here")

    remote = pickle.loads(pickle.dumps(RemoteWorker.of(worker, {})))
    returned = remote.perform(TRIAL, portable(split), here, Observer())
    assert list(folder.iterdir()) == [], "the folder of models may be out of its reach"
    outcome = pickle.loads(pickle.dumps(returned)).kept_by(worker)
    assert (outcome.id, outcome.status, outcome.unkept) == (alone.id, "done", "")
    for pool, scores in alone.evidence.test.items():
        assert np.array_equal(outcome.evidence.test[pool], scores)
    assert (outcome.record.plugins, outcome.record.code) == (alone.record.plugins, alone.record.code)
    again = worker.config.keep.of(outcome.id)
    assert again is not None
    assert {file.name: file.read_bytes() for file in again.iterdir()} == files


def test_a_model_that_cannot_be_kept_costs_no_scores(worker: Worker) -> None:
    returned = RemoteWorker.of(worker, {}).perform(
        TRIAL, worker.split("dots", "large", 16), makers(TRIAL, worker.registry), Observer()
    )

    def refuse(*_: object) -> None:
        raise ModelError("no space left")

    outcome = returned.kept_by(replace(worker, save=refuse))
    assert (outcome.status, outcome.unkept) == ("done", "no space left")
    assert outcome.evidence is not None


def test_another_version_of_a_part_there_is_an_error_that_names_both_but_the_data_set_may_be_absent(
    worker: Worker,
) -> None:
    split, here = worker.split("dots", "large", 16), makers(TRIAL, worker.registry)
    remote = RemoteWorker.of(worker, {})
    elsewhere = here._replace(plugins={**here.plugins, "dataset": "acme-data 2.0"})
    outcome, models = remote.perform(TRIAL, split, elsewhere, Observer())
    assert outcome.status == "done"
    assert outcome.record.plugins["dataset"] == "acme-data 2.0"
    assert models[0][0].plugins["dataset"] == "acme-data 2.0"

    newer = here._replace(plugins={**here.plugins, "model": "acme-models 9.9"})
    outcome, models = remote.perform(TRIAL, split, newer, Observer())
    assert (outcome.status, outcome.fingerprint, models) == ("error", split.fingerprint, ())
    assert outcome.reason.startswith("model 'mean_image' is of acme-models 9.9, and ")
    assert outcome.reason.endswith(f" has {here.plugins['model']}: install the same there")
    outcome, _ = remote.perform(TRIAL, split, here._replace(plugins={**here.plugins, "loss": "x 1.0"}), Observer())
    assert outcome.reason.endswith(" has nothing that offers it: install the same there")


def test_data_are_sent_as_plain_arrays_with_their_fingerprint(tmp_path: Path) -> None:
    pixels = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(2, 4, 4, 3))
    masks = np.memmap(tmp_path / "masks", np.uint8, "w+", shape=(2, 4, 4))
    split = Split(Images(pixels, ("a", "b")), Images(pixels, ("c", "d"), ("good", "bent"), masks), sizes=("9x9",))
    moved = portable(split)
    assert type(moved.train.pixels) is type(moved.test.pixels) is type(moved.test.masks) is np.ndarray
    assert moved.train.masks is None
    assert "fingerprint" in vars(moved), "it is not worked out again"
    assert moved.fingerprint == split.fingerprint
    assert (moved.sizes, moved.test.paths, moved.test.defects) == (("9x9",), ("c", "d"), ("good", "bent"))


def test_an_executor_written_before_the_workplace_was_called_config_finds_it_and_is_warned(worker: Worker) -> None:
    with pytest.warns(DeprecationWarning, match=r"Worker\.config since 0\.1; the old name goes in 0\.3"):
        assert worker.workplace is worker.config
