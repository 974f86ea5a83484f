"""The table of README.md from fits_128px.csv, by scipy alone: `python table.py`."""

from __future__ import annotations

import csv
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

SHOWN = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced",
    "pixel_auroc": "pixel AUROC",
    "pixel_average_precision": "pixel AP",
    "aupro": "AUPRO",
}


def main() -> None:
    """Print a line a convention and figure: over the categories, as `harness conventions` does."""
    groups: dict[tuple[str, str, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    with Path(__file__).with_name("fits_128px.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pair = float(row["usual"]), float(row["value"])
            groups[row["convention"], row["choice"], row["figure"]][row["category"]].append(pair)
    print("| convention | figure | mean change | furthest | rank | swapped | pairs |\n|---|---|---|---|---|---|---|")
    for (axis, choice, figure), by_category in groups.items():
        changes = {c: np.array([value - usual for usual, value in pairs]) for c, pairs in by_category.items()}
        furthest = max((change for of in changes.values() for change in of), key=abs)
        sides = [tuple(zip(*pairs, strict=True)) for pairs in by_category.values()]
        ranks = [spearmanr(a, b).statistic for a, b in sides if len(set(a)) > 1 and len(set(b)) > 1]
        swapped = sum((a[i] - a[j]) * (b[i] - b[j]) < 0 for a, b in sides for i, j in combinations(range(len(a)), 2))
        every = sum(len(a) * (len(a) - 1) // 2 for a, _ in sides)
        mean = np.mean([of.mean() for of in changes.values()])
        print(
            f"| {axis}: {choice} | {SHOWN[figure]} | {mean:+.3f} | {furthest:+.3f} |",
            f"{np.mean(ranks) if ranks else np.nan:.2f} | {swapped} | {every} |",
        )


if __name__ == "__main__":
    main()
