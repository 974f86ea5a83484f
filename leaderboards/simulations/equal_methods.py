"""How often tests at .05 tell methods apart that are equal: Friedman's over categories, and those over seeds."""

from __future__ import annotations

import numpy as np
from scipy.stats import friedmanchisquare

from harness.metrics import significance
from harness.metrics.significance import critical_difference, mcnemar, seeds_by_images

TRIALS = 2000


def over_categories(methods: int, categories: int, draws: np.random.Generator) -> list[float]:
    """The share of sets in which each test has p of .05 or less: permutation, Iman-Davenport, chi-square."""
    p_values = []
    for _ in range(TRIALS):
        values = {str(i): draws.normal(size=categories) for i in range(methods)}
        found = critical_difference(values)
        p_values.append((found.p, found.iman_davenport, friedmanchisquare(*values.values()).pvalue))
    return list((np.array(p_values) <= 0.05).mean(axis=0))


def over_seeds(seeds: int, images: int, by_seed: float, shift: float, draws: np.random.Generator) -> list[float]:
    """The share in which each test has p of .05 or less: seeds by images, images alone, McNemar's of one seed.

    A fit is right where its ease is above 0: of the image, of the method on it, of the seed (deviation `by_seed`).
    """
    p_values = []
    for _ in range(TRIALS):
        ease = 0.8 + draws.normal(size=images) + 0.5 * draws.normal(size=(2, 1, images))
        ease = ease + by_seed * draws.normal(size=(2, seeds, 1)) + 0.3 * draws.normal(size=(2, seeds, images))
        right = ease + np.array([shift, 0.0])[:, None, None] > 0
        p_values.append((seeds_by_images(*right), images_alone(*right, draws), mcnemar(*right[:, 0])))
    return list((np.array(p_values) <= 0.05).mean(axis=0))


def images_alone(first: np.ndarray, second: np.ndarray, draws: np.random.Generator, times: int = 999) -> float:
    """A permutation of the two methods within each image, as if these fits were all that there are."""
    apart = first.mean(axis=0) - second.mean(axis=0)
    signs = draws.choice([-1.0, 1.0], size=(times, len(apart)))
    return float((1 + (np.abs(signs @ apart) >= abs(apart.sum()) - 1e-9).sum()) / (1 + times))


def main() -> None:
    """Print two tables in markdown."""
    draws = np.random.default_rng(0)
    significance._DRAWN = 0  # the least number of permutations, 1,999, is enough for a share
    print("| methods, categories | permutation | Iman-Davenport | chi-square |\n|---|---|---|---|")
    for methods, categories in ((3, 5), (4, 15), (14, 2), (14, 3), (14, 15)):
        shares = over_categories(methods, categories, draws)
        print(f"| {methods}, {categories} |", " | ".join(f"{share:.3f}" for share in shares), "|")
    print("\n| images | seeds | deviation by seed | seeds by images | images alone | McNemar, one seed | power |")
    print("|---" * 7 + "|")
    for images in (83, 167):
        for seeds in (2, 3, 5):
            for by_seed in (0.0, 0.1, 0.3, 0.6):
                shares = over_seeds(seeds, images, by_seed, 0.0, draws)
                power = over_seeds(seeds, images, by_seed, 0.8, draws)[0]
                row = " | ".join(f"{share:.3f}" for share in (*shares, power))
                print(f"| {images} | {seeds} | {by_seed:g} | {row} |")


if __name__ == "__main__":
    main()
