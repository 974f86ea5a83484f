"""Judges hazelnuts that were resized to 256 pixels against whole masks, as those in tiles are in `tiles.jsonl`.

    python tiles_judged_alike.py hazelnut_toy weights > tiles_judged_alike.md

Maps are enlarged bilinearly from 256 to 512 pixels, and detectors are fitted anew as for the rows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import harness
from harness.metrics.pixel import aupro, pixel_average_precision

ENCODER = "timm[name=tf_efficientnet_lite0.in1k]"
SEEDS = (0, 1, 2)


def mask_of(photo: Path) -> np.ndarray:
    """(512, 512), 1 where the photo is defective."""
    drawn = photo.parents[2] / "ground_truth" / photo.parent.name / f"{photo.stem}.png"
    return np.asarray(Image.open(drawn).convert("L")) > 0 if drawn.exists() else np.zeros((512, 512), bool)


def resized(plane: np.ndarray, size: int, by: Image.Resampling) -> np.ndarray:
    """(size, size)."""
    return np.asarray(Image.fromarray(plane).resize((size, size), by))


def maps_of(model: str, seed: int, folder: Path, weights: str) -> list[np.ndarray]:
    """The maps of all test photos, by one fit."""
    photos = sorted(folder.glob("test/*/*.*"))
    with tempfile.TemporaryDirectory() as store:
        shared = {"data_root": folder, "weights_dir": weights, "store": store, "keep_models": True, "floors": False}
        shared |= {"device": "cpu", "precision": "fp32", "jobs": 1, "quiet": True}
        harness.run(models=model, encoders=ENCODER, seeds=[seed], image_size=256, **shared)
        (kept,) = Path(store, "models").iterdir()
        return [one.map for one in harness.load(kept, weights_dir=weights).predict(photos)]


def judged(maps: list[np.ndarray], masks: list[np.ndarray], size: int) -> tuple[float, float]:
    """AUPRO and pixel average precision, all of it at this size."""
    marks = [resized(mask.astype(np.uint8), size, Image.Resampling.NEAREST) for mask in masks]
    scaled = [resized(one.astype(np.float32), size, Image.Resampling.BILINEAR) for one in maps]
    planes, truth = np.stack(scaled), np.stack(marks)
    return aupro(planes, truth) or 0.0, pixel_average_precision(planes, truth) or 0.0


def main(folder: Path, weights: str) -> None:
    """A line for each detector."""
    masks = [mask_of(photo) for photo in sorted(folder.glob("test/*/*.*"))]
    print("### Maps of hazelnuts resized to 256 pixels, judged at 256 and at 512\n")
    print("| method | AUPRO at 256 | AP at 256 | AUPRO at 512 | AP at 512 |")
    print("|---" * 5 + "|")
    for model in ("patchcore", "subspace"):
        every = [maps_of(model, seed, folder, weights) for seed in SEEDS]
        by_seed = [[*judged(maps, masks, 256), *judged(maps, masks, 512)] for maps in every]
        means, spread = np.mean(by_seed, axis=0), np.std(by_seed, axis=0, ddof=1)
        figures = (f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(means, spread, strict=True))
        print(f"| {model} · effnet_lite0 | {' | '.join(figures)} |", flush=True)
    print("\n± standard deviation over 3 seeds.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
