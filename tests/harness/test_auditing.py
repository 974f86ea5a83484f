"""A run tells what is grave about the images before it fits to them, and every trial remembers it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.commands import main
from harness.trials.store import Store
from harness.verdicts.exports import read


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Images whose light tells normal from defective ones."""
    rng = np.random.default_rng(0)
    for folder, light in {"train/good": 130, "test/good": 110, "test/bad": 150}.items():
        (tmp_path / "parts" / folder).mkdir(parents=True)
        for index in range(30):
            pixels = rng.normal(light, 20, (24, 24, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "parts" / folder / f"{index}.png")
    return tmp_path / "parts"


def run(parts: Path, dots_plugin: Path, store: Path, *words: str) -> Result:
    given = ["--dataset", "folder", "--data-root", str(parts), "--image-size", "24", "--plugin", str(dots_plugin)]
    place = ["--store", str(store), "--device", "cpu", "--jobs", "1"]
    return CliRunner().invoke(main, ["run", *given, *place, "--models", "mean_image", "--no-floors", *words])


def test_a_run_tells_what_is_grave_once_and_each_trial_remembers_it(
    parts: Path, dots_plugin: Path, tmp_path: Path
) -> None:
    done = run(parts, dots_plugin, tmp_path / "runs", "--seeds", "0,1")
    assert done.exit_code == 0
    assert done.stderr.count("parts: GRAVE shortcut. The brightness alone tells") == 1
    assert done.stderr.index("GRAVE shortcut") < done.stderr.index("[1/2]")
    assert "GRAVE shortcut: The brightness alone" in done.stdout
    with Store(tmp_path / "runs") as store:
        assert [set(outcome.record.grave) for outcome in store.outcomes()] == [{"shortcut", "shift"}] * 2
    CliRunner().invoke(main, ["export", "--store", str(tmp_path / "runs"), "--out", str(tmp_path / "all.jsonl")])
    assert all("shortcut" in row["provenance"]["grave"] for row in read(tmp_path / "all.jsonl").rows)
    shown = CliRunner().invoke(main, ["leaderboard", "--store", str(tmp_path / "all.jsonl"), "--format", "md"])
    assert "GRAVE shortcut: The brightness alone" in shown.stdout
    for style in ("csv", "json", "md", "latex"):
        told = (
            CliRunner().invoke(main, ["leaderboard", "--store", str(tmp_path / "all.jsonl"), "--format", style]).stdout
        )
        assert "The brightness alone tells normal and defective test images apart" in told, style
        assert "brightness 1.00" in told, style
    for page in ("report.md", "report.html"):
        done = CliRunner().invoke(main, ["report", "--store", str(tmp_path / "runs"), "--out", str(tmp_path / page)])
        assert done.exit_code == 0, done.output
        assert "GRAVE shortcut: The brightness alone" in (tmp_path / page).read_text(), page
    again = run(parts, dots_plugin, tmp_path / "runs", "--seeds", "0,1")
    assert "GRAVE shortcut: The brightness alone" in again.stdout


def test_programs_are_told_every_finding(parts: Path, dots_plugin: Path, tmp_path: Path) -> None:
    (parts / "train/good/notes.txt").touch()
    done = run(parts, dots_plugin, tmp_path / "runs", "--log-json", "-")
    (event,) = [one for line in done.stderr.splitlines() if (one := json.loads(line))["event"] == "looked_at"]
    assert event["category"] == "parts"
    assert {(one["name"], one["grave"]) for one in event["findings"]} == {
        ("shortcut", True),
        ("shift", True),
        ("passed over", False),
    }


def test_images_that_cannot_be_looked_at_cost_no_trial(
    parts: Path, dots_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(split: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.audit.audit", broken)
    done = run(parts, dots_plugin, tmp_path / "runs", "--log-json", "-")
    assert done.exit_code == 0
    assert "The images could not be looked at: RuntimeError: no such thing." in done.stderr


def test_images_that_were_looked_at_in_an_earlier_run_are_not_looked_at_again(
    parts: Path, dots_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    first = run(parts, dots_plugin, tmp_path / "runs")
    assert "GRAVE shortcut" in first.stderr

    def again(split: object) -> None:
        raise AssertionError("looked at again")

    with monkeypatch.context() as patch:
        patch.setattr("harness.audit.audit", again)
        assert "GRAVE shortcut" in run(parts, dots_plugin, tmp_path / "others").stderr
    (found,) = (tmp_path / "cache" / "audits").iterdir()
    found.write_text("nonsense")
    assert "GRAVE shortcut" in run(parts, dots_plugin, tmp_path / "third").stderr
    Image.new("RGB", (24, 24)).save(parts / "test" / "good" / "black.png")
    assert "GRAVE blank" in run(parts, dots_plugin, tmp_path / "fourth").stderr
