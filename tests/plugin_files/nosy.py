"""Models that look for the answers in what they are handed, one that writes into it, and an oracle that hides."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np

from harness import Images, Model, OracleThreshold, Run, Scores, Threshold, hookimpl


@dataclass
class Nosy(Model):
    """Scores by what it finds beside the pixels, else by the distance to the mean image."""

    name = "nosy"
    looks_at: str = ""

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        if self.looks_at == "pixels to write":
            pixels = normal.pixels
            pixels[pixels < 120] = 120
        self.centre, self.counter = normal.pixels.mean(axis=0), count()

    def score(self, images: Images) -> Scores:
        found = {
            "labels": lambda: images.labels,
            "kinds": lambda: [kind != "good" for kind in images.defects],
            "masks": lambda: images.masks.any(axis=(1, 2)) if images.masks is not None else [0] * len(images),
            "names": lambda: ["/good/" not in path and path.startswith("test/") for path in images.paths],
            "order": lambda: range(len(images)),
            "calls": lambda: [next(self.counter) for _ in images.paths],
        }.get(self.looks_at, lambda: np.abs(images.pixels - self.centre).max(axis=(1, 2, 3)))
        return Scores(images=np.array(found(), dtype=float))


class Hidden(OracleThreshold):
    """Says that it is no oracle once it has been looked at."""

    name = "hidden"

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        return float((scores[labels].min() + scores[~labels].max()) / 2)

    def __init__(self) -> None:
        self.oracle = False


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Nosy]


@hookimpl
def harness_thresholds() -> list[type[Threshold]]:
    return [Hidden]
