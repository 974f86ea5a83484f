"""How often the ± of a mean over seeds holds what other test images and other fits would give."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import norm

from harness.metrics.intervals import wilson
from harness.verdicts.margins import margin
from harness.verdicts.rows import stat

TRIALS = 2000
SEEDS = (1, 2, 3, 5, 10)


def row(values: list[float], bounds: list[tuple[float, float] | None]) -> Any:
    """What a board has of one method on one category, as far as ± goes."""
    verdicts = [SimpleNamespace(interval=lambda _, one=one: one) for one in bounds]
    return SimpleNamespace(parts=(), stats={"metric": stat(values)}, verdicts=verdicts)


def of_accuracy(images: int, seeds: int, by_seed: float, draws: np.random.Generator) -> float:
    """A fit is right where the ease of an image, with a deviation of 1, and of its seed is above a limit."""
    true, held = float(norm.cdf(0.8 / np.hypot(1, by_seed))), 0
    for _ in range(TRIALS):
        right = 0.8 + draws.normal(size=images) + by_seed * draws.normal(size=(seeds, 1)) > 0
        counts = right.sum(axis=1).tolist()
        half = margin(row([k / images for k in counts], [wilson(k, images) for k in counts]), "metric")
        held += half is not None and abs(right.mean() - true) <= half
    return held / TRIALS


def of_pixels(images: int, seeds: int, by_seed: float, draws: np.random.Generator) -> float:
    """A figure that is a mean over images, between which it deviates by .15; a fit moves it by `by_seed` of that."""
    held = 0
    for _ in range(TRIALS):
        figures = 0.15 * (draws.normal(size=images).mean() + by_seed * draws.normal(size=seeds))
        half = margin(row(figures.tolist(), [None] * seeds), "metric")
        held += half is not None and abs(figures.mean()) <= half
    return held / TRIALS


def main() -> None:
    """Print a table in markdown."""
    draws = np.random.default_rng(0)
    print("| images | of | deviation by seed |", " | ".join(f"{seeds} seeds" for seeds in SEEDS), "|")
    print("|---" * (3 + len(SEEDS)) + "|")
    for name, simulated, sizes, deviations in (
        ("accuracy", of_accuracy, (23, 83, 167), (0.0, 0.1, 0.3)),
        ("a pixel metric", of_pixels, (17, 63, 141), (0.02, 0.1, 0.3)),
    ):
        for images in sizes:
            for by_seed in deviations:
                held = [
                    "" if seeds == 1 and simulated is of_pixels else f"{simulated(images, seeds, by_seed, draws):.3f}"
                    for seeds in SEEDS
                ]
                print(f"| {images} | {name} | {by_seed:g} |", " | ".join(held), "|")


if __name__ == "__main__":
    main()
