"""A kept model reads the images of a 12-bit camera as its training did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from harness.commands import main
from harness.trials.saved_model import read
from harness.trials.store import Store


def test_a_12_bit_camera_is_read_alike_in_training_and_at_the_line(tmp_path: Path, dots_plugin: Path) -> None:
    random = np.random.default_rng(0)
    for where, light in {"train/good": 1500, "test/good": 1500, "test/bright": 3000}.items():
        (tmp_path / "parts" / where).mkdir(parents=True)
        for index in range(4):
            pixels = random.normal(light, 200, (16, 16)).clip(0, 4095).astype(np.uint16)
            Image.fromarray(pixels).save(tmp_path / "parts" / where / f"{index}.png")
    words = ["--data-root", str(tmp_path / "parts"), "--dataset", "folder", "--plugin", str(dots_plugin)]
    words += ["--models", "mean_image", "--image-size", "16", "--jobs", "1", "--device", "cpu", "--no-floors"]
    done = CliRunner().invoke(main, ["run", *words, "--store", str(tmp_path / "runs"), "--keep-models"])
    assert done.exit_code == 0, done.output
    (kept,) = (tmp_path / "runs" / "models").iterdir()
    assert read(kept).depth == 12
    words = ["predict", str(kept), str(tmp_path / "parts" / "test"), "--format", "json", "--plugin", str(dots_plugin)]
    told = [json.loads(line) for line in CliRunner().invoke(main, words).stdout.splitlines()]
    with Store(tmp_path / "runs") as store:
        (outcome,) = store.outcomes()
    expected = dict(zip(outcome.evidence.paths, outcome.evidence.test["mean"].tolist(), strict=True))
    assert {
        f"test/{Path(one['image']).parent.name}/{Path(one['image']).name}": one["score"] for one in told
    } == expected
