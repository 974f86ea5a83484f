"""How often a 95 % interval of the AUROC holds the true one, for several test sets and shapes of scores."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from harness.metrics.intervals import auroc_interval

TRUE = (0.5, 0.7, 0.9, 0.95, 0.99, 0.998)
SIZES = ((10, 10), (20, 63), (26, 141), (41, 119))
SPREADS = (0.5, 1.0, 2.0)
TRIALS = 4000


def coverage(auroc: float, n_normal: int, n_abnormal: int, spread: float, draws: np.random.Generator) -> float:
    """Normal scores have a standard deviation of 1, anomalous ones of `spread`, as far apart as the AUROC says."""
    normal = np.sort(draws.normal(size=(TRIALS, n_normal)), axis=1)
    abnormal = draws.normal(size=(TRIALS, n_abnormal)) * spread + norm.ppf(auroc) * np.hypot(1, spread)
    held = 0
    for below, above in zip(normal, abnormal, strict=True):
        low, high = auroc_interval(float(below.searchsorted(above).mean() / n_normal), n_normal, n_abnormal)
        held += low <= auroc <= high
    return held / TRIALS


def main() -> None:
    """Print a table in markdown."""
    draws = np.random.default_rng(0)
    print("| normal, anomalous images | spread of anomalous scores |", " | ".join(f"true {a}" for a in TRUE), "|")
    print("|---" * (2 + len(TRUE)) + "|")
    for n_normal, n_abnormal in SIZES:
        for spread in SPREADS:
            held = (f"{coverage(auroc, n_normal, n_abnormal, spread, draws):.3f}" for auroc in TRUE)
            print(f"| {n_normal}, {n_abnormal} | {spread:g} |", " | ".join(held), "|")


if __name__ == "__main__":
    main()
