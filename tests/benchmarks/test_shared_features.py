"""Ten detectors by three seeds on one frozen encoder, against one detector that extracts its own features."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import harness_features.frozen as frozen
import harness_features.moments as moments
import harness_features.patches as patches
import harness_features.shared_maps as shared
from harness import Encoder, Images, Model, Run
from harness.plugin.registry import Registry
from harness_features.shared_statistics import Remembered

DETECTORS = (
    "gaussian", "padim[features=40]", "subspace", "subspace[measure=likelihood]", "knn[memory=500]",
    "knn[features=pooled]", "outlier", "outlier[detector=local_outlier_factor]", "outlier[detector=kernel_density]",
    "outlier[detector=one_class_svm]",
)  # fmt: skip
RUN = Run(image_size=252, weights="random")
REGISTRY = Registry.discover(environ={"HARNESS_PLUGINS": ""})


class Published(Encoder):
    """dinov2_small, whose weights are the same for all seeds, as published ones are."""

    name = "published"

    def build(self, run: Run):
        raise NotImplementedError

    def build_pyramid(self, run: Run, reductions: tuple[int, ...]):
        torch.manual_seed(0)
        return REGISTRY.make(Encoder, "dinov2_small").build_pyramid(run, reductions)


def drawn(count: int, seed: int) -> Images:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 252, 252, 3), dtype=np.uint8)
    return Images(pixels, tuple(f"{seed}/{i}.png" for i in range(count)))


def test_ten_detectors_by_three_seeds_against_one(
    figures, peak, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = drawn(96, 1), drawn(32, 2)
    rounds, memory = iter(range(100)), peak()
    processor: dict[str, float] = {}

    def fit(spelling: str, seed: int) -> np.ndarray:
        start = time.process_time()
        model = REGISTRY.make(Model, spelling)
        model.fit(train, encoder=Published(), loss=None, run=replace(RUN, seed=seed))
        scores = model.score(test)
        found = scores.images if scores.maps is None else scores.maps.max(axis=(1, 2))
        processor[spelling] = processor.get(spelling, 0) + time.process_time() - start
        return found

    def fresh() -> None:
        """As in a new process with an empty cache."""
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / str(next(rounds))))
        for kept in (shared._layouts, shared._read, frozen._built, processor):
            kept.clear()
        for module in (moments, patches):
            monkeypatch.setattr(module, "remembered", Remembered())

    def all_of_them() -> np.ndarray:
        fresh()
        with memory:
            first, *_ = [fit(spelling, seed) for seed in range(3) for spelling in DETECTORS]
        return first

    def one() -> np.ndarray:
        fresh()
        return fit(DETECTORS[0], 0)

    ours, theirs = figures.race("10 detectors x 3 seeds, against one", all_of_them, one, at_most=1.5, rounds=1)
    np.testing.assert_array_equal(ours, theirs)
    features = 128 * 2 * 384 * 18 * 18 * 4
    print(f"\npeak {memory.bytes / 1e6:.0f} MB beside mapped files; the features have {features / 1e6:.0f} MB")
    print("seconds of the processor: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in processor.items()))


def test_how_cost_grows_with_detectors(figures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many detectors on one frozen encoder, seconds of the processor; the least of two."""
    train, test = drawn(48, 1), drawn(16, 2)
    for count in (1, 3, 10):
        least = float("inf")
        for turn in range(2):
            monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / f"{count}-{turn}"))
            for kept in (shared._layouts, shared._read, frozen._built):
                kept.clear()
            for module in (moments, patches):
                monkeypatch.setattr(module, "remembered", Remembered())
            start = time.process_time()
            for spelling in DETECTORS[:count]:
                model = REGISTRY.make(Model, spelling)
                model.fit(train, encoder=Published(), loss=None, run=RUN)
                model.score(test)
            least = min(least, time.process_time() - start)
        figures.add(f"{count} detectors on one frozen encoder, 48 + 16 images (CPU seconds)", least)
