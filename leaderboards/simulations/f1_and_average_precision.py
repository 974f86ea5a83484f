"""How often the 95 % intervals of F1 and of average precision hold the true value."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from harness.metrics.intervals import average_precision_interval, f1_interval

TRIALS = 2000
SIZES = ((10, 10), (20, 63), (26, 141), (41, 119), (300, 30))
AUROCS = (0.7, 0.9, 0.99)
ALARMS = (0.5, 0.05)
SPREADS = (0.5, 1.0, 2.0)
_STEPS = (np.arange(20_000) + 0.5) / 20_000


def f1_coverage(images: tuple[int, int], alarms: float, found: float, draws: np.random.Generator) -> float:
    """With this share of normal images called anomalous, and of anomalous ones."""
    normal, abnormal = images
    true = 2 * found * abnormal / (found * abnormal + alarms * normal + abnormal)
    hits, passed = draws.binomial(abnormal, found, TRIALS), draws.binomial(normal, 1 - alarms, TRIALS)
    bounds = [f1_interval((int(k), abnormal), (int(m), normal)) for k, m in zip(hits, passed, strict=True)]
    return float(np.mean([low <= true <= high for low, high in bounds]))


def precision_coverage(images: tuple[int, int], auroc: float, spread: float, draws: np.random.Generator) -> float:
    """Normal scores have a standard deviation of 1, anomalous ones of `spread`, as far apart as the AUROC says."""
    normal, abnormal = images
    apart = float(norm.ppf(auroc)) * math.hypot(1, spread)
    alarms = normal * norm.sf(spread * norm.isf(_STEPS) + apart)  # where a share _STEPS of the defects is found
    true = float(np.mean(_STEPS * abnormal / (_STEPS * abnormal + alarms)))
    labels = np.arange(normal + abnormal) >= normal
    scores = draws.normal(size=(TRIALS, len(labels)))
    ordered = labels[np.argsort(-np.where(labels, spread * scores + apart, scores), axis=1)]
    precision = np.cumsum(ordered, axis=1) / np.arange(1, len(labels) + 1)
    seen = (precision * ordered).sum(axis=1) / abnormal
    bounds = [average_precision_interval(float(value), abnormal) for value in seen]
    return float(np.mean([low <= true <= high for low, high in bounds]))


def main() -> None:
    """Print two tables in markdown."""
    draws = np.random.default_rng(0)
    cases = [(auroc, alarms) for auroc in AUROCS for alarms in ALARMS]
    columns = [f"F1, AUROC {auroc}, {alarms:.0%} alarms" for auroc, alarms in cases]
    print("| normal, anomalous images |", " | ".join(columns), "|\n" + "|---" * (1 + len(columns)) + "|")
    for images in SIZES:
        found = [float(norm.sf(norm.isf(alarms) - norm.ppf(auroc) * math.sqrt(2))) for auroc, alarms in cases]
        held = [f1_coverage(images, alarms, one, draws) for one, (_, alarms) in zip(found, cases, strict=True)]
        print(f"| {images[0]}, {images[1]} |", " | ".join(f"{share:.3f}" for share in held), "|")
    columns = [f"AP, AUROC {auroc}, spread {spread:g}" for spread in SPREADS for auroc in AUROCS]
    print("\n| normal, anomalous images |", " | ".join(columns), "|\n" + "|---" * (1 + len(columns)) + "|")
    for images in SIZES:
        held = [precision_coverage(images, auroc, spread, draws) for spread in SPREADS for auroc in AUROCS]
        print(f"| {images[0]}, {images[1]} |", " | ".join(f"{share:.3f}" for share in held), "|")


if __name__ == "__main__":
    main()
