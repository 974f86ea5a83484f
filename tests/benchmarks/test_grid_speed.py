"""Whole grids: trials side by side on a CPU, and images for the paper's two tables, which test_gpu_speed.py fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from harness import Dataset, Images, Split, hookimpl

COUNTS = {"hazelnut": (391, 110), "bottle": (209, 83), "pill": (267, 167), "screw": (320, 160), "tile": (230, 117)}
"""Training and test images of the paper's categories in MVTec AD."""


class AsLarge(Dataset):
    """Random images, as many as MVTec AD has."""

    name = "as_large"
    needs_root = False

    def categories(self) -> tuple[str, ...]:
        return tuple(COUNTS)

    def load(self, category: str, image_size: int) -> Split:
        def draw(n: int, folder: str) -> Images:
            pixels = np.random.default_rng(n).integers(0, 256, (n, image_size, image_size, 3), dtype=np.uint8)
            return Images(
                pixels, tuple(f"{folder}/{i:03}.png" for i in range(n)), kinds[:n] if "test" in folder else ()
            )

        kinds = ("good",) * 20 + ("scratch",) * 500
        return Split(draw(COUNTS[category][0], "train/good"), draw(COUNTS[category][1], "test"))


class Plugin:
    """Offers it to a registry."""

    @hookimpl
    def harness_datasets(self) -> Iterable[type[Dataset]]:
        return [AsLarge]


@pytest.mark.parametrize("size", [64, 128])
def test_trials_side_by_side_against_one_after_another(figures, tmp_path: Path, size: int) -> None:
    """As a person runs it, with the start of every process."""
    stores, cores = count(), os.cpu_count() or 1
    asked = [
        "--models",
        "dae",
        "--encoders",
        "conv",
        "--losses",
        "mse,ssim",
        "--categories",
        "tile,bottle",
        "--seeds",
        "0,1",
    ]
    asked += ["--image-size", str(size), "--epochs", "4", "--device", "cpu", "--quiet", "--format", "json"]

    def run(jobs: int) -> int:
        words = [sys.executable, "-m", "harness", "run", *asked, "--jobs", str(jobs), "--store", str(next(stores))]
        return len(json.loads(subprocess.run(words, capture_output=True, check=True, cwd=tmp_path).stdout))

    what = f"8 fits of {size}x{size}, {cores} side by side against one after another"
    assert figures.race(what, lambda: run(cores), lambda: run(1), at_least=1, rounds=2) == (8, 8)
