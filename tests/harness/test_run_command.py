from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import warm_python
from click.testing import CliRunner, Result

from harness.commands import main
from harness.trials.database import FILE_NAME
from harness.trials.store import Store

ROW_COLUMNS = [
    "dataset",
    "category",
    "model",
    "encoder",
    "loss",
    "pool",
    "threshold",
    "oracle",
    "seed",
    "weights",
    "image_size",
    "epochs",
    "holdout",
    "n_normal",
    "n_abnormal",
    "right_normal",
    "right_abnormal",
    "normal_rate",
    "abnormal_rate",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "auroc",
    "average_precision",
    "limit",
    "fit_seconds",
    "train_images_per_second",
    "status",
    "reason",
]

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, dots_plugin: Path) -> Run:
    """`harness run` on the dots data set, with a store of its own."""

    def call(*arguments: str, dataset: str = "dots", models: str = "mean_image") -> Result:
        words = ["run", "--plugin", str(dots_plugin), "--store", str(tmp_path / "runs"), "--device", "cpu"]
        words += [
            "--jobs",
            "1",
            "--dataset",
            dataset,
            "--models",
            models,
            "--encoders",
            "plain",
            "--losses",
            "absolute",
        ]
        words += ["--thresholds", "highest", "--categories", "large,small", "--no-floors"]
        return CliRunner().invoke(main, [*words, *arguments])

    return call


def rows_of(result: Result) -> list[dict[str, object]]:
    return json.loads(result.stdout)


def test_a_run_fits_stores_and_shows_a_leaderboard_with_floors(run: Run, tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert "mean_image" in result.stdout
    assert "all anomalous" in result.stdout
    assert "all normal" in result.stdout
    assert f"2 fitted, 0 already there. Stored in {tmp_path / 'runs'}" in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output


def test_json_holds_only_rows_with_every_promised_column(run: Run) -> None:
    result = run("--format", "json")
    rows = rows_of(result)
    assert len(rows) == 2
    assert set(ROW_COLUMNS) <= rows[0].keys()
    first = rows[0]
    assert (first["n_normal"], first["n_abnormal"]) == (3, 4)
    assert first["accuracy"] == (first["right_normal"] + first["right_abnormal"]) / 7
    assert first["normal_rate"] == first["right_normal"] / 3
    assert first["abnormal_rate"] == first["right_abnormal"] / 4 == 1.0
    assert first["auroc"] == 1.0
    assert first["pixel_auroc"] > 0.9
    assert first["detection"] == {"other": [1, 1], "square": [3, 3]}


def test_csv_has_the_same_columns_as_json(run: Run) -> None:
    as_csv = list(csv.DictReader(io.StringIO(run("--format", "csv").stdout)))
    as_json = rows_of(run("--format", "json"))
    assert list(as_csv[0]) == list(as_json[0])
    assert [row["accuracy"] for row in as_csv] == [str(row["accuracy"]) for row in as_json]


def test_running_again_fits_nothing_and_gives_the_same_rows(run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    words = {"models": f"trained[diary={diary}]"}
    first = run("--format", "json", "--seeds", "0,1", **words)
    again = run("--format", "json", "--seeds", "0,1", **words)
    assert len(diary.read_text().splitlines()) == 4
    assert "0 fitted, 4 already there" in again.stderr
    assert rows_of(first) == rows_of(again)


def test_a_wider_run_fits_only_what_is_missing(run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    run("--seeds", "0", models=f"trained[diary={diary}]")
    result = run("--seeds", "0,1", models=f"trained[diary={diary}]")
    assert "2 fitted, 2 already there" in result.stderr
    assert len(diary.read_text().splitlines()) == 4


def test_thresholds_and_pools_cost_no_fit(run: Run, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    models = f"trained[diary={diary}]"
    run(models=models)
    result = run("--thresholds", "highest,peek", "--pools", "all", "--format", "json", models=models)
    assert len(diary.read_text().splitlines()) == 2
    rows = rows_of(result)
    assert {(row["pool"], row["threshold"]) for row in rows} == {
        (pool, threshold) for pool in ("mean", "max", "topk") for threshold in ("highest", "peek")
    }
    assert {row["oracle"] for row in rows if row["threshold"] == "peek"} == {True}


def test_oracle_rows_are_marked_and_never_ranked_with_the_others(run: Run) -> None:
    shown = run("--thresholds", "highest,peek", "--format", "md").stdout
    tables = shown.split("### ")[1:]
    assert len(tables) == 6
    for table in tables:
        assert ("ORACLE" in table) == ("threshold peek" in table)


def test_a_changed_data_set_means_new_trials(run: Run) -> None:
    assert "2 fitted" in run().stderr
    changed = run(dataset="dots[data_seed=1]")
    assert "2 fitted" in changed.stderr


def test_a_model_without_maps_has_no_pool(run: Run) -> None:
    rows = rows_of(run("--format", "json", "--pools", "max,topk", models="brightest"))
    assert {row["pool"] for row in rows} == {"-"}
    assert {row["pixel_auroc"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("fail", "status", "reason"),
    [
        ("nan", "error", "loss is nan in epoch 2 of 2"),
        ("weights", "skipped", "weights 'x' are out of reach: give --weights-dir"),
        ("bug", "error", "ZeroDivisionError: division by zero (dots.py:"),
    ],
)
def test_a_trial_that_fails_is_a_record_with_its_reason_and_the_others_go_on(
    run: Run, fail: str, status: str, reason: str
) -> None:
    result = run("--seeds", "0,1,2", "--format", "json", models=f"trained[fail={fail}]")
    assert result.exit_code == 3
    rows = rows_of(result)
    assert [row["status"] for row in rows if row["seed"] != 1] == ["done"] * 4
    failed = [row for row in rows if row["seed"] == 1]
    assert [row["status"] for row in failed] == [status] * 2
    assert all(str(row["reason"]).startswith(reason) for row in failed)
    assert all(row["accuracy"] is None for row in failed)
    assert f"{status}: large · trained[fail={fail}] + plain + absolute · seed 1 and 1 more: {reason}" in result.stderr
    assert "Traceback" not in result.output


def test_scores_that_are_not_finite_fail_the_trial_and_name_the_image(run: Run) -> None:
    result = run("--format", "json", models="trained[fail=score]")
    assert result.exit_code == 3
    assert rows_of(result)[0]["reason"] == "trained gave train/good/0.png the score nan, which is not finite"


def test_a_failed_trial_is_tried_again_next_time(run: Run, tmp_path: Path) -> None:
    run("--seeds", "1", models="trained[fail=nan]")
    result = run("--seeds", "1", models="trained[fail=nan]")
    assert "0 fitted, 0 already there, 2 skipped or failed" in result.stderr


def test_a_category_that_cannot_be_loaded_fails_and_the_others_go_on(run: Run) -> None:
    result = run("--categories", "all", "--format", "json")
    assert result.exit_code == 3
    by_category = {row["category"]: row for row in rows_of(result)}
    assert by_category["broken"]["status"] == "error"
    assert "has no train/good" in str(by_category["broken"]["reason"])
    assert by_category["large"]["status"] == by_category["small"]["status"] == "done"


def test_a_threshold_that_raises_spoils_only_its_own_verdicts(run: Run) -> None:
    rows = rows_of(run("--thresholds", "highest,lazy", "--format", "json"))
    assert [row["status"] for row in rows if row["threshold"] == "highest"] == ["done", "done"]
    lazy = [row for row in rows if row["threshold"] == "lazy"]
    assert {row["status"] for row in lazy} == {"error"}
    assert "needs 1000 scores" in str(lazy[0]["reason"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--models", "trainde"], "no model 'trainde'. Did you mean 'trained'?"),
        (["--models", "mean_image[gian=2]"], "no option 'gian'. Did you mean 'gain'?"),
        (["--models", "mean_image[gain=big]"], "option 'gain' is 'big', expected a finite number"),
        (["--encoders", "plane"], "no encoder 'plane'. Did you mean 'plain'?"),
        (["--losses", "absolut"], "no loss 'absolut'. Did you mean 'absolute'?"),
        (["--thresholds", "hihgest"], "no threshold 'hihgest'. Did you mean 'highest'?"),
        (["--pools", "median"], "no pool 'median'."),
        (["--categories", "lagre"], "no category 'lagre'. Did you mean 'large'?"),
        (["--dataset", "dotss"], "no dataset 'dotss'. Did you mean 'dots'?"),
        (["--data-root", "/nowhere/at/all"], "--data-root '/nowhere/at/all' is not a folder"),
        (["--weights-dir", "/nowhere/at/all"], "--weights-dir '/nowhere/at/all' is not a folder"),
        (["--seeds", "0,x"], "--seeds is '0,x': expected whole numbers"),
        (["--seeds", "-1"], "--seeds is '-1': expected whole numbers"),
        (["--epochs", "0"], "--epochs is '0': expected a whole number from 1"),
        (
            ["--image-size", "18", "--models", "trained"],
            "image size 18 is not a multiple of 4, which plain needs: try 16",
        ),
        (["--plugin", "nowhere.py"], "no plugin file 'nowhere.py'"),
        (["--device", "tpu"], "no device 'tpu' here: expected one of auto, cpu"),
        (["--config", "nowhere.toml"], "configuration 'nowhere.toml' cannot be read"),
        (["--store", "/proc/nowhere"], "store '/proc/nowhere' cannot be made"),
        (["--dataset", "mvtec_ad", "--categories", "all"], "needs --data-root"),
    ],
)
def test_a_wrong_request_is_one_clear_line_and_exit_2(run: Run, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_encoder_that_does_not_fit_is_skipped_where_another_one_does(run: Run) -> None:
    result = run("--encoders", "plain,deep", "--image-size", "20", "--format", "json", models="trained")
    assert result.exit_code == 3
    status = {row["encoder"]: row["status"] for row in rows_of(result)}
    assert status == {"plain": "done", "deep": "skipped"}


def test_a_configuration_file_has_the_options_names_and_the_command_line_wins(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "bench.toml"
    config.write_bytes(b'pools = ["max", "topk"]\r\nseeds = [0, 1]\r\nimage_size = 24\r\nepochs = 3\r\n')
    rows = rows_of(run("--config", str(config), "--epochs", "1", "--format", "json", models="trained"))
    assert {row["pool"] for row in rows} == {"max", "topk"}
    assert {row["seed"] for row in rows} == {0, 1}
    assert {row["image_size"] for row in rows} == {24}
    assert {row["epochs"] for row in rows} == {1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modles = 'dae'", "no option 'modles'. Did you mean 'models'?"),
        ("models = ", "is not TOML"),
        ("models = {a = 1}", "models is {'a': 1}: expected a comma list of model names, or 'all'"),
        ("seeds = true", "seeds is true: expected whole numbers"),
        ("dry-run = 'yes'", "dry-run is 'yes': expected true or false"),
    ],
)
def test_a_configuration_file_with_a_fault_is_one_line_and_exit_2(
    run: Run, tmp_path: Path, text: str, said: str
) -> None:
    config = tmp_path / "bench.toml"
    config.write_text(text)
    result = run("--config", str(config))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_dry_run_shows_every_cell_and_makes_no_store(run: Run, tmp_path: Path) -> None:
    result = run("--dry-run", "--seeds", "0,1", "--format", "json")
    assert result.exit_code == 0
    assert len(rows_of(result)) == 4
    assert not (tmp_path / "runs").exists()
    assert "4 trials" in run("--dry-run", "--seeds", "0,1").stdout
    assert "### 4 trials" in run("--dry-run", "--seeds", "0,1", "--format", "md").stdout
    assert run("--dry-run", "--format", "csv").stdout.count("\n") == 3


def test_a_broken_plugin_is_named_and_the_run_goes_on(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nonexistent_package")
    result = run("--plugin", str(broken))
    assert result.exit_code == 0
    assert "plugin broken" in result.stderr
    assert "No module named 'nonexistent_package'" in result.stderr


def test_ctrl_c_keeps_every_finished_trial_and_the_same_command_goes_on(run: Run, tmp_path: Path) -> None:
    result = run("--seeds", "0,1", models="trained[fail=interrupt]")
    assert result.exit_code == 130
    assert "the same command goes on from there" in result.stderr.replace("\n", " ")
    with Store(tmp_path / "runs") as store:
        assert [outcome.trial.seed for outcome in store.outcomes()] == [0]


def test_sigterm_stops_a_run_with_143_and_a_whole_store(tmp_path: Path, dots_plugin: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        dots_plugin.read_text()
        .replace('"trained"', '"slow"')
        .replace("run.report(", "import time; time.sleep(30); run.report(")
    )
    words = [sys.executable, "-m", "harness", "run", "--plugin", str(slow), "--store", str(tmp_path / "runs")]
    words += ["--dataset", "dots", "--categories", "large", "--models", "mean_image,slow", "--encoders", "plain"]
    words += ["--losses", "absolute", "--thresholds", "highest", "--device", "cpu", "--no-floors"]
    process = warm_python.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300  # on a machine that has much else to do
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Store(tmp_path / "runs") as store:
                if store.done():
                    break
        except Exception:
            pass
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    _, complaint = process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert process.returncode == 143, complaint
    assert "Traceback" not in complaint
    with Store(tmp_path / "runs") as store:
        assert [outcome.trial.model for outcome in store.outcomes()] == ["mean_image"]


def test_a_store_of_another_version_stops_a_run_before_it_fits(run: Run, tmp_path: Path) -> None:
    run()
    with closing(sqlite3.connect(tmp_path / "runs" / FILE_NAME)) as db, db:
        db.execute("PRAGMA user_version = 99")
    result = run()
    assert result.exit_code == 2
    assert "has version 99" in result.stderr


def test_a_share_of_the_normal_images_can_be_held_out(run: Run, tmp_path: Path) -> None:
    run("--holdout", "0.34")
    with Store(tmp_path / "runs") as store:
        for outcome in store.outcomes():
            assert outcome.record.n_train == 4
            assert len(outcome.evidence.normal["mean"]) == 2


def test_the_core_runs_whole_without_torch(tmp_path: Path, dots_plugin: Path) -> None:
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "timm", "sklearn"):
            raise ImportError(f"{{name}} was imported")
sys.meta_path.insert(0, Refuse())
from harness.commands import main
main(["run", "--plugin", {str(dots_plugin)!r}, "--store", {str(tmp_path / "runs")!r}, "--dataset", "dots",
      "--categories", "large", "--models", "mean_image", "--thresholds", "highest"], standalone_mode=False)
main(["leaderboard", "--plugin", {str(dots_plugin)!r}, "--store", {str(tmp_path / "runs")!r}], standalone_mode=False)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("mean_image") == 2


def test_python_dash_m_harness_is_the_command() -> None:
    environ = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--help"], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.startswith("Usage: harness")
    assert "leaderboard" in done.stdout


def test_a_plugin_file_that_was_edited_is_said_to_be_other_code_than_stored_trials_were_made_with(
    dots_plugin: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "mine.py"
    words = ["run", "--plugin", str(plugin), "--dataset", "dots", "--categories", "large", "--models", "mean_image"]
    words += ["--image-size", "16", "--store", str(tmp_path / "runs"), "--jobs", "1", "--device", "cpu"]
    said = "model 'mean_image' has changed since trials of it were stored"
    for addition, expected in (("", False), ("", False), ("\n# edited\n", True)):
        plugin.write_text(dots_plugin.read_text() + addition)
        done = CliRunner().invoke(main, words)
        assert (done.exit_code, said in done.stderr) == (0, expected), done.output


def test_the_demo_ends_in_one_table_and_says_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["run", "--models", "dae", "--losses", "mse", "--categories", "tile,pill", "--epochs", "1", "--jobs", "1"]
    done = CliRunner().invoke(main, [*asked, "--image-size", "32", "--format", "md"])
    assert done.exit_code == 0, done.output
    (title,) = [line for line in done.stdout.splitlines() if line.startswith("### ")]
    assert "mean over categories" in title
    next_steps = re.findall(r"^  harness (.+?)(?:   .*)?$", done.stderr, flags=re.MULTILINE)
    assert [step.split()[0] for step in next_steps] == ["leaderboard", "report", "data", "run"]
    each = CliRunner().invoke(main, [*next_steps[0].split(), "--format", "md"])
    assert each.stdout.count("### ") == 3
