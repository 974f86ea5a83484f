"""Latency on real engines, each in a process of its own, and where what was measured goes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.report.formats import render
from harness.report.latency import latency_document
from harness.trials.latencies import Latency
from harness.trials.store import Store

RUN = [
    "run", "--no-floors", "--dataset", "synthetic[n_train=6,n_test_good=2,n_test_defective=2]", "--categories", "bottle",
    "--encoders", "conv[widths=4-4-4-4]", "--losses", "mse", "--image-size", "32", "--epochs", "1", "--quiet",
    "--jobs", "1", "--keep-models",
]  # fmt: skip
QUICK = ["--repetitions", "12", "--warm-up", "2", "--threads", "1"]
SLOW = '''
import multiprocessing, time
import torch
from harness import Model, Scores, hookimpl

class Network(torch.nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds
        self.held = None

    def forward(self, images):
        if self.held is None:
            self.held = torch.ones(100_000_000, dtype=torch.uint8)
        time.sleep(self.seconds * len(images))
        return images.mean(dim=(1, 2, 3))

class Slow(Model):
    """Takes 20 ms an image, and a hundred megabytes."""
    name = "slow"
    uses = frozenset()

    def fit(self, normal, *, encoder, loss, run):
        self.learned = 1

    def score(self, images):
        return Scores(images=(images.pixels / 255).mean(axis=(1, 2, 3)))

    def network(self):
        return Network(0.02)

class Elsewhere(Slow):
    """Is another model in another process, or none."""
    name = "elsewhere"

    def network(self):
        if multiprocessing.parent_process() is not None:
            raise RuntimeError("no such operator\\nand much more")
        return Network(0)

@hookimpl
def harness_models(): return [Slow, Elsewhere]
'''


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def kept(store: Path, *words: object) -> Path:
    done = call(*RUN, "--store", store, *words)
    assert done.exit_code == 0, done.output
    (description,) = (store / "models").glob("*/model.json")
    return description.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that lies in the store of its trial."""
    return kept(tmp_path_factory.mktemp("measured") / "runs", "--models", "padim[features=4]")


@pytest.fixture(scope="module")
def slow_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plugin") / "slow.py"
    file.write_text(SLOW)
    return file


def test_three_engines_are_measured_and_the_leaderboard_of_the_store_shows_it(model: Path) -> None:
    store = model.parents[1]
    assert "latency" not in call("leaderboard", "--store", store).stdout
    done = call("latency", model, *QUICK, "--batch", 3, "--format", "json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["engine"], row["batch"]) for row in rows] == [
        (engine, batch) for engine in ("torch", "ONNX Runtime", "OpenVINO") for batch in (1, 3)
    ]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] < 10_000
        assert row["images_per_second"] > 0
        assert row["peak_mb"] > 5
        assert (row["warm_up"], row["repetitions"], row["threads"], row["beside"]) == (2, 12, 1, "")
        assert row["cpu"]
        assert row["version"]
    assert rows[0]["peak_mb"] > 3 * rows[2]["peak_mb"], "torch alone is larger than all of ONNX Runtime"
    assert f"`harness leaderboard --store {store}` shows it" in done.stderr
    with Store(store) as opened:
        (outcome,) = opened.outcomes()
    assert [{k: v for k, v in vars(one).items() if k != "unread"} for one in outcome.record.latency] == rows
    shown = call("leaderboard", "--store", store, "--format", "md").stdout
    assert "latency_ms_p50" in shown
    assert f"on ONNX Runtime, 1 thread of {rows[0]['cpu']}" in shown


ONE = Latency("ONNX Runtime", "1.32.0", 1, 12.34, 13.0, 14.0, 80.0, 90.0, 10, 100, 2, "Some CPU", "Linux", "noise")


def test_a_table_for_people_says_how_it_was_measured() -> None:
    for style in ("rich", "md"):
        text = " ".join(render(latency_document([ONE, replace(ONE, batch=8)], "dae"), style).split())
        assert "100 repetitions after 10 that do not count, in 2 threads of Some CPU" in text
        assert "Noise is drawn before the clock starts." in text
        assert text.count("ONNX Runtime 1.32.0") == 2
    assert "busy" not in text
    assert "busy before it began (load 3.5)" in " ".join(
        render(latency_document([replace(ONE, load=3.5)], ""), "md").split()
    )
    assert "drawn" not in render(latency_document([replace(ONE, beside="")], "cae"), "md")
    first, second = csv.DictReader(io.StringIO(render(latency_document([ONE, replace(ONE, batch=8)], "dae"), "csv")))
    assert (first["batch"], second["batch"], first["p50_ms"]) == ("1", "8", "12.34")


def test_times_and_memory_are_those_of_the_model(tmp_path: Path, slow_plugin: Path) -> None:
    with_it = ["--plugin", slow_plugin]
    slow = kept(tmp_path / "slow", "--models", "slow", *with_it)
    done = call("latency", slow, "--engines", "torch", *QUICK, "--batch", 2, "--format", "json", *with_it)
    assert done.exit_code == 0, done.output
    one, two = json.loads(done.stdout)
    assert 20 <= one["p50_ms"] < 100
    assert 40 <= two["p50_ms"] < 200
    assert 5 < one["images_per_second"] <= 50
    assert one["peak_mb"] > 100
    assert one["beside"] == ""


def test_an_engine_that_cannot_run_the_model_says_why_in_one_line(tmp_path: Path, slow_plugin: Path) -> None:
    with_it = ["--plugin", slow_plugin]
    elsewhere = kept(tmp_path / "elsewhere", "--models", "elsewhere", *with_it)
    done = call("latency", elsewhere, "--engines", "torch", *QUICK, *with_it)
    assert done.exit_code == 2
    assert done.stderr.endswith("harness: torch cannot run it: RuntimeError: no such operator\n")


def test_a_store_that_is_asked_for_must_be_there_and_says_where_it_lacks_the_trial(model: Path, tmp_path: Path) -> None:
    quick = ["--engines", "torch", "--batch", 1, *QUICK]
    missing = call("latency", model, *quick, "--store", tmp_path / "none")
    assert missing.exit_code == 2
    assert "no store at" in missing.stderr
    with Store(tmp_path / "other", write=True):
        pass
    assert "has no trial" in call("latency", model, *quick, "--store", tmp_path / "other").stderr


def test_absent_engines_are_named_with_their_extra_and_the_others_measured(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    moved = tmp_path / model.name  # out of its store
    shutil.copytree(model, moved)
    words = ["--batch", 1, "--engines", "onnx,openvino", "--format", "json"]
    done = call("latency", moved, *QUICK, *words)
    assert done.exit_code == 0, done.output
    assert "leaderboard" not in done.stderr
    assert "harness: openvino is not installed: pip install 'anomaly-harness[openvino]'" in done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["engine"], row["beside"]) == ("ONNX Runtime", "")
    done = call("latency", model, "--engines", "openvino")
    assert done.exit_code == 2
    assert "anomaly-harness[openvino]" in done.stderr


def test_an_unknown_engine_is_refused_with_a_suggestion(model: Path) -> None:
    done = call("latency", model, "--engines", "onxx")
    assert done.exit_code == 2
    assert "no engine 'onxx'. Did you mean 'onnx'? Available: onnx, openvino, torch." in done.stderr
