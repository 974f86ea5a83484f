"""Presets: what a run takes where nobody asks for anything else, by what its images are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness import Dataset, UsageError
from harness.commands import main
from harness.trials import presets
from harness.trials.presets import PRESETS, preset_of
from harness.trials.settings import SETTINGS, Settings
from harness.verdicts.choosing import FEWEST

PAPER = {"models": ("dae", "cae"), "encoders": ("conv",), "losses": ("mse", "ssim"), "thresholds": ("mean",)}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "parts"
    for at, name in enumerate(["good"] * 2 * FEWEST + ["bad", "bad"]):
        (root / name).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(at).integers(90, 110, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name / f"{at}.png")
    return root


@pytest.fixture(autouse=True)
def _weights_are_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "backbone_at_hand", lambda *_: (None, "none are wanted here"))


def plan(*words: object) -> tuple[Result, set[tuple[str, ...]]]:
    done = CliRunner().invoke(main, ["run", "--dry-run", "--format", "json", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done, {(row["model"], row["encoder"], row["loss"]) for row in json.loads(done.stdout)}


def test_ones_own_images_take_frozen_features_and_limits_that_were_not_fitted(parts: Path) -> None:
    done, methods = plan("--data-root", parts)
    assert methods == {("gaussian", "conv", "-"), ("patchcore", "conv", "-")}
    (said,) = [line for line in done.stderr.splitlines() if "preset" in line]
    assert (
        "preset own_images: calibrate crossfit, encoders conv, models gaussian,patchcore, thresholds quantile" in said
    )
    assert "--preset kumar_2025 is the paper's" in said
    assert "no published weights are at hand, so features are random" in said


def test_weights_that_are_at_hand_are_taken(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "backbone_at_hand", lambda *_: ("vgg16", ""))
    done, methods = plan("--data-root", parts)
    assert {encoder for _, encoder, _ in methods} == {"vgg16"}
    assert "random" not in done.stderr


def test_the_demo_and_published_data_sets_keep_the_protocol_of_the_paper() -> None:
    done, methods = plan()
    assert methods == {(model, "conv", loss) for model in ("dae", "cae") for loss in ("mse", "ssim")}
    assert "preset" not in done.stderr


def test_the_paper_is_a_preset_that_can_be_asked_for(parts: Path) -> None:
    done, methods = plan("--data-root", parts, "--preset", "kumar_2025")
    assert len(methods) == 4
    assert "preset" not in done.stderr
    _, methods = plan("--preset", "own_images", "--models", "knn")
    assert methods == {("knn", "conv", "-")}


def test_who_names_a_method_has_the_protocol_of_the_paper_and_is_told_what_its_limits_are(parts: Path) -> None:
    done, methods = plan("--data-root", parts, "--models", "dae")
    assert methods == {("dae", "conv", "mse"), ("dae", "conv", "ssim")}
    assert "call about half of new good parts anomalous: --preset own_images sets them" in done.stderr
    for more in (
        ("--thresholds", "quantile"),
        ("--calibrate", "crossfit"),
        ("--preset", "kumar_2025"),
        ("--max-false-alarms", "20%"),
    ):
        done, _ = plan("--data-root", parts, "--models", "dae", *more)
        assert "half of new good parts" not in done.stderr, more


def test_python_takes_the_same_and_what_is_asked_for_is_kept(parts: Path, tmp_path: Path) -> None:
    results = harness.run(
        data_root=parts, store=tmp_path / "runs", image_size=32, holdout=0.25, floors=False, quiet=True
    )
    assert {one.trial.model for one in results.verdicts} == {"gaussian", "patchcore"}
    assert {(one.trial.calibrate, one.trial.holdout) for one in results.verdicts} == {("", 0.25)}
    assert {one.threshold for one in results.verdicts} == {"quantile"}


def test_a_promise_of_false_alarms_is_kept_in_place_of_the_quantile(parts: Path) -> None:
    done, _ = plan("--data-root", parts, "--max-false-alarms", "20%")
    assert "thresholds" not in next(line for line in done.stderr.splitlines() if "preset" in line)


def test_the_settings_of_the_paper_are_the_defaults_of_the_settings() -> None:
    """So that a run with that preset is the run of before, and its trials have their ids."""
    usual, of_preset = Settings(), Settings.of(PRESETS["kumar_2025"].values)
    for name, value in PAPER.items():
        assert getattr(usual, name) == getattr(of_preset, name) == value
    assert set(PRESETS) == set(SETTINGS["preset"].kind.words)  # type: ignore[attr-defined]


class _Stranger(Dataset):
    name = "stranger"
    preset = "own_image"

    def categories(self) -> Any: ...

    def load(self, category: str, image_size: int) -> Any: ...


def test_a_data_set_that_names_no_preset_is_told_so() -> None:
    with pytest.raises(UsageError, match="data set 'stranger': no preset 'own_image'. Did you mean 'own_images'?"):
        preset_of(Settings(), _Stranger())
