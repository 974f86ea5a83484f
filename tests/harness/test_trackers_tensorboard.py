"""`harness run --tracker tensorboard`, with TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.commands import main

pytest.importorskip("tensorboard", reason="TensorBoard is not here: pip install 'anomaly-harness[tensorboard]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def words(tmp_path: Path, dots_plugin: Path) -> list[str]:
    options = "--dataset dots --categories large,small --encoders plain --losses absolute --device cpu --jobs 1"
    asked = ["--tracker", f"tensorboard[folder={tmp_path / 'events'}]"]
    return [
        "run",
        "--no-floors",
        "--plugin",
        str(dots_plugin),
        "--store",
        str(tmp_path / "runs"),
        *options.split(),
        *asked,
    ]


def call(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def folders(tmp_path: Path) -> dict[str, int]:
    return {folder.name: folder.stat().st_ino for folder in sorted((tmp_path / "events").iterdir())}


def test_losses_metrics_settings_and_report_of_each_trial_go_there(words: list[str], tmp_path: Path) -> None:
    done = call(*words, "--models", "trained", "--thresholds", "highest")
    assert done.exit_code == 0, done.output
    names = list(folders(tmp_path))
    assert [name.rpartition("-")[0] for name in names] == [
        "large_trained_plain_absolute_seed_0", "small_trained_plain_absolute_seed_0",
    ]  # fmt: skip
    found = read(tmp_path / "events" / names[0])
    assert [event.step for event in found.Scalars("loss")] == [1, 2]
    assert 0 <= found.Scalars("auroc/mean/highest")[0].value <= 1
    assert {"fit_seconds", "accuracy/mean/highest"} <= set(found.Tags()["scalars"])
    assert "command/text_summary" in found.Tags()["tensors"]
    assert "_hparams_/session_start_info" in found.summary_metadata
    assert "<!doctype html>" in (tmp_path / "events" / names[0] / "report.html").read_text().lower()


def test_a_run_that_goes_on_writes_no_trial_twice_and_new_ones_and_new_figures_once(
    words: list[str], tmp_path: Path
) -> None:
    call(*words, "--models", "mean_image", "--thresholds", "highest")
    first = folders(tmp_path)
    call(*words, "--models", "mean_image,trained", "--thresholds", "highest")
    again = folders(tmp_path)
    assert (len(first), len(again)) == (2, 4)
    assert first.items() <= again.items(), "none was written anew"
    call(*words, "--models", "mean_image", "--thresholds", "highest,mean")
    more = folders(tmp_path)
    assert more.keys() == again.keys()
    (name, *_) = first
    assert {"auroc/mean/highest", "auroc/mean/mean"} <= set(read(tmp_path / "events" / name).Tags()["scalars"])


def test_what_was_fitted_without_it_is_written_when_it_is_asked_for(words: list[str], tmp_path: Path) -> None:
    call(*words[:-2], "--models", "mean_image")
    assert not (tmp_path / "events").exists()
    assert "2 already there" in call(*words, "--models", "mean_image").stderr
    assert len(folders(tmp_path)) == 2


def test_a_folder_that_is_a_file_is_refused_and_one_of_somebody_else_is_left_alone(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "events").write_text("notes")
    refused = call(*words, "--models", "mean_image")
    assert (refused.exit_code, "is a file, expected a folder" in refused.stderr) == (2, True)
    (tmp_path / "events").unlink()
    other = tmp_path / "events" / "mine"
    other.mkdir(parents=True)
    (other / "trial.json").write_text("{}")
    assert call(*words, "--models", "mean_image").exit_code == 0
    assert (other / "trial.json").read_text() == "{}"


def test_without_tensorboard_the_extra_is_named(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = call(*words, "--models", "mean_image")
    assert done.exit_code == 2
    assert "pip install 'anomaly-harness[tensorboard]'" in done.stderr
