"""How often `harness compare` calls a number equivalent: of the right method, and of wrong ones, by seeds and noise."""

from __future__ import annotations

import math

import numpy as np

from harness.published.equivalence import MARGIN, Noise, bounds_of, judgement
from harness.published.printed import read_number

TRIALS = 2000
METHODS = 4  # whose deviations over seeds are taken together
IMAGES = 83
SEEDS = (2, 3, 5, 10, 30)


def equivalent(apart: float, deviation: float, seeds: int, draws: np.random.Generator) -> float:
    """The share of trials in which a method whose mean is `apart` from the published one's is called equivalent."""
    found = 0
    for _ in range(TRIALS):
        theirs = read_number(f"{float(np.clip(0.6 + deviation * draws.normal(), 0, 1)):.2f}", 2)
        fits = deviation * draws.normal(size=(METHODS, seeds))
        noise = Noise(math.sqrt(fits.var(axis=1, ddof=1).mean()), METHODS * (seeds - 1))
        bounds = bounds_of(0.6 + apart + float(fits[0].mean()), seeds, theirs, IMAGES, noise)
        found += judgement(bounds, MARGIN) == "equivalent"
    return found / TRIALS


def main() -> None:
    """Print a table in markdown."""
    draws = np.random.default_rng(0)
    print("| truly apart | deviation over seeds |", " | ".join(f"{seeds} seeds" for seeds in SEEDS), "|")
    print("|---" * (2 + len(SEEDS)) + "|")
    for apart in (0.0, 0.05, 0.10, 0.15, 0.20):
        for deviation in (0.01, 0.02, 0.03, 0.05, 0.07):
            shares = (f"{equivalent(apart, deviation, seeds, draws):.3f}" for seeds in SEEDS)
            print(f"| {apart:g} | {deviation:g} |", " | ".join(shares), "|")


if __name__ == "__main__":
    main()
