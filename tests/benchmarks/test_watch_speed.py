"""From a camera closing its file to the decision printed, against what reading and deciding take by themselves."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from harness.deployment.loading import load
from harness.deployment.watching import POLL_S
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.saved_model import ModelFolder
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig

SIDE, SIZE, IMAGES = 700, 256, 20


def test_from_a_closed_file_to_its_decision(figures, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(128, 20, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    for name in ("train/good/0.png", "train/good/1.png", "test/good/0.png", "test/bent/0.png"):
        (tmp_path / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "parts" / name)
    place = WorkerConfig(data_root=tmp_path / "parts", threads=1, keep=ModelFolder(tmp_path / "models"))
    trial = Trial("folder", "parts", "dae", "conv", "mse", 0, SIZE, 1, 2, 1e-4, 0.0, "fp32", "-")
    assert Worker(place, Registry.discover()).perform(trial, Observer()).status == "done"
    (model,) = (tmp_path / "models").iterdir()
    Image.fromarray(255 - pixels // 2).save(tmp_path / "other.png")  # far from the limit, as most images are
    data = (tmp_path / "other.png").read_bytes()
    detector = load(model, Registry.discover())
    camera = tmp_path / "camera"
    camera.mkdir()
    command = [
        sys.executable,
        "-m",
        "harness",
        "predict",
        model,
        "--watch",
        camera,
        "--device",
        "cpu",
        "--format",
        "csv",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ours, alone = [], []
        try:
            assert process.stderr.readline().startswith("Watching")
            assert process.stdout.readline().startswith("image,")
            for number in range(IMAGES):
                file = camera / f"{number:03}.png"
                file.write_bytes(data)
                ours.append(_seconds(process.stdout.readline))
                alone.append(_seconds(lambda file=file: detector.decide_at_once(detector.read(file)[None])))
        finally:
            process.terminate()
    what = f"from closing a {SIDE}x{SIDE} PNG to its decision, DAE at {SIZE}x{SIZE}"
    for kind, of in (("median", statistics.median), ("worst", max)):
        more = of(ours) - of(alone)
        limit = 5 * POLL_S if kind == "median" else None
        target = f"at most {1000 * limit:.0f} ms more" if limit else ""
        figures.add(
            f"{what}, {kind}", of(ours), of(alone), f"{1000 * more:.0f} ms more", target, limit and more <= limit
        )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
