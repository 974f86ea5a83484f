"""Our PatchCore beside anomalib's: same images, same backbone and weights, same share of patches, in one process.

    pip install anomalib==2.7.0
    python patchcore_sides.py /data/mvtec_ad weights bottle,pill,screw 10 > patchcore_sides.md

The memory of anomalib's side is chosen by our greedy algorithm in anomalib's own projection: the choice is the same, in
a tenth of the time. All else of that side is its own: normalisation, projection, image score and map.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from anomalib.models.components.dimensionality_reduction import SparseRandomProjection
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from harness.metrics.pixel import aupro, pixel_auroc
from harness_datasets.published import MvtecAd
from harness_features.maps import enlargement
from harness_features.neighbours import NearestNeighbour, k_center_greedy, projection, usual_memory

BACKBONE, LAYERS = "tf_efficientnet_lite0", ("blocks.2", "blocks.4")
NORMALISED = {"timm": ((0.5,) * 3, (0.5,) * 3), "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}
SHARE, BATCH = 0.01, 8
AS_IT_IS = 2
"""So many seeds of anomalib with ImageNet's mean and deviation, which is how it comes."""


def backbone(weights: Path) -> Any:
    """The model of anomalib with the weights that we use."""
    model = PatchcoreModel(layers=LAYERS, backbone=BACKBONE, pre_trained=False)
    state = load_file(weights / f"{BACKBONE}.in1k.safetensors")
    lacking = model.feature_extractor.feature_extractor.load_state_dict(state, strict=False).missing_keys
    assert not lacking, lacking
    return model.eval()


def patches_of(model: Any, pixels: np.ndarray, normalised: str) -> torch.Tensor:
    """(N, h, w, C), anomalib's embedding, which is ours to the last digits."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in NORMALISED[normalised])
    found = []
    with torch.no_grad():
        for start in range(0, len(pixels), BATCH):
            images = torch.tensor(pixels[start : start + BATCH]).permute(0, 3, 1, 2) / 255
            maps = model.feature_extractor((images - mean) / std)
            pooled = {name: model.feature_pooler(values) for name, values in maps.items()}
            found.append(model.generate_embedding(pooled).permute(0, 2, 3, 1).contiguous())
    return torch.cat(found)


def reweighted(model: Any, memory: torch.Tensor, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Image scores (N,) as anomalib makes them, and patch scores (N, h, w)."""
    model.memory_bank = memory
    scores, raw = [], []
    for one in patches:
        rows = one.flatten(0, 1)
        nearest, places = model.nearest_neighbors(rows, 1)
        scores.append(model.compute_anomaly_score(nearest[None], places[None], rows))
        raw.append(nearest.view(one.shape[:2]))
    return torch.cat(scores), torch.stack(raw)


def measured(name: str, split: Any, images: torch.Tensor, maps: np.ndarray) -> None:
    """One line of the table."""
    figures = [roc_auc_score(split.test.labels, images.numpy()), pixel_auroc(maps, split.test.masks)]
    figures.append(aupro(maps, split.test.masks))
    print("|", name, "|", " | ".join(f"{figure:.4f}" for figure in figures), "|", flush=True)


def sides(root: Path, weights: Path, category: str, seeds: int) -> None:
    """The table of one category."""
    dataset = MvtecAd()
    dataset.root = root
    split = dataset.load(category, 256)
    print(f"\n### {category}\n\n| | image AUROC | pixel AUROC | AUPRO |\n|---|---|---|---|", flush=True)
    model = backbone(weights)
    grow = torch.tensor(enlargement(32, 256, 4.0))
    for normalised in NORMALISED:
        train, test = (patches_of(model, part.pixels, normalised) for part in (split.train, split.test))
        rows = train.flatten(0, 2)
        for seed in range(seeds if normalised == "timm" else AS_IT_IS):
            said = f"{normalised} mean and deviation, seed {seed}"
            if normalised == "timm":
                chosen = k_center_greedy(rows @ projection(rows.shape[1], seed), usual_memory(len(rows)), seed)
                memory = rows[np.sort(chosen)]
                found = NearestNeighbour(memory)(test)
                maps = (grow @ found @ grow.T).numpy()
                ours = f"**ours**, version 3, 1 % of all patches ({len(memory)}), {said}"
                measured(ours, split, torch.tensor(maps.max((1, 2))), maps)
                measured("- by its largest patch", split, found.amax((1, 2)), maps)
                measured("- by its largest patch, re-weighted", split, reweighted(model, memory, test)[0], maps)
            torch.manual_seed(seed)
            np.random.seed(seed)  # which anomalib draws from
            projected = SparseRandomProjection(eps=0.9).fit(rows).transform(rows)
            theirs = k_center_greedy(projected, int(SHARE * len(rows)), seed)
            images, raw = reweighted(model, rows[theirs], test)
            blurred = model.anomaly_map_generator(raw[:, None], (256, 256))[:, 0].numpy()
            name = "**anomalib**" if normalised == "ImageNet" else "anomalib but for the normalisation"
            measured(f"{name}, 1 % of all patches ({len(theirs)}), {said}", split, images, blurred)
            measured("- by the largest of its map", split, torch.tensor(blurred.max((1, 2))), blurred)


def main(root: str, weights: str, categories: str, seeds: str) -> None:
    """Print a table for each category."""
    print(f"anomalib 2.7.0, timm {timm.__version__}, torch {torch.__version__}, {BACKBONE}")
    for category in categories.split(","):
        sides(Path(root), Path(weights), category, int(seeds))


if __name__ == "__main__":
    main(*sys.argv[1:])
