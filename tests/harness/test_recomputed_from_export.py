"""What an independent statistician does: every published interval and p, worked out again from the exported rows alone.

The formulas are written anew here, with scipy; of the harness only the command is used that prints the p values.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import zlib
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


def scores_of(row: Row) -> np.ndarray:
    """The scores of the test images: zlib of their first bytes, then of their second ones, and so on."""
    told = row["evidence"]["test"]
    columns = np.frombuffer(zlib.decompress(base64.b64decode(told["zlib"])), np.uint8).reshape(-1, told["n"])
    return np.ascontiguousarray(columns.T).view(f"<{told['type']}").ravel().astype(float)


def labels_of(row: Row) -> np.ndarray:
    return np.concatenate([np.full(n, kind != "good") for kind, n in row["evidence"]["defects"]])


@pytest.fixture(scope="module")
def fits() -> dict[tuple[str, str], dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """By name and category, seed to the scores of the images, their labels, and whether they are judged rightly."""
    found: Any = defaultdict(dict)
    scores: dict[tuple[str, str], Row] = {}
    for row in rows_of(RESULTS / "mvtec_ad_h200.jsonl"):
        if row["pool"] == "mean" and row.get("evidence"):
            scores[row["trial"], row["pool"]] = row
    for row in rows_of(RESULTS / "mvtec_ad_h200.jsonl"):
        if row["pool"] == row["threshold"] == "mean" and row["encoder"] != "-":
            name = " + ".join(row[part] for part in ("model", "encoder", "loss"))
            one = scores[row["trial"], row["pool"]]
            found[name, row["category"]][row["seed"]] = scores_of(one), labels_of(one), right_of(row)
    return dict(found)


def ranked_by(metric: str, *more: str, file: Path = RESULTS / "mvtec_ad_h200.jsonl") -> list[Row]:
    words = ["leaderboard", "--significance", "--rank-by", metric, *more, "--store", str(file), "--format", "json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def welch(difference: float, images: float, fits: list[np.ndarray], freedom: float, n: int) -> float:
    """Two-sided; `images` is the variance over images, with its degrees of freedom, and each fit adds its own."""
    parts = [(images, freedom), *((np.var(one, ddof=1) / len(one), len(one) - 1) for one in fits if len(one) > 1)]
    total = sum(variance for variance, _ in parts)
    if not difference or not total:
        return 1.0 if not difference else 2.0 ** (1 - n)
    t, doubt = abs(difference) / math.sqrt(total), sum(variance**2 / free for variance, free in parts)
    return max(2.0 ** (1 - n), 2 * (stats.t.sf(t, total**2 / doubt) if doubt else stats.norm.sf(t)))


def test_every_p_of_delong_and_every_practical_share_follows_from_the_scores_of_the_rows(fits: Any) -> None:
    tests, aurocs, checked = ranked_by("auroc", "--rope", "0.02"), {}, 0
    for key, by_seed in fits.items():
        wins = [np.heaviside(scores[labels][:, None] - scores[~labels], 0.5) for scores, labels, _ in by_seed.values()]
        aurocs[key] = dict(zip(by_seed, wins, strict=True))
    for test in (one for one in tests if one["test"] == "delong"):
        a, b = (aurocs[test[side], test["category"]] for side in ("first", "second"))
        seeds = sorted(a.keys() & b.keys())
        assert test["seeds"] == len(seeds)
        one, other = (np.array([side[seed] for seed in seeds]) for side in (a, b))
        apart = (one - other).mean(axis=0)  # (M, N)
        parts = [(apart.mean(axis=1 - axis).var(ddof=1) / apart.shape[axis], apart.shape[axis] - 1) for axis in (0, 1)]
        images = sum(variance for variance, _ in parts)
        freedom = images**2 / sum(variance**2 / free for variance, free in parts) if len(seeds) > 1 else math.inf
        by_fit = [side.mean(axis=(1, 2)) for side in (one, other)]
        p = welch(apart.mean(), images, by_fit, freedom, sum(apart.shape))
        assert test["p"] == pytest.approx(p, rel=1e-6, abs=1e-12)
        checked += 1
    assert checked == 84
    draws = np.random.default_rng(3)
    for test in (one for one in tests if one["test"] == "signed-rank"):
        means = [common_mean(aurocs, test[side]) for side in ("first", "second")]
        apart = np.array([0.0, *np.subtract(*means)])
        weights = draws.dirichlet([0.5, *[1] * (len(apart) - 1)], 20_000)
        walsh = (apart[:, None] + apart) / 2
        sides = [walsh > 0.02 + 1e-12, np.abs(walsh) <= 0.02 + 1e-12, walsh < -0.02 - 1e-12]
        most = np.argmax([((weights @ side) * weights).sum(axis=1) for side in sides], axis=0)
        shares = [(most == place).mean() for place in range(3)]
        assert [test["p_better"], test["p_equivalent"], test["p_worse"]] == pytest.approx(shares, abs=0.02)


def common_mean(aurocs: Any, name: str) -> list[float]:
    """By category the mean over the seeds that all methods of it have."""
    found = []
    for category in ("bottle", "pill", "screw"):
        seeds = set.intersection(*(set(by_seed) for (_, one), by_seed in aurocs.items() if one == category))
        found.append(float(np.mean([aurocs[name, category][seed].mean() for seed in seeds])))
    return found


@pytest.mark.parametrize("metric", ["average_precision", "f1"])
def test_every_p_of_the_paired_bootstrap_follows_from_the_scores_of_the_rows(
    fits: Any, metric: str, tmp_path: Path
) -> None:
    """By other draws than those of the harness: p is that of a standard error that 999 draws know to a few percent."""
    every = (RESULTS / "mvtec_ad_h200.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "bottle.jsonl").write_text("".join(line for line in every if json.loads(line)["category"] == "bottle"))
    draws, figures = np.random.default_rng(8), {}
    ours = {name: by_seed for (name, category), by_seed in fits.items() if category == "bottle"}
    labels = next(iter(next(iter(ours.values())).values()))[1]
    classes = [np.flatnonzero(labels == side) for side in (False, True)]
    sets = [np.arange(len(labels)), *(np.concatenate([draws.choice(c, len(c)) for c in classes]) for _ in range(999))]
    for name, by_seed in ours.items():
        figures[name] = {s: np.array([figure(metric, *fit, drawn) for drawn in sets]) for s, fit in by_seed.items()}
    checked = 0
    for test in ranked_by(metric, file=tmp_path / "bottle.jsonl"):
        if test["test"] == "bootstrap":
            a, b = (figures[test[side]] for side in ("first", "second"))
            seeds = sorted(a.keys() & b.keys())
            one, other = (np.array([side[seed] for seed in seeds]) for side in (a, b))
            apart = (one - other).mean(axis=0)
            p = welch(apart[0], apart[1:].var(ddof=1), [one[:, 0], other[:, 0]], len(labels) - 1, len(labels))
            if max(p, test["p"]) > 1e-6:
                by_t = [stats.t.isf(value / 2, 82) for value in (test["p"], p)]
                assert by_t[0] == pytest.approx(by_t[1], rel=0.12, abs=0.02), test
            checked += 1
    assert checked == 28


def figure(metric: str, scores: np.ndarray, labels: np.ndarray, right: np.ndarray, drawn: np.ndarray) -> float:
    if metric == "f1":
        hits = (right[drawn] * labels[drawn]).sum()
        alarms = ((1 - right[drawn]) * ~labels[drawn]).sum()
        return float(2 * hits / (hits + alarms + labels.sum()))
    drawn = drawn[np.argsort(-scores[drawn], kind="stable")]
    hits, ends = np.cumsum(labels[drawn]), np.flatnonzero(np.append(np.diff(scores[drawn]) < 0, True))
    return float(np.sum(np.diff(hits[ends], prepend=0) * hits[ends] / (ends + 1)) / labels.sum())


def test_delongs_p_of_one_model_for_all_categories_follows_from_the_scores_of_the_rows() -> None:
    page = (RESULTS / "figures.md").read_text(encoding="utf-8").partition("and one for all")[2]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    wins = {}
    for row in rows_of(RESULTS / "joint.jsonl"):
        if row.get("evidence") and row["pool"] == row["provenance"]["default_pool"]:
            scores, labels = scores_of(row), labels_of(row)
            apart = np.heaviside(scores[labels][:, None] - scores[~labels], 0.5)
            wins[row["model"], row["category"], row.get("setting", "one-class")] = apart
    found = []
    for model, category, one, every, *_ in lines[2:]:
        sides = [wins[model, category, setting] for setting in ("one-class", "joint")]
        assert [f"{side.mean():.3f}" for side in sides] == [one, every]
        apart = sides[1] - sides[0]
        images = sum(apart.mean(axis=1 - axis).var(ddof=1) / apart.shape[axis] for axis in (0, 1))
        found.append(welch(apart.mean(), images, [], math.inf, sum(apart.shape)))
    assert [float(line[4]) for line in lines[2:]] == pytest.approx(found, abs=0.00051)
    ordered = np.argsort(found)
    corrected = np.maximum.accumulate([(len(found) - at) * found[place] for at, place in enumerate(ordered)])
    assert [float(lines[2 + place][5]) for place in ordered] == pytest.approx(np.minimum(corrected, 1), abs=0.00051)
