"""Whole grids: trials side by side on a CPU, and the paper's two tables on a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from harness import Dataset, Encoder, Images, Loss, Model, Split, hookimpl
from harness.plugin.registry import Registry
from harness.trials.executors.serial import Serial
from harness.trials.grid import Axes, plan
from harness.trials.observers import Observer
from harness.trials.schedule import carry_out
from harness.trials.store import Store
from harness.trials.worker import Worker, WorkerConfig

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


def axes(registry: Registry, dataset: str, **settings: object) -> Axes:
    made = registry.make(Dataset, dataset)
    return Axes(
        **{
            "dataset": made,
            "categories": made.categories(),
            "models": registry.choose(Model, "dae,cae"),
            "losses": registry.choose(Loss, "mse,ssim"),
            "seeds": [0],
            "lr": 1e-4,
            "holdout": 0.0,
            "precision": "bf16",
            "weights": "random",
            **settings,
        }
    )


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


def test_both_tables_of_the_paper_on_a_gpu(figures, tmp_path: Path) -> None:
    """60 fits of 50 epochs at 256x256 on random images, as many as MVTec AD's, with random weights."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here; tests/benchmarks/README.md has the cost model")
    registry = Registry.discover()
    registry.register(Plugin(), "as_large")
    asked = axes(
        registry, "as_large", encoders=registry.choose(Encoder, "conv,vgg16,resnet50"),
        image_size=256, epochs=50, batch_size=32,
    )  # fmt: skip
    worker = Worker(WorkerConfig(device="cuda"), registry)
    start = time.perf_counter()
    with Store(tmp_path, write=True) as store:
        cells = list(plan(asked))
        carry_out(cells, store=store, worker=worker, executor=Serial(), observer=Observer())
        outcomes = list(store.outcomes())
    seconds = time.perf_counter() - start
    assert [outcome.status for outcome in outcomes] == ["done"] * 60
    where = torch.cuda.get_device_name()
    figures.add(f"both tables of the paper, on {where}", seconds, target="at most 600 s", reached=seconds <= 600)
    for encoder in ("conv", "vgg16", "resnet50"):
        rates = [o.record.train_images_per_second for o in outcomes if o.trial.encoder == encoder]
        slowest = max(o.record.fit_seconds for o in outcomes if o.trial.encoder == encoder)
        figures.add(f"slowest of its fits with {encoder}", slowest, figure=f"{min(rates):.0f} images/s")
