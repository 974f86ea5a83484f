"""PaDiM and PatchCore against AnomaVision's, and kNN on pooled features against imgad's: same encoder, weights, images and memory.

Weights are drawn, for no published ones of ResNet18 are at hand; what a multiplication costs does not depend on them.
imgad has no PaDiM, PatchCore or feature_ae of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import Encoder, Images, Model, Run
from harness.deployment.engines import ENGINES, Engine
from harness.plugin.registry import Registry
from harness_features import frozen, moments, patches, shared_maps
from harness_features.shared_statistics import Remembered

FITTED = int(os.environ.get("ANOMAVISION_IMAGES", "60"))
SCORED, SIZE, BATCH = 24, 256, 8
RUN = Run(image_size=SIZE, weights="random")
REGISTRY = Registry.discover(environ={"HARNESS_PLUGINS": ""})
pytestmark = pytest.mark.filterwarnings("ignore")
"""AnomaVision imports what warns."""


def drawn(count: int, seed: int) -> Images:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return Images(pixels, tuple(f"{seed}/{place}.png" for place in range(count)))


TRAIN, TEST = drawn(FITTED, 1), drawn(SCORED, 2)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Makes this process one that has extracted no features and built no encoder, with an empty cache."""
    rounds = iter(range(100))

    def forget() -> None:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / str(next(rounds))))
        for kept in (shared_maps._layouts, shared_maps._read, frozen._built):
            kept.clear()
        for module in (moments, patches):
            monkeypatch.setattr(module, "remembered", Remembered())

    return forget


@pytest.fixture
def anomavision(monkeypatch: pytest.MonkeyPatch) -> Any:
    if find_spec("anomavision") is None:
        pytest.skip("anomavision is not installed: pip install --no-deps anomavision, and what it imports")
    module = pytest.importorskip("anomavision", exc_type=ImportError)
    from anomavision.algorithm.common import feature_extraction as theirs

    monkeypatch.setitem(theirs.BACKBONES, "resnet18", (theirs.resnet18, None))
    return module


def batches(images: Images, size: int = BATCH) -> list[torch.Tensor]:
    parts = (images.pixels[start : start + size] for start in range(0, len(images), size))
    return [torch.tensor(part).permute(0, 3, 1, 2) / 255 for part in parts]


def opened(engine: Engine, file: Path, image: torch.Tensor) -> Callable[[], Any]:
    """A call that runs a graph of one image on one thread; OpenVINO reads ONNX files too."""
    onnx = pytest.importorskip("onnx")
    graph, pixels = engine.open(file, 1), {onnx.load(file).graph.input[0].name: image.numpy()}
    return lambda: graph(pixels)


class Sides:
    """A model of each side, made anew for each fit, and the CPU seconds of both."""

    def __init__(self, spelling: str, made: Callable[[], Any], fresh: Callable[[], None], folder: Path) -> None:
        self.spelling, self.made, self.fresh, self.folder = spelling, made, fresh, folder
        self.cpu: dict[str, float] = {}

    def ours(self) -> np.ndarray:
        self.fresh()
        start = time.process_time()
        self.fitted: Any = REGISTRY.make(Model, self.spelling)
        self.fitted.fit(TRAIN, encoder=REGISTRY.make(Encoder, "timm[name=resnet18]"), loss=None, run=RUN)
        maps = self.fitted.score(TEST).maps
        self.cpu["ours"] = time.process_time() - start
        return maps

    def theirs(self) -> np.ndarray:
        start = time.process_time()
        self.model = self.made()
        with torch.no_grad():
            self.model.fit([(batch, 0) for batch in batches(TRAIN)])
            maps = torch.cat([self.model.predict(batch)[1] for batch in batches(TEST)])
        self.cpu["theirs"] = time.process_time() - start
        return maps.numpy()

    def raced(self, figures: Any, name: str) -> None:
        what = f"{name} of {FITTED} images, {SCORED} scored, against AnomaVision"
        here, there = figures.race(what, self.ours, self.theirs, at_least=1.0, rounds=1)
        assert here.shape == there.shape == (SCORED, SIZE, SIZE)
        ratio = self.cpu["theirs"] / self.cpu["ours"]
        print(f"\n{what}: CPU {self.cpu['ours']:.2f} s, {self.cpu['theirs']:.2f} s ({ratio:.2f} x)")
        self.raced_on_one_image(figures, name)

    def raced_on_one_image(self, figures: Any, name: str) -> None:
        """Both are given the same tensor, by turns, and the least of many times is taken."""
        image, network = batches(TEST, 1)[0], self.fitted.network().eval()
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        with torch.no_grad():
            for _ in range(20):
                for side, ask in (("ours", network), ("theirs", self.model.predict)):
                    start = time.perf_counter()
                    ask(image)
                    times[side].append(time.perf_counter() - start)
        here, there = min(times["ours"]), min(times["theirs"])
        figure = f"{there / here:.3g} x as fast"
        figures.add(f"{name} one image, in torch", here, there, figure, "at least 1 x as fast", there >= here)
        self.raced_on_each_engine(figures, name, image, network)

    def raced_on_each_engine(self, figures: Any, name: str, image: torch.Tensor, network: torch.nn.Module) -> None:
        """Both as ONNX graphs, exported as each side exports them, of one image and on one thread."""
        graphs = {"ours": self.folder / "ours.onnx", "theirs": self.folder / "theirs.onnx"}
        torch.onnx.export(network, (image,), graphs["ours"], dynamo=True, external_data=False)
        theirs = import_module("anomavision.export")._ExportWrapper(self.model)
        torch.onnx.export(theirs, (image,), graphs["theirs"], dynamo=False, opset_version=17)
        for engine in ENGINES.values():
            asked = {side: opened(engine, file, image) for side, file in graphs.items()}
            times: dict[str, list[float]] = {side: [] for side in asked}
            for _ in range(30):
                for side, ask in asked.items():
                    start = time.process_time()
                    ask()
                    times[side].append(time.process_time() - start)
            here, there = (min(times[side]) for side in ("ours", "theirs"))
            figure, what = f"{there / here:.3g} x as fast", f"{name} one image, on {engine.title} (CPU seconds)"
            print(f"{what}: {here * 1e3:.1f} ms, {there * 1e3:.1f} ms ({figure})")
            figures.add(what, here, there, figure, "at least 1 x as fast", there >= here)


def test_padim_against_anomavision(figures: Any, anomavision: Any, fresh: Any, tmp_path: Path) -> None:
    Sides(
        "padim[features=50,reductions=4-8]",
        lambda: anomavision.Padim(backbone="resnet18", layer_indices=[0, 1], feat_dim=50),
        fresh,
        tmp_path,
    ).raced(figures, "PaDiM, 50 of ResNet18's channels,")


def test_patchcore_against_anomavision(figures: Any, anomavision: Any, fresh: Any, tmp_path: Path) -> None:
    memory = FITTED * (SIZE // 8) ** 2 // 100
    Sides(
        f"patchcore[memory={memory},reductions=8-16]",
        lambda: anomavision.PatchCore(
            backbone="resnet18", layer_indices=[1, 2], coreset_ratio=0.01, max_memory_patches=None, patch_grid=None
        ),
        fresh,
        tmp_path,
    ).raced(figures, "PatchCore, a memory of 1 % of ResNet18's patches,")


def test_neighbours_of_pooled_features_against_imgad(figures: Any, fresh: Any) -> None:
    if find_spec("imgad") is None:
        pytest.skip("imgad is not installed: pip install --no-deps imgad, and what it imports")
    detectors = pytest.importorskip("imgad.detectors.classical", exc_type=ImportError)

    def pooled(encoder: torch.nn.Module, images: Images) -> np.ndarray:
        with torch.no_grad():
            maps = (encoder(batch) for batch in batches(images))
            return torch.cat([torch.cat([one.mean((2, 3)) for one in some], dim=1) for some in maps]).numpy()

    cpu: dict[str, float] = {}

    def theirs() -> np.ndarray:
        start = time.process_time()
        encoder = REGISTRY.make(Encoder, "timm[name=resnet18]").build_pyramid(RUN, (8, 16)).eval()
        detector = detectors.KNNDetector(k=1, metric="euclidean").fit(pooled(encoder, TRAIN))
        found = detector.score(pooled(encoder, TEST))
        cpu["theirs"] = time.process_time() - start
        return found

    def ours() -> np.ndarray:
        fresh()
        start = time.process_time()
        model = REGISTRY.make(Model, "knn[features=pooled,reductions=8-16]")
        model.fit(TRAIN, encoder=REGISTRY.make(Encoder, "timm[name=resnet18]"), loss=None, run=RUN)
        found = model.score(TEST).images
        cpu["ours"] = time.process_time() - start
        return found

    here, there = figures.race(
        f"kNN on pooled features of {FITTED} images, against imgad", ours, theirs, at_least=1.0, rounds=3
    )
    print(f"\nkNN: CPU {cpu['ours']:.2f} s, {cpu['theirs']:.2f} s ({cpu['theirs'] / cpu['ours']:.2f} x)")
    assert len(here) == len(there) == SCORED
