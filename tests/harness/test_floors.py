"""Beside every run stands what a model has that looks at next to nothing, and rows that do not beat it are marked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness.commands import main
from harness.published import load
from harness.published.floors import beside_floors
from harness.published.reading import folder
from harness.report.board_notes import FITTED_FLOOR_MARK
from harness.report.results import open_results
from harness.trials.store import Store
from harness.verdicts.leaderboard import boards
from harness.verdicts.paired_tests import paired_tests

LIGHT = {"train/good": (120, 130), "test/good": (120, 130), "test/bright": (150, 160)}
"""Folders and the brightness of their images, which alone tells normal from defective ones."""


@pytest.fixture(scope="module")
def plugin() -> Path:
    return Path(__file__).parent.parent / "plugin_files" / "dots.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    random = np.random.default_rng(0)
    for category in ("bolt", "nut"):
        for where, levels in LIGHT.items():
            (folder / category / where).mkdir(parents=True)
            for index in range(8):
                pixels = random.normal(random.uniform(*levels), 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / category / where / f"{index}.png")
    return folder


def harness(*words: str, expect: int = 0) -> str:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == expect, done.output
    return done.stdout


@pytest.fixture(scope="module")
def run(data: Path, plugin: Path, tmp_path_factory: pytest.TempPathFactory):
    """`harness run` on both categories, into a store."""

    def call(store: Path, *words: str) -> str:
        given = ["--dataset", "folder", "--data-root", str(data), "--image-size", "16", "--plugin", str(plugin)]
        given += ["--models", "mean_image", "--jobs", "1", "--device", "cpu", "--store", str(store)]
        return harness("run", *given, *words)

    return call


@pytest.fixture(scope="module")
def store(run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories, two seeds and two thresholds."""
    folder = tmp_path_factory.mktemp("store") / "runs"
    run(folder, "--seeds", "0,1", "--thresholds", "mean,quantile", "--holdout", "0.3")
    return folder


def test_every_board_shows_the_floor_by_the_thresholds_of_its_rows_and_without_a_rank(
    store: Path, plugin: Path
) -> None:
    shown = harness("leaderboard", "--store", str(store), "--plugin", str(plugin), "--thresholds", "mean,quantile")
    lines = [line.split() for line in shown.splitlines() if "global statistics" in line and "│" not in line]
    rows = [words for words in lines if words[:2] == ["global", "statistics"]]
    named = [next(word for word in words if word in ("mean", "quantile")) for words in rows]
    assert sorted(named) == ["mean"] * 3 + ["quantile"] * 3  # each category, and the mean


def test_a_row_that_does_not_beat_the_floor_is_marked_and_the_mark_is_explained(store: Path, plugin: Path) -> None:
    shown = harness(
        "leaderboard", "--store", str(store), "--plugin", str(plugin), "--rank-by", "auroc", "--format", "md"
    )
    assert f"{FITTED_FLOOR_MARK} AUROC does not beat global statistics, which sees next to nothing." in shown
    for board in boards(open_results(store, plugins=[plugin]).verdicts, "auroc"):
        (floor,) = board.fitted_floors
        for line in board.lines:
            assert line.fitted_floor("auroc") == pytest.approx(floor.mean("auroc"))
            assert line.beats_fitted_floors("auroc") == (line.mean("auroc") > floor.mean("auroc"))


def test_the_floor_is_judged_over_the_seeds_of_the_row_beside_it(store: Path, plugin: Path) -> None:
    verdicts = open_results(store, plugins=[plugin]).verdicts
    of_one_seed = [one for one in verdicts if one.outcome.record.floor or one.trial.seed == 1]
    board = next(board for board in boards(of_one_seed) if board.category == "bolt")
    (floor,) = [
        one for one in verdicts if one.outcome.record.floor and one.trial.category == "bolt" and one.trial.seed == 1
    ]
    assert board.lines[0].fitted_floor("accuracy") == floor.metric("accuracy")


def test_programs_and_exports_say_which_rows_are_floors(store: Path, plugin: Path, tmp_path: Path) -> None:
    rows = json.loads(harness("leaderboard", "--store", str(store), "--plugin", str(plugin), "--format", "json"))
    assert {(row["model"], row["floor"]) for row in rows} == {("mean_image", False), ("global_statistics", True)}
    harness("export", "--store", str(store), "--plugin", str(plugin), "--out", str(tmp_path / "all.jsonl"))
    shown = harness("leaderboard", "--store", str(tmp_path / "all.jsonl"), "--format", "md")
    assert "| global statistics |" in shown
    assert set(open_results(tmp_path / "all.jsonl").to_pandas().query("floor").model) == {"global_statistics"}


def test_a_resumed_run_adds_the_floor_to_a_store_without_it_once(run, tmp_path: Path) -> None:
    run(tmp_path / "runs", "--no-floors")
    with Store(tmp_path / "runs") as opened:
        before = opened.done()
    assert "global statistics" in run(tmp_path / "runs")
    with Store(tmp_path / "runs") as opened:
        outcomes = {one.id: one for one in opened.outcomes()}
    added = [one for one in outcomes.values() if one.id not in before]
    assert [(one.trial.model, one.record.floor) for one in added] == [("global_statistics", True)] * 2
    run(tmp_path / "runs", "--seeds", "0,1,2")  # nothing is held out, so that every seed has the same floor
    with Store(tmp_path / "runs") as opened:
        again = [one for one in opened.outcomes() if one.record.floor]
    assert [one.record.finished_at for one in again] == [one.record.finished_at for one in added]


def test_tests_between_methods_leave_floors_out(store: Path, plugin: Path) -> None:
    ranked = boards(open_results(store, thresholds="mean,quantile", plugins=[plugin]).verdicts)
    for tested in paired_tests(ranked, "balanced_accuracy"):
        assert not any("global_statistics" in name for name in tested.lines)


def test_all_models_leave_floors_out_and_one_that_is_asked_for_is_ranked(run, tmp_path: Path) -> None:
    rows = json.loads(run(tmp_path / "runs", "--models", "global_statistics", "--format", "json"))
    assert [row["floor"] for row in rows] == [True] * 2
    shown = run(tmp_path / "runs", "--models", "global_statistics", "--format", "md")
    (row,) = [line for line in shown.split("###")[1].splitlines() if "global_statistics" in line]
    assert row.split("|")[1].strip() == "1"


def test_reports_show_the_floor_and_do_not_count_it_as_a_method(store: Path, plugin: Path, tmp_path: Path) -> None:
    given = ("--store", str(store), "--plugin", str(plugin), "--thresholds", "mean")
    harness("report", *given, "--out", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r'class="floor">.*?<th scope="row">(.*?)</th>', page, re.DOTALL)
    assert [row.split(" <")[0] for row in rows].count("global statistics") == 3  # each category, and the mean
    assert "1 methods" in page
    harness("report", *given, "--format", "md", "--out", str(tmp_path / "report.md"))
    assert "global statistics" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_published_numbers_stand_beside_the_floor(store: Path, plugin: Path, tmp_path: Path) -> None:
    text = (folder() / "kumar_2025.toml").read_text(encoding="utf-8")
    text = (
        text.replace('"mvtec_ad"', '"folder"').replace("bottle", "bolt").replace("image_size = 256", "image_size = 16")
    )
    (tmp_path / "theirs.toml").write_text(text, encoding="utf-8")
    table = load(str(tmp_path / "theirs.toml"))
    verdicts = open_results(store, plugins=[plugin]).verdicts
    whole = [replace(one, outcome=replace(one.outcome, trial=one.trial._replace(holdout=0.0))) for one in verdicts]
    found = {(one.category, one.metric): one for one in beside_floors(table, whole)}
    bolt = found["bolt", "accuracy"]
    theirs = [float(row.values["accuracy"].value) for row in table.rows if row.category == "bolt"]
    assert bolt.better == sum(value - 0.005 > bolt.value for value in theirs)
    assert bolt.worse == sum(value + 0.005 <= bolt.value for value in theirs)
    assert bolt.better + bolt.worse + bolt.near == len(theirs) == 12
    assert found["bolt", "balanced_accuracy"].metric == "balanced_accuracy", "it follows from the two printed rates"
    assert beside_floors(table, verdicts) == [], "a floor with images held out is judged otherwise"
