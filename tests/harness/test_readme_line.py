"""The way from benchmark to line, walked as harness/deployment/README.md prints it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness.commands import main

README = Path(__file__).parents[2] / "harness" / "deployment" / "README.md"
SMALL = ["--image-size", "32", "--epochs", "1", "--batch-size", "4", "--jobs", "1", "--device", "cpu"]
"""Added to what is printed, which takes minutes."""


def commands(subcommand: str) -> list[list[str]]:
    lines = README.read_text(encoding="utf-8").splitlines()
    found = [shlex.split(line)[1:] for line in lines if line.startswith("    harness ")]
    return [words for words in found if words[0] == subcommand]


@pytest.mark.slow
def test_a_newcomer_goes_from_images_to_decisions_by_the_commands_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("my_parts/train/good", "my_parts/test/good", "my_parts/test/bent", "from_camera"):
        Path(folder).mkdir(parents=True)
        for index in range(3):
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(Path(folder) / f"{index}.png")
    run, cut = commands("run")
    fitted = CliRunner().invoke(main, [*run, *SMALL])
    assert fitted.exit_code == 0, fitted.output
    predict, watch, of_tiles = commands("predict")
    judged = CliRunner().invoke(main, predict)
    assert judged.exit_code == 0, judged.output
    assert len(judged.stdout.splitlines()) == 2 + 6
    assert len(list(Path("heat_maps").rglob("*.png"))) == 6
    with subprocess.Popen([sys.executable, "-m", "harness", *watch], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rows = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 143
    assert [row["image"] for row in rows] == [f"from_camera/{index}.png" for index in range(3)]
    for words in ([*cut, *SMALL], of_tiles):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    (pack,) = commands("pack")
    packed = CliRunner().invoke(main, pack)
    assert packed.exit_code == 0, packed.output
    assert list(json.loads(Path("line.onnx.json").read_text())["inputs"]) == ["pixels"]
    (latency,) = commands("latency")
    timed = CliRunner().invoke(
        main, [*latency, "--repetitions", "3", "--engines", "torch"]
    )  # test_deployment_latency.py has all
    assert timed.exit_code == 0, timed.output
    assert "latency_ms_p50" in CliRunner().invoke(main, ["leaderboard", "--format", "md"]).stdout
