"""Here a process may take little memory for itself; what it maps of files does not count, for the system can drop it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE, N = 512, 500
ROOM = 280_000_000
"""What may be taken after everything is imported."""

PRELUDE = f"""
import resource, sys
def limit():
    taken = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (taken + {ROOM},) * 2)
"""

PLUGIN = """
import numpy as np
from harness import Model, Scores, hookimpl

class Brightness(Model):
    name = "brightness"
    uses = frozenset({"pool"})

    def fit(self, normal, *, encoder, loss, run):
        self.mean = float(np.mean([image.mean() for image in normal.pixels]))

    def score(self, images):
        return Scores(maps=np.abs(images.pixels.mean(axis=3, dtype=np.float32) - self.mean))

@hookimpl
def harness_models(): return [Brightness]
"""

FIT = """
import numpy as np
from harness import Images, Run
from harness_autoencoders import DAE
from harness_losses import MSE
from harness_timm import Conv

def fit(n, epochs):
    pixels = np.memmap(sys.argv[1], np.uint8, "r", shape=(n, {side}, {side}, 3))
    model, names = DAE(widths=(1, 1, 1, 1)), tuple(map(str, range(n)))
    run = Run(image_size={side}, epochs=epochs, batch_size=4, precision="fp32")
    model.fit(Images(pixels, names), encoder=Conv(widths=(1, 1, 1, 1)), loss=MSE(), run=run)
    return model

fit(4, 1)  # for what is imported and kept at the first step
limit()
print(fit({n}, 1).state()["decoder.last.weight"].shape)
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that take more than the room as pixels, and next to nothing as files."""
    root = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    assert N * SIDE * SIDE * 3 > 1.4 * ROOM
    for number in range(N):
        split, kind = ("train", "good") if number < 400 else ("test", "good" if number < 450 else "spot")
        folder = root / split / kind
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(100, 140, (12, 12, 3), dtype=np.uint8)
        if kind == "spot":
            pixels[4:7, 4:7] = 250
            mask = root / "ground_truth" / "spot" / f"{number:03}_mask.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels[:, :, 0] == 250).astype(np.uint8) * 255).save(mask)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return root


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script after the prelude."""

    def call(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PRELUDE + script, *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)

    return call


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process takes for itself")
@pytest.mark.parametrize(("holdout", "fitted"), [("0", 400), ("0.75", 100)])
def test_a_category_larger_than_memory_is_decoded_fitted_scored_and_judged(
    python, many: Path, tmp_path: Path, holdout: str, fitted: int
) -> None:
    (tmp_path / "brightness.py").write_text(PLUGIN)
    words = [
        "run",
        "--no-floors",
        "--plugin",
        "brightness.py",
        "--models",
        "brightness",
        "--dataset",
        "folder",
        "--data-root",
        str(many),
    ]
    words += ["--device", "cpu", "--image-size", str(SIDE), "--holdout", holdout, "--jobs", "1", "--format", "csv"]
    script = (
        "import numpy, scipy.ndimage, harness_datasets\nfrom harness.commands import main\nlimit()\nmain(sys.argv[1:])"
    )
    done = python(script, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f",{fitted}," in done.stdout
    assert "torch" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process takes for itself")
def test_an_autoencoder_trains_on_images_larger_than_memory(python, tmp_path: Path) -> None:
    with (tmp_path / "pixels").open("wb") as file:
        file.truncate(N * SIDE * SIDE * 3)
    done = python(FIT.format(side=SIDE, n=N), "pixels")
    assert done.stdout == "(3, 1, 3, 3)\n", done.stderr
