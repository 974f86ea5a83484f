"""Five categories like those of the paper, drawn by the program with exact masks: a data set without files."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness import GOOD, Dataset, Images, Split, UsageError, unknown_name
from harness_datasets.parallel import on_all_cores
from harness_datasets.synthetic import bottle, hazelnut, pill, screw, tile

DRAWINGS: dict[str, ModuleType] = {"bottle": bottle, "hazelnut": hazelnut, "pill": pill, "screw": screw, "tile": tile}
VERSION = 1
"""The version of the drawings. Raise it when pictures change, so that stored scores of others are told apart."""
GRAIN = 0.012
"""Standard deviation of the camera's noise, in 256ths of the picture's width."""


@dataclass
class Synthetic(Dataset):
    """Procedural hazelnut, bottle, pill, screw and tile with several kinds of defect each."""

    name = "synthetic"
    licence = "CC0-1.0"
    source = "drawn by this package, after the five categories of Kumar, Malik and Puglisi"
    homepage = "https://pypi.org/project/anomaly-harness"
    layout = "no files"
    needs_root: ClassVar[bool] = False
    # Small and quick: 60 fits, with networks as large as VGG16 and ResNet50, in less than two minutes on two cores.
    defaults: ClassVar[Mapping[str, Any]] = {
        "image_size": 64,
        "epochs": 1,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "weights": "random",
    }

    seed: int = 0
    n_train: int = 16
    n_test_good: int = 6
    n_test_defective: int = 10
    """Divided evenly between the kinds of defect."""

    def __post_init__(self) -> None:
        for option, least in (("seed", 0), ("n_train", 1), ("n_test_good", 1), ("n_test_defective", 1)):
            if getattr(self, option) < least:
                raise ValueError(f"option {option!r} is {getattr(self, option)}, expected at least {least}")

    def categories(self) -> tuple[str, ...]:
        """The five, sorted."""
        return tuple(sorted(DRAWINGS))

    def train_count(self, category: str) -> int | None:
        """The same number for all categories."""
        return self.n_train

    def load(self, category: str, image_size: int) -> Split:
        """Draw all images of a category, each from its own seed. Raises UsageError for an unknown category."""
        if category not in DRAWINGS:
            raise UsageError(unknown_name("category", category, DRAWINGS))
        kinds = [DRAWINGS[category].DEFECTS[i % len(DRAWINGS[category].DEFECTS)] for i in range(self.n_test_defective)]
        description = (VERSION, self.seed, category)
        return Split(
            train=self._images(category, "train", [GOOD] * self.n_train, image_size),
            test=self._images(category, "test", [GOOD] * self.n_test_good + sorted(kinds), image_size),
            sizes=(f"{image_size}x{image_size}",),
            source_hash=hashlib.sha256(repr(description).encode()).hexdigest(),
        )

    def _images(self, category: str, split: str, defects: list[str], size: int) -> Images:
        def one(index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
            return picture(category, defects[index], (self.seed, zlib.crc32(split.encode()), index), size)

        drawn = on_all_cores(one, len(defects))
        masks = np.stack([mask for _, mask in drawn])
        return Images(
            pixels=np.stack([pixels for pixels, _ in drawn]),
            paths=tuple(f"{split}/{kind}/{index:03}.png" for index, kind in enumerate(defects)),
            defects=tuple(defects),
            masks=masks if split == "test" else None,
        )


def picture(
    category: str, defect: str, seed: tuple[int, ...], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image (size, size, 3) and its mask (size, size); the same seed draws the same object without its defect."""
    finer = max(2, 128 // size)
    n = size * finer
    rng = np.random.default_rng((zlib.crc32(category.encode()), *seed))
    fault = np.random.default_rng((zlib.crc32(category.encode()), *seed, 1))
    canvas, cover = DRAWINGS[category].draw(rng, n, defect, fault)
    grain = Image.fromarray(rng.standard_normal((256, 256), dtype=np.float32))
    canvas = canvas * np.float32(rng.normal(1, 0.02)) + GRAIN * np.asarray(grain.resize((n, n)))
    levels = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    pixels = Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0))).reduce(finer)
    share = Image.fromarray((cover * 255).astype(np.uint8)).reduce(finer)
    return np.asarray(pixels), (np.asarray(share) >= 64).astype(np.uint8)
