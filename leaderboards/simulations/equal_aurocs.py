"""How often DeLong's test at .05, over several fits, tells methods apart whose AUROCs are equal."""

from __future__ import annotations

import numpy as np

from harness.metrics.delong import delong, placements

TRIALS = 1000


def rejected(
    images: tuple[int, int], seeds: int, by_seed: float, separation: float, draws: np.random.Generator
) -> float:
    """The share of sets in which p is at most .05; anomalous images score so much higher, in standard deviations."""
    labels = np.repeat([False, True], images)
    found = []
    for _ in range(TRIALS):
        scores = draws.normal(size=len(labels)) + separation * labels + 0.7 * draws.normal(size=(2, 1, len(labels)))
        of_fit = by_seed * draws.normal(size=(2, seeds, 1)) * labels
        scores = scores + of_fit + 0.3 * draws.normal(size=(2, seeds, len(labels)))
        found.append(delong(*(placements(one, labels) for one in scores)) <= 0.05)
    return float(np.mean(found))


def main() -> None:
    """Print one table in markdown."""
    draws = np.random.default_rng(0)
    cases = [(by_seed, separation) for by_seed in (0.0, 0.3) for separation in (1.0, 3.0)]
    columns = [f"deviation by seed {by_seed:g}, AUROC {'.71' if apart == 1 else '.95'}" for by_seed, apart in cases]
    print("| normal, anomalous images | seeds |", " | ".join(columns), "|\n" + "|---" * (2 + len(cases)) + "|")
    for images in ((8, 12), (20, 63), (26, 141)):
        for seeds in (1, 2, 3, 5):
            shares = (rejected(images, seeds, *case, draws) for case in cases)
            print(f"| {images[0]}, {images[1]} | {seeds} |", " | ".join(f"{share:.3f}" for share in shares), "|")


if __name__ == "__main__":
    main()
