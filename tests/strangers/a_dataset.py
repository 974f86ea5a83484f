"""A stranger's data set, written against contract 1: grey plates, and ones with a bright spot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import GOOD, DataError, Dataset, Images, Split, hookimpl


@dataclass
class StrangerPlates(Dataset):
    """Plates that are drawn."""

    name = "stranger_plates"
    licence = "MIT"
    needs_root = False
    homepage = "https://example.org/plates"
    layout = "nothing"
    defaults = {"image_size": 32, "epochs": 2, "batch_size": 4, "lr": 1e-3, "weights": "random"}
    plates: int = 6

    def categories(self) -> tuple[str, ...]:
        return ("dark", "light")

    def train_count(self, category: str) -> int | None:
        return self.plates

    def load(self, category: str, image_size: int) -> Split:
        if category not in self.categories():
            raise DataError(f"no plates of {category!r}")
        return Split(
            train=self._draw(category, "train", self.plates, 0, image_size),
            test=self._draw(category, "test", 4, 4, image_size),
            sizes=(f"{image_size}x{image_size}",),
            modes=("RGB",),
        )

    def _draw(self, category: str, part: str, good: int, bad: int, size: int) -> Images:
        rng = np.random.default_rng([len(category), len(part)])
        pixels = rng.integers(80, 100, (good + bad, size, size, 3)).astype(np.uint8)
        masks = np.zeros((good + bad, size, size), np.uint8)
        masks[good:, 4 : 4 + size // 4, 4 : 4 + size // 4] = 1
        pixels[masks == 1] = 250
        kinds = (GOOD,) * good + ("spot",) * bad
        paths = tuple(f"{part}/{kind}/{number:03}.png" for number, kind in enumerate(kinds))
        return Images(pixels, paths, kinds, masks)


@hookimpl
def harness_datasets():
    return [StrangerPlates]
