"""A stranger's executor and tracker, each one file that nobody may edit, work in `run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands import main

STRANGERS = Path(__file__).parents[1] / "strangers"


@pytest.fixture
def words(tmp_path: Path, dots_plugin: Path) -> list[str]:
    options = "--dataset dots --categories large,small --models trained,mean_image --encoders plain --losses absolute"
    plugins = [
        word
        for file in (dots_plugin, STRANGERS / "relay.py", STRANGERS / "logbook.py")
        for word in ("--plugin", str(file))
    ]
    return ["run", "--no-floors", *plugins, *options.split(), "--thresholds", "highest", "--device", "cpu"]


def call(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    timed = {"fit_seconds", "train_images_per_second"}
    return [{name: value for name, value in row.items() if name not in timed} for row in json.loads(result.stdout)]


def test_an_executor_fits_what_this_machine_would_and_a_tracker_is_told_once(words: list[str], tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    asked = ["--executor", "relay[hops=2]", "--tracker", f"logbook[file={book}]", "--keep-models"]
    there = rows(call(*words, *asked, "--store", tmp_path / "there", "--format", "json"))
    here = rows(call(*words, "--jobs", "1", "--store", tmp_path / "here", "--format", "json"))
    assert there == here
    assert len(list((tmp_path / "there" / "models").iterdir())) == 4
    written = [json.loads(line) for line in book.read_text().splitlines()]
    assert {line["id"] for line in written} == {row["trial"] for row in here}
    assert all("auroc/mean/highest" in line["metrics"] and line["page"] > 1000 for line in written)
    assert {len(line["losses"]) for line in written} == {0, 2}
    rows(call(*words, *asked, "--store", tmp_path / "there", "--format", "json"))
    assert len(book.read_text().splitlines()) == 4
    assert book.with_suffix(".closed").read_text() == "closed\n" * 2


def test_both_pass_every_check_of_the_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugins = ["--plugin", STRANGERS / "relay.py", "--plugin", STRANGERS / "logbook.py"]
    checked = call("check", "executor:relay", "tracker:logbook", "executor:local", *plugins)
    assert checked.exit_code == 0, checked.output
    assert "0 failed, 0 skipped" in checked.stdout
    assert not list(tmp_path.iterdir()), "a check leaves nothing in the folder in which it is called"


def test_what_a_tracker_refuses_is_one_line_before_anything_is_fitted(words: list[str], tmp_path: Path) -> None:
    refused = call(*words, "--tracker", "logbook[file=book.txt]", "--store", tmp_path / "runs")
    assert refused.exit_code == 2
    assert "logbook is told 'book.txt': expected a name that ends in .jsonl" in refused.stderr
    assert "fitted" not in refused.stderr
