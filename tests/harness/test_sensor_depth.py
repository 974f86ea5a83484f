"""A kept model reads the images of a 12-bit camera as its training did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness.commands import main
from harness.deployment.loading import load
from harness.deployment.watching import watch
from harness.plugin.registry import Registry
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
    watched = watch(load(kept, Registry.discover([dots_plugin])), tmp_path / "parts" / "test" / "bright")
    assert [next(watched).score for _ in range(4)] == [expected[f"test/bright/{index}.png"] for index in range(4)]
    watched.close()


def test_a_model_of_a_12_bit_camera_is_packed_on_images_that_are_read_as_its_training_read_them(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    random = np.random.default_rng(0)
    for where in ("train/good", "test/good", "test/bright"):
        (tmp_path / "parts" / where).mkdir(parents=True)
        for index in range(3):
            pixels = random.normal(3000 if "bright" in where else 1500, 200, (32, 32)).clip(0, 4095).astype(np.uint16)
            Image.fromarray(pixels).save(tmp_path / "parts" / where / f"{index}.png")
    words = [
        "--data-root",
        str(tmp_path / "parts"),
        "--models",
        "cae[widths=4-4-4-4,latent_dim=4]",
        "--encoders",
        "conv",
    ]
    words += ["--losses", "mse", "--image-size", "32", "--epochs", "1", "--jobs", "1", "--device", "cpu", "--no-floors"]
    done = CliRunner().invoke(main, ["run", *words, "--store", str(tmp_path / "runs"), "--keep-models"])
    assert done.exit_code == 0, done.output
    (kept,) = (tmp_path / "runs" / "models").iterdir()
    graph, images = tmp_path / "line.onnx", tmp_path / "parts" / "test"
    words = ["pack", str(kept), "--images", str(images), "--format", "onnx", "--out", str(graph)]
    packed = CliRunner().invoke(main, words)
    assert packed.exit_code == 0, packed.output
    detector = load(kept, Registry.discover())
    image = images / "bright" / "0.png"
    judged = detector.decide(detector.dataset.read(image, 32)[None])
    twelve_bits = (np.asarray(Image.open(image)) >> 4).astype(np.uint8)  # what a line does with its camera's image
    session = onnxruntime.InferenceSession(graph.read_bytes())
    given = {session.get_inputs()[0].name: np.repeat(twelve_bits[None, :, :, None], 3, axis=3)}
    (score,) = session.run(["score"], given)[0]
    assert score == pytest.approx(judged.scores[0], rel=1e-4)
