"""How often `harness compare` calls a rate equivalent: of the right method, and of wrong ones."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from harness.published.equivalence import MARGIN, Noise, bounds_of, judgement
from harness.published.printed import read_number

TRIALS = 2000
METHODS = 4  # whose deviations over seeds are taken together
RATE = 0.7  # of the published method, over all images and seeds that there could be
SEEDS = (2, 3, 5, 10, 30)
IMAGES = (26, 83, 167)
DEVIATIONS = (0.01, 0.03, 0.07)
CASES = ((0.0, None), (0.1, 0.95), (0.1, 0.5), (0.15, 0.5))
"""How far ours is truly apart, and how far other methods find the same images hard: the correlation of their ease."""


def equivalent(
    apart: float, alike: float | None, images: int, deviation: float, seeds: int, draws: np.random.Generator
) -> float:
    """The share of test sets in which our method is called equivalent to a single run of the published one.

    A fit is right where the ease of the image for its method, and of the seed, is above a limit.
    """
    by_seed = deviation / float(norm.pdf(norm.ppf(RATE)))
    needed = -norm.ppf([RATE + apart, *[RATE] * (METHODS - 1)])
    found = 0
    for _ in range(TRIALS):
        shared, own = draws.normal(size=images), draws.normal(size=(METHODS + 1, images))
        ease = math.sqrt(alike or 0.5) * shared + math.sqrt(1 - (alike or 0.5)) * own
        if alike is None:
            ease[-1] = ease[0]  # ours is the published method
        fits = ease[:-1, None] + by_seed * draws.normal(size=(METHODS, seeds, 1)) > needed[:, None, None]
        rates = fits.mean(axis=2)
        theirs = float((ease[-1] + by_seed * draws.normal() > -norm.ppf(RATE)).mean())
        noise = Noise(math.sqrt(rates.var(axis=1, ddof=1).mean()), METHODS * (seeds - 1))
        bounds = bounds_of(float(rates[0].mean()), seeds, read_number(f"{theirs:.2f}", 2), images, noise)
        found += judgement(bounds, MARGIN) == "equivalent"
    return found / TRIALS


def main() -> None:
    """Print a table in markdown."""
    draws = np.random.default_rng(0)
    heading = "| truly apart | ease of images alike | images | deviation over seeds |"
    print(heading, " | ".join(f"{seeds} seeds" for seeds in SEEDS), "|")
    print("|---" * (4 + len(SEEDS)) + "|")
    for apart, alike in CASES:
        for images in IMAGES:
            for deviation in DEVIATIONS:
                shares = (f"{equivalent(apart, alike, images, deviation, seeds, draws):.3f}" for seeds in SEEDS)
                said = "the same method" if alike is None else f"{alike:g}"
                print(f"| {apart:g} | {said} | {images} | {deviation:g} |", " | ".join(shares), "|")


if __name__ == "__main__":
    main()
