"""Figures of README.md that no command of the harness prints: `python figures.py > figures.md`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.metrics.delong import delong, placements
from harness.metrics.significance import holm
from harness.verdicts.packing import unpacked

HERE = Path(__file__).parent
METHOD = ("model", "encoder", "loss", "weights", "pool", "threshold", "epochs", "holdout", "image_size", "versions")
CATEGORIES = ("bottle", "pill")
"""On which a choice is made, and tried; what screw's numbers mean is another matter."""
Row = dict[str, Any]


def rows_of(name: str) -> list[Row]:
    """The rows of an export that are done; columns that it does not have are empty."""
    rows = [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    return [{"versions": "", **row} for row in rows if row["status"] == "done"]


def processor_and_gpu() -> None:
    """Trials that were fitted on both: two CPU cores, and one H200."""
    on_gpu = {(r["trial"], r["pool"], r["threshold"]): r for r in rows_of("mvtec_ad_h200.jsonl")}
    print("### The same trials on two CPU cores and on one H200, by the paper's threshold and pool\n")
    print("| category | method | seed | accuracy, CPU | accuracy, GPU | AUROC, CPU | AUROC, GPU | judged alike |")
    print("|---" * 8 + "|")
    apart = []
    for row in rows_of("mvtec_ad.jsonl"):
        other = on_gpu.get((row["trial"], row["pool"], row["threshold"]))
        if other and (row["pool"], row["threshold"]) == ("mean", "mean"):
            alike = np.mean([a == b for a, b in zip(row["right"], other["right"], strict=True)])
            apart.append((row["accuracy"] - other["accuracy"], row["auroc"] - other["auroc"], alike))
            figures = (f"{r[m]:.3f}" for m in ("accuracy", "auroc") for r in (row, other))
            method = f"{row['model']} + {row['encoder']} + {row['loss']}"
            print(f"| {row['category']} | {method} | {row['seed']} |", " | ".join(figures), f"| {alike:.3f} |")
    by = np.abs(np.array(apart)).mean(axis=0)
    means = f"accuracies {by[0]:.3f} apart on average, AUROCs {by[1]:.3f}; {by[2]:.3f} of the images judged alike"
    print(f"\n{len(apart)} trials: {means}.\n")


def nested_choice() -> None:
    """The best of all rows, and what a row chosen on one category comes to on the other."""
    scores: dict[tuple[Any, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows_of("mvtec_ad.jsonl"):
        if not row["oracle"] and row["category"] in CATEGORIES and "global_statistics" not in row["model"]:
            scores[tuple(row[name] for name in METHOD)][row["category"]].append(row["balanced_accuracy"])
    means = {method: {c: float(np.mean(v)) for c, v in by.items()} for method, by in scores.items() if len(by) == 2}
    best = max(means, key=lambda method: sum(means[method].values()))
    print("### The best of all rows whose threshold saw no test label, and a nested choice\n")
    highest = np.mean(list(means[best].values()))
    print(f"{len(means)} rows were searched on 250 test images; the best has {highest:.3f}:")
    print(f"{' + '.join(best[:3])}, pool {best[4]}, threshold {best[5]}, holdout {best[7]:g}.\n")
    print("| chosen on | the row | there | on the other category |\n|---|---|---|---|")
    held_out = []
    for category, other in (CATEGORIES, CATEGORIES[::-1]):
        most = max(by[category] for by in means.values())
        chosen = [method for method, by in means.items() if by[category] == most]
        held_out.append(float(np.mean([means[method][other] for method in chosen])))
        words = f"{' + '.join(chosen[0][:3])}, {chosen[0][4]}, {chosen[0][5]}, holdout {chosen[0][7]:g}"
        more = f" and {len(chosen) - 1} more" if len(chosen) > 1 else ""
        print(f"| {category} | {words}{more} | {most:.3f} | {held_out[-1]:.3f} |")
    print(f"\nChosen on the other category, the balanced accuracy is {np.mean(held_out):.3f}.\n")


def joint() -> None:
    """A model for each category beside one for all, by DeLong's test of the same images."""
    found: dict[tuple[str, str, str], Any] = {}
    for row in rows_of("joint.jsonl"):
        if row["pool"] == row["provenance"]["default_pool"] and row["model"] != "global_statistics" and row["evidence"]:
            evidence = unpacked(row["evidence"], row["pool"])
            placed = placements(evidence.test[row["pool"]], [kind != "good" for kind in evidence.defects])
            found[row["model"], row["category"], row.get("setting", "one-class")] = placed
    pairs = [(model, category) for model, category, setting in sorted(found) if setting == "joint"]
    p = [delong(found[*pair, "joint"], found[*pair, "one-class"]) for pair in pairs]
    print("### A model for each category, and one for all: AUROC, and DeLong's test of these fits\n")
    print("| model | category | a model for each | one for all | p | p Holm |\n|---|---|---|---|---|---|")
    for (model, category), one, corrected in zip(pairs, p, holm(p), strict=True):
        aurocs = [found[model, category, setting].aurocs[0] for setting in ("one-class", "joint")]
        print(f"| {model} | {category} |", " | ".join(f"{value:.3f}" for value in (*aurocs, one, corrected)), "|")
    print()


def main() -> None:
    """Print all of it in markdown."""
    processor_and_gpu()
    nested_choice()
    joint()


if __name__ == "__main__":
    main()
