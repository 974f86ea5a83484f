"""Features that nobody trained are called random, wherever a method is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness.commands import main
from harness.trials.trial import Trial


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a detector on random features, and a trained autoencoder."""
    root = tmp_path_factory.mktemp("random")
    for at, name in enumerate(["train/good"] * 4 + ["test/good", "test/bent"]):
        (root / "parts" / name).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(at).integers(90, 110, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "parts" / name / f"{at}.png")
    words = ["run", "--data-root", root / "parts", "--models", "knn,dae", "--losses", "mse", "--epochs", "1"]
    said = ask(*words, "--image-size", "32", "--store", root / "runs", "--jobs", "1", "--quiet")
    assert "random features" in said
    return root


def ask(*words: object) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("style", ["rich", "md", "latex"])
def test_tables_for_people_say_it_beside_the_method(place: Path, style: str) -> None:
    said = ask("leaderboard", "--store", place / "runs", "--format", style)
    assert "random features" in said
    assert "pretrained" not in said


@pytest.mark.parametrize("style", ["csv", "excel", "json"])
def test_rows_for_programs_say_it_under_weights(place: Path, style: str) -> None:
    said = ask("leaderboard", "--store", place / "runs", "--format", style)
    if style == "json":
        found = {row["model"]: row["weights"] for row in json.loads(said)}
        assert found == {"knn": "random features", "dae": "-", "global_statistics": "-"}
    else:
        assert said.count("random features") == 1


def test_report_and_site_say_it(place: Path) -> None:
    ask("report", "--store", place / "runs", "--out", place / "report.html")
    assert "random features</" in (place / "report.html").read_text().replace("\n", "")
    ask("export", "--store", place / "runs", "--out", place / "exports" / "here.jsonl")
    ask("site", place / "exports", "--out", place / "site")
    assert any("random features" in page.read_text() for page in (place / "site").glob("*.html"))


def test_the_plan_says_it_before_anything_is_fitted(place: Path) -> None:
    words = ("run", "--data-root", place / "parts", "--models", "knn", "--dry-run", "--format", "json")
    assert [row["weights"] for row in json.loads(ask(*words))] == ["random features"]


@pytest.mark.parametrize(
    ("encoder", "loss", "weights", "random"),
    [
        ("conv", "-", "-", True),
        ("timm[name=tf_efficientnet_lite0.in1k]", "-", "random", True),
        ("timm[name=tf_efficientnet_lite0.in1k]", "-", "pretrained", False),
        ("conv", "mse", "-", False),
        ("-", "-", "-", False),
    ],
)
def test_features_are_random_where_neither_a_loss_nor_a_publisher_trained_them(
    encoder: str, loss: str, weights: str, random: bool
) -> None:
    trial = Trial("d", "c", "knn", encoder, loss, 0, 32, 0, 0, 0.0, 0.0, "fp32", weights)
    assert trial.random_features is random
