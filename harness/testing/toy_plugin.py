"""A plugin file with a data set and a model in numpy, for checks that need whole trials, also in other processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import Dataset, Encoder, Images, Loss, Model, Run, Scores, Split, TrainingError, hookimpl
from harness.testing.toys import toy_images


class ToyParts(Dataset):
    """One category of small images, which needs no files."""

    name = "toy_parts"
    licence = "MIT"
    needs_root = False

    def categories(self) -> tuple[str, ...]:
        return ("toy",)

    def load(self, category: str, image_size: int) -> Split:
        return Split(toy_images(6, size=image_size), toy_images(6, defective=3, seed=1, size=image_size))


@dataclass
class ToyMean(Model):
    """Scores by the distance from the mean image; `fail` makes a fit fail."""

    name = "toy_mean"
    licence = "MIT"
    uses = frozenset({"pool"})

    fail: bool = False

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        if self.fail:
            raise TrainingError("this fit was asked to fail")
        self.mean = normal.pixels.mean(axis=0) + run.seed

    def score(self, images: Images) -> Scores:
        return Scores(maps=np.abs(images.pixels - self.mean).mean(axis=3))


@hookimpl
def harness_datasets() -> list[type[Dataset]]:
    """The data set."""
    return [ToyParts]


@hookimpl
def harness_models() -> list[type[Model]]:
    """The model."""
    return [ToyMean]
