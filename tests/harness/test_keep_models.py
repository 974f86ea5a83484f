"""`harness run --keep-models`."""

from __future__ import annotations

import shlex
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.trials.saved_model import read
from harness.trials.store import Store

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, dots_plugin: Path) -> Run:
    def call(*arguments: str, models: str = "mean_image") -> Result:
        words = (
            f"run --store {tmp_path / 'runs'} --plugin {dots_plugin} --dataset dots --categories large,small".split()
        )
        words += f"--encoders plain --losses absolute --device cpu --models {models}".split()
        return CliRunner().invoke(main, [*words, *arguments])

    return call


def models_in(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "runs" / "models").iterdir())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_finished_trial_has_a_model_whose_limit_is_the_verdicts(run: Run, tmp_path: Path, jobs: str) -> None:
    result = run("--keep-models", "--jobs", jobs, "--thresholds", "peek,highest,mean", "--seeds", "0,1")
    assert result.exit_code == 0, result.output
    kept = [read(directory) for directory in models_in(tmp_path)]
    assert {(saved.trial.category, saved.trial.seed) for saved in kept} == {
        (category, seed) for category in ("large", "small") for seed in (0, 1)
    }
    with Store(tmp_path / "runs") as store:
        outcomes = {outcome.id: outcome for outcome in store.outcomes()}
    for saved in kept:
        evidence = outcomes[saved.id].evidence
        assert evidence is not None
        assert (saved.pool, saved.threshold) == ("mean", "highest")
        assert saved.limit == evidence.normal["mean"].max()
    assert "4 models kept" in result.stderr


def test_a_folder_of_models_that_leads_out_of_its_store_is_neither_written_to_nor_read(
    run: Run, tmp_path: Path
) -> None:
    store, outside = tmp_path / "runs", tmp_path / "outside"
    assert run("--keep-models", "--jobs", "1").exit_code == 0
    (store / "models").rename(outside)
    before = sorted(outside.iterdir())
    (store / "models").symlink_to(outside)
    predict = ["predict", "large", str(tmp_path), "--store", str(store)]
    for done in (run("--keep-models", "--jobs", "1", "--seeds", "7"), CliRunner().invoke(main, predict)):
        assert done.exit_code not in (0, 1)
        assert "is a link that leads out of its store, to" in done.stderr
        assert done.stderr.count("harness:") == 1
    assert sorted(outside.iterdir()) == before
    (store / "models").unlink()
    (store / "models").mkdir()
    (store / "models" / before[0].name).symlink_to(before[0])
    one = CliRunner().invoke(main, ["predict", before[0].name, str(tmp_path), "--store", str(store)])
    assert "is a link that leads out of its folder" in one.stderr


def test_the_first_pool_asked_for_decides(run: Run, tmp_path: Path) -> None:
    run("--keep-models", "--jobs", "1", "--pools", "topk,max")
    assert {read(directory).pool for directory in models_in(tmp_path)} == {"topk"}


def test_without_the_option_nothing_is_kept(run: Run, tmp_path: Path) -> None:
    assert run("--jobs", "1").exit_code == 0
    assert not (tmp_path / "runs" / "models").exists()


def test_a_stored_trial_without_a_model_is_fitted_again_once_and_this_is_said(run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    models = f"trained[diary={diary}]"
    first = run("--jobs", "1", "--format", "json", models=models)
    again = run("--jobs", "1", "--format", "json", "--keep-models", models=models)
    assert "2 fitted (2 of them again, for the model), 0 already there" in again.stderr
    assert first.stdout == again.stdout
    assert len(diary.read_text().splitlines()) == 4
    third = run("--jobs", "1", "--keep-models", models=models)
    assert "0 fitted, 2 already there" in third.stderr
    assert "2 models kept" in third.stderr
    assert len(diary.read_text().splitlines()) == 4


def remove_weights(directory: Path) -> None:
    (directory / "weights.safetensors").unlink()


def damage(directory: Path) -> None:
    (directory / "model.json").write_text("{}")


@pytest.mark.parametrize("harm", [remove_weights, damage, shutil.rmtree])
def test_a_model_that_was_lost_or_damaged_is_made_again(run: Run, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    run("--jobs", "1", "--keep-models")
    harm(models_in(tmp_path)[0])
    assert "1 fitted (1 of them again, for the model), 1 already there" in run("--jobs", "1", "--keep-models").stderr
    assert all(read(directory).limit > 0 for directory in models_in(tmp_path))
    assert len(models_in(tmp_path)) == 2


def test_the_summary_ends_with_a_command_that_predicts(run: Run, tmp_path: Path, dots_plugin: Path) -> None:
    last = run("--jobs", "1", "--keep-models").stderr.splitlines()[-1]
    words = shlex.split(last)
    assert words[:2] == ["harness", "predict"]
    assert Path(words[2]) in models_in(tmp_path)
    assert words[3:] == ["FOLDER_OF_IMAGES", "--plugin", str(dots_plugin)]


def test_thresholds_that_all_see_labels_are_refused_before_any_fit(run: Run, tmp_path: Path) -> None:
    result = run("--keep-models", "--thresholds", "peek")
    assert result.exit_code == 2
    assert "--keep-models needs a threshold that sees normal images only" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_models_that_cannot_be_made_is_refused_before_any_fit(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "models").write_text("a file")
    result = run("--keep-models")
    assert result.exit_code == 2
    assert "cannot be made: File exists" in result.stderr


def test_a_threshold_that_fails_costs_the_model_and_not_the_scores(run: Run, tmp_path: Path) -> None:
    result = run("--jobs", "1", "--keep-models", "--thresholds", "lazy", "--no-floors")
    assert result.exit_code == 3
    assert "no model of large · mean_image · seed 0: threshold lazy gives no limit" in result.stderr
    assert models_in(tmp_path) == []
    with Store(tmp_path / "runs") as store:
        outcomes = list(store.outcomes())
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert all(not outcome.unkept for outcome in outcomes)


def test_a_kept_model_can_be_read_by_whoever_can_read_the_store(run: Run, tmp_path: Path) -> None:
    run("--jobs", "1", "--keep-models")
    store_mode = stat.S_IMODE((tmp_path / "runs").stat().st_mode)
    for directory in models_in(tmp_path):
        assert stat.S_IMODE(directory.stat().st_mode) == store_mode
