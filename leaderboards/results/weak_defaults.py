"""Looks for weak defaults of the detectors of frozen features, on training images alone.

    python weak_defaults.py /data/mvtec_ad/bottle weights >> weak_defaults.md

A quarter of the normal training images is held out. Pasted defects (a piece of the image itself, turned and laid
elsewhere) make anomalous images of these. A default is weak where another value parts the two clearly better on several
categories. The last column is the real test set, which no choice was made by.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import harness
from harness import Images, Run
from harness.plugin.registry import Registry
from harness.trials.datasets import load, open_dataset

ENCODER = "timm[name=tf_efficientnet_lite0.in1k]"
VARIANTS = {
    "padim": ("", "features=150", "epsilon=0.1"),
    "knn": ("", "distance=euclidean"),
    "subspace": ("", "variance=0.95"),
    "gaussian": ("", "shrinkage=0.1"),
    "patchcore": ("",),
}
SIZE = 256


def pasted(images: Images) -> Images:
    """Each image with a piece of itself, a tenth of its side to a quarter, turned by 90 degrees and laid elsewhere."""
    pixels, draws = images.pixels.copy(), np.random.default_rng(0)
    for image in pixels:
        side = int(draws.integers(SIZE // 10, SIZE // 4))
        (top, left), (row, column) = draws.integers(0, SIZE - side, (2, 2))
        piece = np.rot90(image[top : top + side, left : left + side]).copy()
        image[row : row + side, column : column + side] = piece
    return Images(pixels, tuple(f"pasted/{path}" for path in images.paths))


def scores(model: Any, pool: Any, images: Images) -> np.ndarray:
    """(N,), by the pool that the model suits."""
    found = model.score(images)
    return pool.score(found.maps) if found.maps is not None else found.images


def main(folder: str, weights: str) -> None:
    """One category: a line a variant."""
    place, registry = Path(folder), Registry.discover()
    dataset = open_dataset(registry, "folder", place.parent)
    split = load(dataset, place.name, SIZE)
    order = np.random.default_rng(0).permutation(len(split.train))
    out = np.sort(order[: len(order) // 4])
    fitted, held = split.train.take(np.sort(order[len(order) // 4 :])), split.train.take(out)
    defective, some = pasted(held), fitted.take(slice(0, len(held)))
    run = Run(seed=0, image_size=SIZE, weights_dir=Path(weights))
    print(f"\n### {place.name}: {len(fitted)} fitted, {len(held)} held out and as many with a pasted defect\n")
    print("| detector | AUROC of pasted defects | held-out score / fitted score | AUROC of the test set |")
    print("|---" * 4 + "|")
    for name, variants in VARIANTS.items():
        for options in variants:
            spelt = f"{name}[{options}]" if options else name
            model = registry.make(harness.Model, spelt)
            pool = registry.make(harness.Pool, model.default_pool)
            model.fit(fitted, encoder=registry.make(harness.Encoder, ENCODER), loss=None, run=replace(run))
            known, new, odd, test = (scores(model, pool, one) for one in (some, held, defective, split.test))
            parted = roc_auc_score(np.repeat([0, 1], len(new)), np.concatenate([new, odd]))
            real = roc_auc_score(split.test.labels, test)
            default = " (default)" if not options else ""
            print(
                f"| {spelt}{default} | {parted:.3f} | {np.median(new) / np.median(known):.2f} | {real:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
