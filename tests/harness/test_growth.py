"""A harness that has one setting more reads what today's has written; today's says what it cannot read of that one.

tests/golden/of_2026_11 holds a store, an export and two kept models that the harness of 2026-11-27 (bd71d66) wrote.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness import ModelError, UsageError
from harness.commands import main
from harness.errors import LeftOutWarning
from harness.trials.database import FILE_NAME
from harness.trials.saved_model import read as read_model
from harness.trials.store import Store
from harness.verdicts.exports import read, row_of, save, verdict_of

TESTS = Path(__file__).parent.parent
GOLDEN = TESTS / "golden" / "of_2026_11"
PLUGIN = TESTS / "plugin_files" / "dots.py"
SHARED = TESTS.parent.parent / "shared" / "results" / "h200_store"
MEAN_IMAGE, TRAINED = "0fc2b65b6506f6c6", "b313581f1ebf1858"
"""The ids that the two trials were given then."""


def copied(folder: Path) -> Path:
    shutil.copytree(GOLDEN, folder / "store")
    (folder / "images").mkdir()
    for name, value in (("grey", 100), ("white", 250)):
        Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(folder / "images" / f"{name}.png")
    return folder


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words), "--plugin", str(PLUGIN)])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("growth"))


@pytest.fixture(scope="module")
def grown(work: Path) -> Mapping[str, Any]:
    command = [sys.executable, TESTS / "harness" / "grown_harness.py", GOLDEN, work, PLUGIN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_trials_of_an_older_store_have_the_default_of_a_new_setting_and_their_old_ids(grown: Mapping[str, Any]) -> None:
    assert {(row["trial"], row.get("tiling", 1)) for row in grown["leaderboard"]} == {(MEAN_IMAGE, 1), (TRAINED, 1)}
    assert grown["id"] == MEAN_IMAGE


def test_rows_of_an_older_export_have_the_default_of_a_new_setting(grown: Mapping[str, Any]) -> None:
    assert {(row["trial"], row.get("tiling", 1)) for row in grown["of export"]} == {(MEAN_IMAGE, 1), (TRAINED, 1)}


def test_a_run_fits_nothing_again_after_a_setting_was_added(grown: Mapping[str, Any]) -> None:
    with closing(sqlite3.connect(GOLDEN / FILE_NAME)) as db, db:
        assert grown["after run"] == dict(db.execute("SELECT id, finished_at FROM trials"))


def test_older_stores_and_exports_are_merged_after_a_setting_was_added(grown: Mapping[str, Any]) -> None:
    assert grown["merged"] == sorted([MEAN_IMAGE, TRAINED])
    assert grown["merged export"] == 2


def test_an_older_model_predicts_after_a_setting_was_added(grown: Mapping[str, Any]) -> None:
    assert {Path(row["image"]).name: row["decision"] for row in grown["predicted"]} == {
        "grey.png": "normal",
        "white.png": "anomalous",
    }


def test_a_trial_with_another_value_of_the_new_setting_is_another_trial(grown: Mapping[str, Any]) -> None:
    assert grown["tiled id"] not in (MEAN_IMAGE, TRAINED)


def test_what_a_newer_record_says_beyond_ours_is_kept(grown: Mapping[str, Any], work: Path) -> None:
    with Store(work / "record", write=True) as store:
        (outcome,) = store.outcomes()
        assert outcome.record.unread == {"joules": 12.5}
        store.amend(outcome.id, lambda record: replace(record, threads=7))
        (again,) = store.outcomes()
    assert (again.record.unread, again.record.threads) == ({"joules": 12.5}, 7)
    (row,) = read(work / "record.jsonl").rows
    assert row["provenance"]["joules"] == row_of(verdict_of(row))["provenance"]["joules"] == 12.5
    save([row], work / "again.jsonl")
    assert read(work / "again.jsonl").rows == [row]


def test_a_trial_with_a_setting_that_only_a_newer_harness_knows_is_refused_in_a_line(
    grown: Mapping[str, Any], work: Path
) -> None:
    known = "use the harness that wrote it, or a newer one"
    with Store(work / "tiled") as store, pytest.warns(LeftOutWarning) as caught:
        assert not list(store.outcomes())
    assert str(caught[0].message).endswith(
        f"trial {grown['tiled id']}: its settings cannot be read: it has the setting 'tiling' (3), which this harness does not know: {known}"
    )
    with pytest.raises(UsageError) as caught_export:
        read(work / "tiled.jsonl")
    assert "line 1 is not a verdict" in str(caught_export.value)
    assert f"the column 'tiling' (3) is not known here: {known}" in str(caught_export.value)
    (model,) = (work / "tiled models").iterdir()
    with pytest.raises(ModelError) as caught_model:
        read_model(model)
    assert f"it has the setting 'tiling' (3), which this harness does not know: {known}" in str(caught_model.value)


@pytest.mark.parametrize("words", [("leaderboard", "--store", "tiled"), ("leaderboard", "--store", "tiled.jsonl")])
def test_a_command_says_so_without_a_traceback(grown: Mapping[str, Any], work: Path, words: tuple[str, ...]) -> None:
    done = call(*words[:2], work / words[2])
    assert done.exit_code == 2
    assert "tiling" in done.stderr
    assert "Traceback" not in done.output


def test_todays_harness_reads_and_resumes_what_was_written_then(tmp_path: Path) -> None:
    store = copied(tmp_path) / "store"
    rows = json.loads(call("leaderboard", "--store", store, "--format", "json").stdout)
    assert {row["trial"] for row in rows} == {MEAN_IMAGE, TRAINED}
    assert [row_of(verdict_of(row))["trial"] for row in read(store / "export.jsonl").rows] == [MEAN_IMAGE, TRAINED]
    assert {read_model(kept).id for kept in (store / "models").iterdir()} == {MEAN_IMAGE, TRAINED}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the store of a run on an H200 is not in ../shared")
def test_a_store_of_an_earlier_month_opens_and_would_be_resumed(tmp_path: Path) -> None:
    shutil.copy(SHARED / FILE_NAME, tmp_path / FILE_NAME)
    with Store(tmp_path, write=True) as store:
        outcomes = list(store.outcomes())
        assert {outcome.id for outcome in outcomes} == store.done(), "a plan of these trials finds them done"
    assert len(outcomes) == 48
    assert not any(outcome.record.unread for outcome in outcomes)
    assert all(outcome.record.fit_seconds and outcome.record.versions["torch"] for outcome in outcomes)
