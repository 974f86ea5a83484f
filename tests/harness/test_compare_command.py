from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.trials.store import Store


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, dots_plugin: Path) -> Path:
    """Two methods on two categories of the dots data set, fitted once; tests only read it."""
    folder = tmp_path_factory.mktemp("compared") / "runs"
    common = ["--plugin", dots_plugin, "--dataset", "dots", "--categories", "large,small", "--device", "cpu"]
    axes = ["--models", "mean_image,brightest", "--thresholds", "highest"]
    assert call("run", "--no-floors", *common, *axes, "--store", folder).exit_code == 0
    return folder


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """What somebody else printed of the same."""
    file = tmp_path / "theirs.csv"
    file.write_text(
        "dataset,category,model,pool,threshold,n_normal,n_abnormal,abnormal_rate,auroc\n"
        "dots,large,mean_image,mean,highest,3,4,1.00,0.98\n"
        "dots,large,brightest,-,other,3,4,0.75,1.00\n"
        "dots,huge,mean_image,mean,highest,3,4,1.00,1.00\n"
    )
    return file


@pytest.fixture
def compare(store: Path, theirs: Path, dots_plugin: Path) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        common = ["--against", theirs, "--store", store, "--plugin", dots_plugin, "--thresholds", "highest"]
        return call("compare", *common, *words)

    return run


def test_a_store_is_compared_with_a_table_of_ones_own(compare: Callable[..., Result]) -> None:
    result = compare("--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = {(row["model"], row["metric"]): row for row in json.loads(result.stdout)}
    assert len(rows) == 4
    rate = rows["mean_image", "abnormal_rate"]
    assert (rate["published"], rate["ours"], rate["verdict"], rate["seeds"]) == ("1.00", 1.0, "inconclusive", 1)
    assert rows["brightest", "abnormal_rate"]["reason"] == "threshold highest, other published"
    assert rows["brightest", "auroc"]["verdict"] == "inconclusive"
    assert rows["mean_image", "auroc"]["verdict"] == "inconclusive", "three and four images say little"
    wide = {
        (row["model"], row["metric"]): row for row in json.loads(compare("--format", "json", "--margin", "0.9").stdout)
    }
    assert wide["mean_image", "auroc"]["verdict"] == "equivalent"
    assert "not in the range" in compare("--margin", "1.5").stderr


@pytest.mark.parametrize("style", ["rich", "md", "csv"])
def test_it_comes_in_every_format(compare: Callable[..., Result], style: str) -> None:
    shown = compare("--format", style).stdout
    assert "mean_image" in shown
    assert "inconclusive" in shown
    if style != "csv":
        assert "published but not here: 1 of 3." in " ".join(shown.split())
        assert "here but not published: 2." in " ".join(shown.split())


def test_an_export_serves_as_the_store_and_as_what_it_is_compared_with(
    tmp_path: Path, store: Path, dots_plugin: Path, compare: Callable[..., Result]
) -> None:
    file = tmp_path / "ours.jsonl"
    thresholds = ["--thresholds", "highest", "--plugin", dots_plugin]
    assert call("export", "--store", store, "--out", file, *thresholds).exit_code == 0
    for words in ([], ["--pools", "max"], ["--pools", "all"]):
        assert compare("--store", str(file), *words).stdout == compare(*words).stdout
    common = ["--store", file, *thresholds, "--format", "json"]
    rows = json.loads(call("compare", "--against", file, *common).stdout)
    compared = [row["difference"] for row in rows if row["verdict"] != "not comparable"]
    assert len(compared) > 10
    assert max(map(abs, compared)) < 1e-6
    exported, stored = (json.loads(call("leaderboard", "--store", at, *common[2:]).stdout) for at in (file, store))
    assert [{name: row[name] for name in stored[0]} for row in exported] == stored
    assert {row["proof"] for row in exported} == {"recomputed"}


def test_an_export_without_the_asked_threshold_is_one_line_and_exit_2(
    tmp_path: Path, store: Path, dots_plugin: Path, theirs: Path
) -> None:
    file = tmp_path / "ours.jsonl"
    call("export", "--store", store, "--out", file, "--thresholds", "peek", "--plugin", dots_plugin)
    result = call("compare", "--against", theirs, "--store", file)
    assert result.exit_code == 2
    assert "has no verdict of mean: expected what `harness export` wrote" in result.stderr


def test_an_unknown_source_is_met_with_a_suggestion(store: Path) -> None:
    result = call("compare", "--against", "kumar_2024", "--store", store)
    assert result.exit_code == 2
    assert "no published source 'kumar_2024'. Did you mean 'kumar_2025'?" in result.stderr


def test_no_store_and_an_empty_one_are_one_line_and_exit_2(tmp_path: Path) -> None:
    Store(tmp_path / "empty", write=True).close()
    for name, said in (("none", "no store at"), ("empty", "is empty: `harness run")):
        result = call("compare", "--against", "kumar_2025", "--store", tmp_path / name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def test_against_is_required() -> None:
    assert "Missing option '--against'" in call("compare").stderr


def test_comparing_and_validating_load_no_torch(store: Path, theirs: Path, dots_plugin: Path) -> None:
    common = ["--store", str(store), "--plugin", str(dots_plugin), "--thresholds", "highest"]
    words = [["compare", "--against", str(theirs), *common], ["leaderboard", "--significance", *common], ["validate", str(theirs)]]  # fmt: skip
    script = (
        "import sys; from harness.commands import main\n"
        f"for words in {words!r}: main(words, standalone_mode=False)\n"
        "heavy = {'torch', 'timm', 'sklearn', 'torchvision', 'matplotlib'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_paper_is_compared_with_real_images(shared: Path, tmp_path: Path) -> None:
    words = ["--data-root", shared / "data" / "mvtec_ad_256", "--categories", "bottle", "--models", "dae"]
    words += ["--losses", "mse", "--image-size", "32", "--epochs", "1", "--device", "cpu", "--quiet"]
    assert call("run", "--no-floors", *words, "--store", tmp_path).exit_code == 0
    result = call("compare", "--against", "kumar_2025", "--store", tmp_path, "--format", "json")
    rows = json.loads(result.stdout)
    assert [row["metric"] for row in rows] == ["normal_rate", "abnormal_rate", "accuracy"]
    assert {row["reason"] for row in rows} == {"image size 32, 256 published"}


def test_the_commands_in_the_readme_work(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[2] / "leaderboards" / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    harness ((?:compare|leaderboard|export|merge) .*)$", readme, flags=re.MULTILINE)
    assert len(commands) == 7
    monkeypatch.chdir(tmp_path)
    shutil.copytree(store, "runs")
    assert call("merge", store, "--into", "others").exit_code == 0
    assert call("export", "--out", "theirs.jsonl").exit_code == 0
    for command in commands:
        result = call(*command.split())
        assert result.exit_code == 0, result.output
