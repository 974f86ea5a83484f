"""What strangers have written against contract 1 goes on working; their files are never edited."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.commands import main
from harness.plugin.registry import HOOKS, Registry
from harness.testing import attempt, checks_for

FILES = sorted(file for file in Path(__file__).parent.glob("*.py") if not file.name.startswith("test_"))
FROZEN = {
    "a_dataset.py": "6315d1dba57413ea",
    "a_defect_and_a_corruption.py": "f6606fd5d15b06b4",
    "a_loss.py": "f4cad976ed69248d",
    "a_metric.py": "c1db129f6df3a2b0",
    "a_model.py": "3a2562b01e24e597",
    "a_pool.py": "69a3b8b4ae2d0f1e",
    "a_threshold.py": "980d6a0b9e491b8c",
    "an_encoder.py": "1590ea6c0f55dacf",
    "logbook.py": "ea16ab950970f48e",
    "relay.py": "8face1f25ca81e93",
}
"""File to the beginning of its SHA-256. A new file adds a line; no line ever changes."""


def call(command: str, *arguments: object) -> Result:
    words = [command, *map(str, arguments)]
    return CliRunner().invoke(main, [*words, *(word for file in FILES for word in ("--plugin", str(file)))])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that one run over strangers' parts alone has filled, models kept."""
    folder = tmp_path_factory.mktemp("strangers") / "runs"
    done = call(
        "run", "--models", "stranger_ae", "--losses", "stranger_huber,mse", "--dataset", "stranger_plates",
        "--categories", "dark", "--thresholds", "stranger_highest,stranger_midpoint", "--pools", "stranger_power,stranger_quantile",
        "--keep-models", "--no-floors", "--jobs", 1, "--quiet", "--store", folder, "--encoders", "stranger_patches", "--format", "csv",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert {row["status"] for row in rows} == {"done"}
    assert len(rows) == 2 * 2 * 2, "losses, thresholds and pools"
    return folder


def test_the_files_of_strangers_are_as_they_were() -> None:
    now = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in FILES}
    assert now == FROZEN, "these files are never edited: see README.md"


def test_every_one_is_loaded_without_a_problem_and_one_that_needs_options_is_left_out_of_all() -> None:
    registry = Registry.discover(FILES, environ={"HARNESS_PLUGINS": ""})
    assert registry.broken == []
    from harness import Encoder

    chosen = {part.name for part in registry.choose(Encoder, "all")}
    assert "stranger_patches" in chosen
    assert "stranger_any" not in chosen, "it says so as `generic`, which is read for good"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_one_keeps_the_contract_of_today(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where some of them write
    registry = Registry.discover([file], environ={"HARNESS_PLUGINS": ""})
    parts = [
        offer.part() for kind in HOOKS for offer in registry.offers(kind).values() if offer.plugin.name == file.stem
    ]
    assert parts
    failed = [(part.name, check.__name__, outcome.reason) for part in parts for check in checks_for(part) if (outcome := attempt(check, part)).status == "failed"]  # fmt: skip
    assert failed == []


def test_leaderboard_ranks_by_their_metrics(store: Path) -> None:
    found = call("leaderboard", "--store", store, "--thresholds", "stranger_highest[of=second]", "--pools", "all",
                 "--rank-by", "stranger_gap", "--metrics", "stranger_false_alarms", "--format", "json")  # fmt: skip
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)
    assert {row["pool"] for row in rows} == {"max", "mean", "topk", "stranger_power", "stranger_quantile"}
    assert all(row["stranger_gap"] > 0 for row in rows)
    assert rows[0]["metric_versions"] == {"stranger_gap": 3, "stranger_false_alarms": 1}
    table = call("leaderboard", "--store", store, "--rank-by", "stranger_false_alarms", "--format", "md")
    assert "false alarms ↓" in table.stdout


def test_report_shows_them(store: Path, tmp_path: Path) -> None:
    done = call("report", "--store", store, "--rank-by", "stranger_gap", "--pools", "stranger_power", "--out", tmp_path / "report.html")  # fmt: skip
    assert done.exit_code == 0, done.output
    page = (tmp_path / "report.html").read_text()
    assert "stranger_ae" in page
    assert "stranger gap" in page


def test_predict_and_pack_use_them(store: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(80, 100, (3, 32, 32, 3)).astype(np.uint8)
    pixels[2, 4:12, 4:12] = 250
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    model = next(folder for folder in (store / "models").iterdir() if "stranger_huber" in folder.name)
    said = call("predict", model, tmp_path, "--format", "json")
    assert said.exit_code == 0, said.output
    scores = [json.loads(line)["score"] for line in said.stdout.splitlines()]
    assert scores[2] > max(scores[:2])
    refused = call("predict", model, tmp_path, "--pool", "stranger_quantile", "--format", "json")
    assert refused.exit_code == 0, refused.output
    for needed in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(needed, reason=f"{needed} is not installed, so nothing can be packed")
    packed = call("pack", model, "--images", tmp_path, "--format", "onnx", "--out", tmp_path / "line.onnx")
    assert packed.exit_code == 0, packed.output
    described = json.loads((tmp_path / "line.onnx.json").read_text())
    assert described["pool"] == "stranger_power"
    assert described["threshold"] == "stranger_highest"
