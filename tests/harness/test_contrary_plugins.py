"""One bad plugin costs what it made and nothing else: never a store, a run or a board."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.trials.database import FILE_NAME
from harness.trials.store import Store

PLUGINS = Path(__file__).parents[1] / "plugin_files"


def call(*words: object) -> Result:
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def run(tmp_path: Path):
    def run(*words: str) -> Result:
        plugin = ("--plugin", PLUGINS / "contrary.py", "--store", tmp_path / "runs")
        kind = () if "--dataset" in words else ("--dataset", "contrary")
        return call(
            "run",
            "--no-floors",
            *plugin,
            *kind,
            "--device",
            "cpu",
            "--jobs",
            "1",
            "--quiet",
            "--format",
            "json",
            *words,
        )

    return run


def everything_reads(store: Path, tmp_path: Path) -> None:
    """A leaderboard, an export and a report can be made of a store."""
    assert call("leaderboard", "--store", store).exit_code == 0
    assert call("export", "--store", store, "--out", tmp_path / "out.jsonl").exit_code == 0
    assert call("report", "--store", store, "--out", tmp_path / "report.html").exit_code == 0


def test_a_category_that_contradicts_itself_is_an_error_of_its_own(run, tmp_path: Path) -> None:
    result = run("--categories", "all", "--models", "difference")
    assert result.exit_code == 3
    rows = {row["category"]: row for row in json.loads(result.stdout)}
    assert {name for name, row in rows.items() if row["status"] == "done"} == {"whole", "single"}
    assert rows["untested"]["status"] == "skipped"
    reasons = {
        "fewer kinds": "test: there are 4 images and 2 defect kinds: expected as many",
        "a kind of none": "test: one of the defect kinds is None: expected text",
        "one name": "test: 'a.png' names two images",
        "floats": "test: pixels are float64 of shape (4, 16, 16, 3), expected uint8 of shape (N, H, W, 3)",
        "small test images": "test has images of 8 x 8 and train of 16 x 16 pixels",
        "small masks": "test: masks are uint8 of shape (4, 8, 16), expected uint8 of shape (4, 16, 16)",
        "masks of 255": "test: the mask of 'test/2.png' has the value 255: expected 0 and 1",
        "nothing to fit on": "there are no images to fit on",
        "defects to fit on": "train has 'train/0.png' of defect kind 'hole': expected 'good'",
        "none": "it is None, a NoneType: expected a harness.Split",
        "no images": "test is None: expected harness.Images",
        "exit": "category 'exit' cannot be loaded: SystemExit: 3 (contrary.py:",
        "failure": "category 'failure' cannot be loaded: RuntimeError: the disk is gone (contrary.py:",
    }
    for category, row in rows.items():
        assert row["status"] == "error" or category in ("whole", "single", "untested"), category
        assert reasons.get(category, "") in row["reason"]
    everything_reads(tmp_path / "runs", tmp_path)


def test_without_test_images_models_are_fitted_and_kept_and_the_leaderboard_says_that_nothing_is_ranked(
    run, tmp_path: Path
) -> None:
    result = run("--categories", "untested", "--models", "difference", "--keep-models")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert (row["status"], row["auroc"]) == ("skipped", None)
    assert "there are no test images, so that nothing can be ranked" in row["reason"]
    assert len(list((tmp_path / "runs" / "models").iterdir())) == 1
    assert "1 already there" in run("--categories", "untested", "--models", "difference").stderr
    everything_reads(tmp_path / "runs", tmp_path)
    assert "nothing can be ranked" in call("leaderboard", "--store", tmp_path / "runs").output


def test_one_training_image_cannot_be_held_out_and_that_is_said(run) -> None:
    result = run("--categories", "single", "--models", "difference", "--holdout", "0.2")
    assert result.exit_code == 3
    assert "a holdout of 0.2 needs 2 training images" in json.loads(result.stdout)[0]["reason"]


def test_a_data_set_that_exits_when_it_is_asked_for_its_categories_is_one_line(run) -> None:
    result = run("--dataset", "contrary[exits=true]", "--models", "difference")
    assert result.exit_code == 2
    assert "data set 'contrary' cannot tell its categories: SystemExit: 4" in result.stderr


def test_a_part_that_exits_costs_its_own_trial_verdict_or_figure(run, tmp_path: Path) -> None:
    words = ("--categories", "whole", "--models", "difference,difference[harm=exit]", "--pools", "mean,leaves")
    result = run(*words, "--thresholds", "mean,leaves")
    assert result.exit_code == 3
    rows = {(row["model"], row["pool"], row["threshold"]): row for row in json.loads(result.stdout)}
    assert rows["difference", "mean", "mean"]["status"] == "done"
    assert rows["difference", "mean", "leaves"]["reason"] == "threshold leaves: SystemExit: 5"
    assert rows["difference", "leaves", "mean"]["reason"] == "pool leaves: SystemExit: 6"
    assert "SystemExit: 0 (contrary.py:" in rows["difference[harm=exit]", "mean,leaves", "mean"]["reason"]
    plugin = ("--plugin", PLUGINS / "contrary.py")
    shown = call("leaderboard", "--store", tmp_path / "runs", *plugin, "--metrics", "leaves")
    assert shown.exit_code == 0
    assert "metric leaves: SystemExit: 7" in shown.stderr


def test_a_loss_that_is_no_number_is_an_error_of_its_trial(run, tmp_path: Path) -> None:
    result = run("--categories", "whole", "--models", "difference,difference[harm=nan]")
    assert result.exit_code == 3
    rows = {row["model"]: row for row in json.loads(result.stdout)}
    assert rows["difference"]["status"] == "done"
    assert rows["difference[harm=nan]"]["reason"] == "difference reported a loss of nan in epoch 2"
    everything_reads(tmp_path / "runs", tmp_path)


def test_a_store_that_holds_a_loss_of_nan_is_read_gone_on_with_and_exported(run, tmp_path: Path) -> None:
    words = ("--categories", "whole", "--models", "difference")
    assert run(*words).exit_code == 0
    with closing(sqlite3.connect(tmp_path / "runs" / FILE_NAME)) as db, db:
        ((text,),) = db.execute("SELECT record FROM trials").fetchall()
        spoilt = json.dumps({**json.loads(text), "loss_history": [1.0, float("nan"), 0.5], "fit_seconds": float("inf")})
        db.execute("UPDATE trials SET record = ?", (spoilt,))
        for table in ("digests", "corrupted"):  # the store is as it was before there were any
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 2")
    again = run(*words, "--seeds", "0,1")
    assert again.exit_code == 0, again.output
    with Store(tmp_path / "runs") as store:
        histories = [outcome.record.loss_history for outcome in store.outcomes()]
    assert histories == [(1.0,), (1.0, 1.0)]
    everything_reads(tmp_path / "runs", tmp_path)
