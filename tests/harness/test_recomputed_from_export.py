"""What an independent statistician does: every published interval and p, worked out again from the exported rows alone.

The formulas are written anew here, with scipy; of the harness only the command is used that prints the p values.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.optimize import brentq

from harness.commands import main

RESULTS = Path(__file__).parents[2] / "leaderboards" / "results"
FILES = sorted(RESULTS.glob("*.jsonl"))
Z = stats.norm.ppf(0.975)
PAPERS = {"threshold": "mean"}

Row = dict[str, Any]


def rows_of(file: Path) -> list[Row]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["status"] == "done"]


def newcombe(auroc: float, normal: int, abnormal: int) -> tuple[float, float]:
    def beyond(value: float) -> float:
        half = (normal + abnormal) / 2 - 1
        spread = 1 + half * ((1 - value) / (2 - value) + value / (1 + value))
        return abs(auroc - value) - Z * math.sqrt(max(value * (1 - value), 0) * spread / (normal * abnormal))

    inside = min(max(auroc, 1e-10), 1 - 1e-10)  # at 0 and at 1 the formula is 0 by itself
    low = brentq(beyond, 0, inside, xtol=1e-13) if auroc > 0 else 0.0
    return low, brentq(beyond, inside, 1, xtol=1e-13) if auroc < 1 else 1.0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_interval_follows_from_the_counts_and_the_auroc_of_its_row(file: Path) -> None:
    seen: dict[tuple[float, ...], tuple[float, float]] = {}
    for row in rows_of(file):
        right, n = row["right_normal"] + row["right_abnormal"], row["n_normal"] + row["n_abnormal"]
        key = (right, n)
        if key not in seen:
            seen[key] = tuple(stats.binomtest(right, n).proportion_ci(0.95, "wilson"))
        assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(seen[key], abs=1e-9)
        key = (row["auroc"], row["n_normal"], row["n_abnormal"])
        if key not in seen:
            seen[key] = newcombe(*key)
        assert (row["auroc_low"], row["auroc_high"]) == pytest.approx(seen[key], abs=1e-6)


def right_of(row: Row) -> np.ndarray:
    return np.array([int(digit) for digit in row["right"]], dtype=float)


def seeds_by_images(a: np.ndarray, b: np.ndarray) -> float:
    """(S, N) of two methods; McNemar's exact test for one seed."""
    seeds, images = a.shape
    if seeds == 1:
        wins, losses = int((a > b).sum()), int((a < b).sum())
        return stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    if a.mean() == b.mean():
        return 1.0
    parts = [images * np.var(x.mean(axis=1), ddof=1) for x in (a, b)] + [seeds * np.var((a - b).mean(axis=0), ddof=1)]
    freedom = sum(parts) ** 2 / sum(v**2 / (k - 1) for v, k in zip(parts, (seeds, seeds, images), strict=True))
    t = (a - b).mean() / math.sqrt(sum(parts) / (seeds * images))
    return max(2.0 ** (1 - images), 2 * stats.t.sf(abs(t), freedom))


def printed(file: Path) -> list[Row]:
    words = ["leaderboard", "--significance", "--store", str(file), "--format", "json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def by_name(rows: list[Row], track: tuple[str, int], names: set[str]) -> dict[str, list[Row]]:
    """The rows that a name stands for: its parts, then those settings by which it differs from its namesakes."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if (row["dataset"], row["image_size"]) == track:
            title = " + ".join(row[part] for part in ("model", "encoder", "loss") if row[part] != "-")
            for name in names:
                said = name.removeprefix(title)
                if said == "" or said.startswith(", "):
                    settings = dict(item.rsplit(" ", 1) for item in said.split(", ")[1:])
                    if name.startswith(title) and all(str(row[key]) == value for key, value in settings.items()):
                        found[name].append(row)
    return found


@pytest.mark.parametrize("name", ["mvtec_ad", "mvtec_ad_h200"])
def test_every_p_follows_from_the_digits_of_the_rows(name: str) -> None:
    file = RESULTS / f"{name}.jsonl"
    rows = [r for r in rows_of(file) if r["threshold"] == "mean" and r["pool"] == r["provenance"]["default_pool"]]
    tests = printed(file)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for test in tests:
        groups[(test["dataset"], test["image_size"], test["category"])].append(test)
    checked = 0
    for (dataset, size, category), group in groups.items():
        names = {test[side] for test in group for side in ("first", "second")}
        found = by_name(rows, (dataset, size), names)
        assert set(found) == names
        if category is None:
            over_categories(group, found)
            continue
        of_category = {n: {r["seed"]: right_of(r) for r in found[n] if r["category"] == category} for n in names}
        for test in group:
            a, b = of_category[test["first"]], of_category[test["second"]]
            seeds = sorted(a.keys() & b.keys())
            assert test["seeds"] == len(seeds)
            p = seeds_by_images(np.array([a[s] for s in seeds]), np.array([b[s] for s in seeds]))
            assert test["p"] == pytest.approx(p, rel=1e-6, abs=1e-12)
            checked += 1
        ordered = sorted(group, key=lambda test: test["p"])
        running = itertools.accumulate((min(1, (len(ordered) - i) * t["p"]) for i, t in enumerate(ordered)), max)
        assert [t["p_holm"] for t in ordered] == pytest.approx(list(running))
    assert checked > 50


def over_categories(group: list[Row], found: dict[str, list[Row]]) -> None:
    """Means over the seeds that all methods of a category have, then ranks."""
    categories = sorted({row["category"] for rows in found.values() for row in rows})
    values: dict[str, list[float]] = {}
    for category in categories:
        of = {
            name: {r["seed"]: r["balanced_accuracy"] for r in rows if r["category"] == category}
            for name, rows in found.items()
        }
        common = set.intersection(*(set(by_seed) for by_seed in of.values()))
        for name, by_seed in of.items():
            values.setdefault(name, []).append(float(np.mean([by_seed[seed] for seed in common or by_seed])))
    for test in group:
        if test["test"] == "signed-rank":
            a, b = (np.array(values[test[side]]) for side in ("first", "second"))
            differences = np.round(a - b, 12)
            p = stats.wilcoxon(differences, zero_method="zsplit").pvalue if differences.any() else 1.0
            assert test["p"] == pytest.approx(p)
    nemenyi = [test for test in group if test["test"] == "nemenyi"]
    if nemenyi:
        ranks = stats.rankdata(-np.round(list(values.values()), 12), axis=0)
        k, n = ranks.shape
        square = stats.friedmanchisquare(*ranks).statistic
        f = (n - 1) * square / (n * (k - 1) - square)
        assert nemenyi[0]["iman_davenport"] == pytest.approx(stats.f.sf(f, k - 1, (k - 1) * (n - 1)), rel=1e-6)
        draws = np.random.default_rng(99)
        shuffled = draws.permuted(np.broadcast_to(ranks.T, (20_000, n, k)), axis=2).sum(axis=1)
        seen = np.square(ranks.sum(axis=1) - n * (k + 1) / 2).sum()
        p = (np.square(shuffled - n * (k + 1) / 2).sum(axis=1) >= seen - 1e-9).mean()
        assert nemenyi[0]["p"] == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 20_000) + 1e-4)
