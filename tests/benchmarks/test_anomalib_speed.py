"""PatchCore and PaDiM against anomalib's: the same photos, encoder, weights and share of patches, in one process.

Without lightning, and with the mean and deviation that the encoder was trained with: both are in anomalib's favour.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from harness import Encoder, Images, Model, Run
from harness.plugin.registry import Registry
from harness_anomalib.quiet import quiet
from harness_datasets.published import MvtecAd

SHARED = Path(__file__).parents[2].parent / "shared"
ENCODER, LAYERS, MEAN = "tf_efficientnet_lite0", ("blocks.2", "blocks.4"), 0.5
CATEGORY, SHARE = "bottle", 0.01
FITTED = int(os.environ.get("ANOMALIB_IMAGES", "60"))
"""So many of bottle's 209 training images: the greedy choice of anomalib grows with their square, and takes minutes for all."""
BATCH = 8
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:anomalib", "ignore:Argument embeddings")
REGISTRY = Registry.discover(environ={"HARNESS_PLUGINS": ""})


@dataclass
class Side:
    """What one of the two came to."""

    scores: np.ndarray
    memory: torch.Tensor | None = None
    seconds: float = 0.0
    peak: int = 0


@pytest.fixture(scope="module")
def photos() -> tuple[Images, Images]:
    """Some images to fit to, and all test images."""
    if not (SHARED / "data" / "mvtec_ad_256").is_dir():
        pytest.skip("../shared/data is absent")
    if find_spec("anomalib") is None:
        pytest.skip("anomalib is not installed: see .ci/adapters")
    with quiet():
        import anomalib.models  # noqa: F401
    dataset = MvtecAd()
    dataset.root = SHARED / "data" / "mvtec_ad_256"
    split = dataset.load(CATEGORY, 256)
    return split.train.take(slice(0, FITTED)), split.test


def ours(spelling: str, train: Images, test: Images) -> Side:
    model: Any = REGISTRY.make(Model, spelling)
    encoder = REGISTRY.make(Encoder, f"timm[name={ENCODER}.in1k]")
    model.fit(train, encoder=encoder, loss=None, run=Run(weights_dir=SHARED / "weights"))
    maps = model.score(test).maps
    return Side(maps.max(axis=(1, 2)), model.state().get("detector.memory"))


def theirs(made: Callable[[], Any], train: Images, test: Images, settle: Callable[[Any], None]) -> Side:
    model = made()
    weights = load_file(SHARED / "weights" / f"{ENCODER}.in1k.safetensors")
    lacking = model.feature_extractor.feature_extractor.load_state_dict(weights, strict=False).missing_keys
    assert not lacking, lacking
    with torch.no_grad():
        model.train()
        model.feature_extractor.eval()
        for batch in batches(train):
            model(batch)
        settle(model)
        model.eval()
        scores = torch.cat([model(batch).pred_score.reshape(-1) for batch in batches(test)])
    return Side(scores.numpy(), getattr(model, "memory_bank", None))


def batches(images: Images) -> Any:
    for start in range(0, len(images), BATCH):
        pixels = torch.tensor(images.pixels[start : start + BATCH]).permute(0, 3, 1, 2) / 255
        yield (pixels - MEAN) / MEAN


def measured(side: Callable[[], Side], peak: Any) -> Side:
    with peak() as memory:
        start = time.process_time()
        found = side()
        found.seconds = time.process_time() - start
    found.peak = memory.bytes
    return found


def raced(
    figures, peak, what: str, sides: tuple[Callable[[], Side], Callable[[], Side]], test: Images, at_least: float
):
    here, there = figures.race(
        what, lambda: measured(sides[0], peak), lambda: measured(sides[1], peak), at_least=at_least, rounds=1
    )
    aurocs = [roc_auc_score(test.labels, side.scores) for side in (here, there)]
    print(
        f"\n{what}: CPU {here.seconds:.1f} s, {there.seconds:.1f} s ({there.seconds / here.seconds:.1f} x); "
        f"memory {here.peak / 1e6:.0f}, {there.peak / 1e6:.0f} MB; AUROC {aurocs[0]:.4f}, {aurocs[1]:.4f}"
    )
    assert abs(aurocs[0] - aurocs[1]) <= 0.005
    ratio = here.peak / there.peak
    figures.add(
        f"{what}: memory at the peak, and seconds of the processor",
        here.seconds,
        there.seconds,
        f"{ratio:.2f} x the memory",
        "less",
        ratio < 1,
    )
    return here, there


def test_patchcore_against_anomalib(
    figures, peak, monkeypatch: pytest.MonkeyPatch, photos: tuple[Images, Images]
) -> None:
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    monkeypatch.setenv("HARNESS_FEATURES_GB", "0")  # features that an earlier round kept would be no race
    train, test = photos
    count = int(SHARE * len(train) * 32 * 32)
    here, there = raced(
        figures,
        peak,
        f"PatchCore, {len(train)} + {len(test)} images, 1 % of patches, against anomalib",
        (
            lambda: ours(f"patchcore[memory={count}]", train, test),
            lambda: theirs(
                lambda: PatchcoreModel(layers=LAYERS, backbone=ENCODER, pre_trained=False),
                train,
                test,
                lambda model: model.subsample_embedding(SHARE),
            ),
        ),
        test,
        8.0,
    )
    assert len(here.memory) == len(there.memory) == count
    radii = [radius(torch.as_tensor(side.memory), train) for side in (here, there)]
    print(f"largest distance of a patch from the memory: {radii[0]:.3f}, {radii[1]:.3f}")
    assert radii[0] <= 1.05 * radii[1]


def radius(memory: torch.Tensor, train: Images) -> float:
    """The distance of the training patch that is farthest from all that are remembered."""
    model: Any = REGISTRY.make(Model, "patchcore[coreset=random,memory=1]")
    encoder = REGISTRY.make(Encoder, f"timm[name={ENCODER}.in1k]")
    model.fit(train.take(slice(0, 1)), encoder=encoder, loss=None, run=Run(weights_dir=SHARED / "weights"))
    return max(
        float(torch.cdist(batch.flatten(0, 2), memory).amin(dim=1).max()) for _, batch in model._patches.of(train)
    )


def test_padim_against_anomalib(figures, peak, monkeypatch: pytest.MonkeyPatch, photos: tuple[Images, Images]) -> None:
    from anomalib.models.image.padim.torch_model import PadimModel

    monkeypatch.setenv("HARNESS_FEATURES_GB", "0")
    train, test = photos
    raced(
        figures,
        peak,
        f"PaDiM, {len(train)} + {len(test)} images, 100 features, against anomalib",
        (
            lambda: ours("padim", train, test),
            lambda: theirs(
                lambda: PadimModel(backbone=ENCODER, layers=list(LAYERS), pre_trained=False, n_features=100),
                train,
                test,
                lambda model: model.fit(),
            ),
        ),
        test,
        3.0,
    )
