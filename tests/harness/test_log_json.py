"""`harness run --log-json`: what a program reads of a run while it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import warm_python
from click.testing import CliRunner, Result

from harness.commands import main

CELL = {"dataset", "category", "model", "encoder", "loss", "seed"}


@pytest.fixture
def words(tmp_path: Path, dots_plugin: Path) -> list[str]:
    options = (
        "--dataset dots --categories large,small --encoders plain --losses absolute --thresholds highest --device cpu"
    )
    return [
        "run",
        "--no-floors",
        "--plugin",
        str(dots_plugin),
        "--store",
        str(tmp_path / "runs"),
        *options.split(),
        "--jobs",
        "1",
    ]


def call(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def kinds(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


def test_a_run_is_told_from_its_start_to_its_summary(words: list[str], tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    first = call(*words, "--models", "trained", "--log-json", log)
    assert first.exit_code == 0, first.output
    assert "[2/2] small" in first.stderr, "people still read their lines"
    lines = read(log.read_text())
    assert kinds(lines) == ["run_started", *["looked_at", "started", "epoch", "epoch", "ended"] * 2, "summary"]
    assert (lines[0]["trials"], lines[0]["store"]) == (2, str(tmp_path / "runs"))
    epoch, ended = lines[3], lines[5]
    assert (epoch["epoch"], epoch["epochs"], epoch["category"]) == (1, 2, "large")
    assert epoch["train_loss"] > 0
    assert epoch["images_per_second"] > 0
    assert (ended["status"], ended["reason"]) == ("done", "")
    (figures,) = ended["figures"]
    assert (figures["pool"], figures["threshold"]) == ("mean", "highest")
    assert 0 <= figures["balanced_accuracy"] <= 1
    assert lines[7]["category"] == "small"
    assert ended["seconds_left"] > 0
    assert lines[-2]["seconds_left"] == 0
    assert {name: lines[-1][name] for name in ("fitted", "found", "skipped", "failed", "exit_code")} == {
        "fitted": 2, "found": 0, "skipped": 0, "failed": 0, "exit_code": 0,
    }  # fmt: skip
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert times == sorted(times)
    assert {time.utcoffset() for time in times} == {times[0].utcoffset()} != {None}


def test_a_run_that_goes_on_appends_and_tells_what_was_found(words: list[str], tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    call(*words, "--models", "mean_image", "--log-json", log)
    before = len(log.read_text().splitlines())
    call(*words, "--models", "mean_image", "--log-json", log)
    again = read(log.read_text())[before:]
    assert kinds(again) == ["run_started", "found", "found", "summary"]
    assert again[-1]["found"] == 2


@pytest.mark.parametrize("dash", [["--log-json", "-"], ["--log-json"]])
def test_on_stderr_nothing_but_events_is_said_and_the_leaderboard_stays_on_stdout(
    words: list[str], dash: list[str]
) -> None:
    done = call(*words, "--models", "trained[fail=nan],mean_image", "--seeds", "1", *dash, "--format", "json")
    assert done.exit_code == 3
    lines = read(done.stderr)
    assert {line["model"] for line in lines if line["event"] == "ended"} == {"trained[fail=nan]", "mean_image"}
    failed = next(line for line in lines if line["event"] == "ended" and line["status"] == "error")
    assert failed["reason"] == "loss is nan in epoch 2 of 2"
    assert failed["figures"] == []
    assert "2 fitted, 0 already there, 2 skipped or failed" in lines[-2]["text"]
    assert lines[-1]["event"] == "summary"
    assert (lines[-1]["exit_code"], lines[-1]["failed"]) == (3, 2)
    assert len(json.loads(done.stdout)) == 4


def test_a_loss_that_is_not_finite_is_null(words: list[str], tmp_path: Path, dots_plugin: Path) -> None:
    diverging = tmp_path / "diverging.py"
    diverging.write_text(dots_plugin.read_text().replace("1 / epoch", "float('inf') if epoch == 2 else 0.5"))
    words[words.index("--plugin") + 1] = str(diverging)
    lines = read(call(*words, "--models", "trained", "--log-json", "-").stderr)
    assert [line["train_loss"] for line in lines if line["event"] == "epoch"] == [0.5, None, 0.5, None]


def test_every_event_has_the_fields_that_are_documented(words: list[str]) -> None:
    page = (Path(__file__).parents[2] / "harness" / "report" / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    named = {row[1].strip(" `"): {word.strip() for word in row[2].split("`")[1::2]} for row in rows}
    lines = read(call(*words, "--models", "trained", "--log-json", "-").stderr)
    lines += read(call(*words, "--models", "trained", "--log-json", "-").stderr)
    assert set(kinds(lines)) == set(named)
    for line in lines:
        cell = CELL if line["event"] in ("found", "started", "epoch", "ended") else set()
        assert set(line) == {"event", "time"} | cell | named[line["event"]], line


def test_a_file_that_cannot_be_opened_is_named_before_anything_is_fitted(words: list[str], tmp_path: Path) -> None:
    done = call(*words, "--models", "mean_image", "--log-json", tmp_path / "nowhere" / "log")
    assert done.exit_code == 2
    assert "--log-json" in done.stderr
    assert "No such file" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_log_on_a_full_disk_ends_early_and_costs_no_trial(words: list[str]) -> None:
    done = call(*words, "--models", "mean_image", "--log-json", "/dev/full")
    assert done.exit_code == 0, done.output
    assert "2 fitted" in done.stderr
    assert "the log of events ends early: No space left on device" in done.stderr


def test_a_run_that_is_stopped_says_so_last(words: list[str], tmp_path: Path, dots_plugin: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(dots_plugin.read_text().replace("run.report(", "import time; time.sleep(5); run.report("))
    words[words.index("--plugin") + 1] = str(slow)
    log = tmp_path / "events.jsonl"
    command = [sys.executable, "-m", "harness", *words, "--models", "trained", "--log-json", str(log)]
    running = warm_python.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    try:
        while not (log.exists() and '"started"' in log.read_text()):
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) == 143
    finally:
        running.kill()
    last = read(log.read_text())[-1]
    assert (last["event"], last["exit_code"]) == ("summary", 143)
