"""What an independent statistician does with the pages: every ± and interval that stands on them, from the rows alone.

A line of a page is found among the rows by its figures, and not by its name. Formulas are written anew, with scipy.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

RESULTS = Path(__file__).parents[2] / "leaderboards" / "results"
README = (RESULTS / "README.md").read_text(encoding="utf-8")
MADE_BY = re.compile(r"^\| (\S+\.md) \|.*\| `harness leaderboard (.+) --format md` \|$", re.MULTILINE)
PAGES = {page: re.findall(r"\S+\.jsonl", words)[0] for page, words in MADE_BY.findall(README)}
CURVES = {page: rows for page, rows in PAGES.items() if "curves" in dict(MADE_BY.findall(README))[page]}
BOARDS = {page: rows for page, rows in PAGES.items() if page not in CURVES}
Z = float(stats.norm.ppf(0.975))
COLUMNS = {
    "normal": "normal_rate",
    "abnormal": "abnormal_rate",
    "accuracy": "accuracy",
    "balanced": "balanced_accuracy",
    "F1": "f1",
    "AUROC": "auroc",
    "AP": "average_precision",
    "AUPRO": "aupro",
    "pixel AP": "pixel_average_precision",
}
BY_SEED = {"seed", "trial", "scores", "evidence", "right", "right_normal", "right_abnormal", "digest", "limit", "proof"}
BY_SEED |= {
    "fit_seconds",
    "train_images_per_second",
    "provenance",
    "detection",
    "metric_versions",
    "corrupted",
    "corrupted_scores",
}
BY_CATEGORY = {"category", "n_train", "n_normal", "n_abnormal", "fingerprint", "incomplete"}
FIGURES = {*COLUMNS.values(), "aupro_0.30", "pixel_auroc", "accuracy_low", "accuracy_high", "auroc_low", "auroc_high"}

Row = dict[str, Any]
Method = dict[str, list[Row]]  # category to the rows of its seeds


def wilson(rate: float, n: int) -> tuple[float, float]:
    centre, reach = rate + Z**2 / (2 * n), Z * math.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return max(0.0, (centre - reach) / (1 + Z**2 / n)), min(1.0, (centre + reach) / (1 + Z**2 / n))


@cache
def newcombe_5(auroc: float, normal: int, abnormal: int) -> tuple[float, float]:
    def beyond(value: float) -> float:
        half = (normal + abnormal) / 2 - 1
        spread = 1 + half * ((1 - value) / (2 - value) + value / (1 + value))
        return abs(auroc - value) - Z * math.sqrt(max(value * (1 - value), 0) * spread / (normal * abnormal))

    inside = min(max(auroc, 1e-10), 1 - 1e-10)
    return (brentq(beyond, 0, inside) if auroc > 0 else 0.0), (brentq(beyond, inside, 1) if auroc < 1 else 1.0)


def f1(found: float, passed: float, row: Row) -> float:
    hits, alarms = found * row["n_abnormal"], (1 - passed) * row["n_normal"]
    return 2 * hits / (2 * hits + alarms + (1 - found) * row["n_abnormal"])


def width(row: Row, metric: str) -> float | None:
    """Of the 95 % interval of one fit for other test images; None of pixels, whose interval nobody knows."""
    rates = {"normal_rate": "n_normal", "abnormal_rate": "n_abnormal"}
    if metric == "accuracy":
        return float(np.ptp(wilson(row[metric], row["n_normal"] + row["n_abnormal"])))
    if metric in rates:
        return float(np.ptp(wilson(row[metric], row[rates[metric]])))
    if metric == "average_precision":
        return float(np.ptp(wilson(row[metric], row["n_abnormal"])))
    if metric == "auroc":
        return float(np.ptp(newcombe_5(row[metric], row["n_normal"], row["n_abnormal"])))
    normal, abnormal = row["normal_rate"], row["abnormal_rate"]
    (n_low, n_high), (a_low, a_high) = wilson(normal, row["n_normal"]), wilson(abnormal, row["n_abnormal"])
    if metric == "balanced_accuracy":
        below, above = math.hypot(normal - n_low, abnormal - a_low), math.hypot(n_high - normal, a_high - abnormal)
        return (below + above) / 2
    if metric == "f1":
        here = f1(abnormal, normal, row)
        below = math.hypot(here - f1(a_low, normal, row), here - f1(abnormal, n_low, row))
        above = math.hypot(f1(a_high, normal, row) - here, f1(abnormal, n_high, row) - here)
        return min(1.0, here + above) - max(0.0, here - below)
    return None


def half_interval(rows: Sequence[Row], metric: str) -> float | None:
    """Of the mean over seeds: images as of one fit, and the variance between fits, by Welch and Satterthwaite."""
    widths = [one for row in rows if (one := width(row, metric)) is not None]
    images = (float(np.mean(widths)) / 2 / Z) ** 2 if widths else 0.0
    if len(rows) == 1:
        return Z * math.sqrt(images) if widths else None
    fits = float(np.var([row[metric] for row in rows], ddof=1)) / len(rows)
    if fits == 0:
        return Z * math.sqrt(images)
    freedom = (images + fits) ** 2 / (fits**2 / (len(rows) - 1))
    return float(stats.t.ppf(0.975, freedom)) * math.sqrt(images + fits)


def methods_of(file: str) -> list[Method]:
    """By all that a row says of how it was made, but for seed and category."""
    found: dict[str, Method] = defaultdict(lambda: defaultdict(list))
    for line in (RESULTS / file).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["status"] == "done":
            row["default"] = row["provenance"].get("default_pool") == row["pool"]
            same = {key: row[key] for key in row if key not in BY_SEED | BY_CATEGORY | FIGURES | {"default"}}
            found[json.dumps(same, sort_keys=True)][row["category"]].append(row)
    return list(found.values())


def tables(page: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for part in (RESULTS / page).read_text(encoding="utf-8").split("### ")[1:]:
        title, _, text = part.partition("\n")
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
        yield title, [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def mean_of(by_category: Sequence[list[Row]], metric: str) -> float:
    """Of categories' means over seeds; nan where it is not known of all."""
    known = all(row.get(metric) is not None for rows in by_category for row in rows)
    return (
        sum(sum(row[metric] for row in rows) / len(rows) for rows in by_category) / len(by_category)
        if known
        else math.nan
    )


def alarms(by_category: Sequence[list[Row]], rate: str, n: str) -> tuple[float, float, float]:
    """In per cent, the share that is judged wrongly, by Newcombe's squares of Wilson's bounds."""
    wrong = [1 - float(np.mean([row[rate] for row in rows])) for rows in by_category]
    bounds = [wilson(share, rows[0][n]) for share, rows in zip(wrong, by_category, strict=True)]
    below = math.hypot(*(share - low for share, (low, _) in zip(wrong, bounds, strict=True))) / len(wrong)
    above = math.hypot(*(high - share for share, (_, high) in zip(wrong, bounds, strict=True))) / len(wrong)
    mean = float(np.mean(wrong))
    return 100 * mean, 100 * (mean - below), 100 * (mean + above)


def follows(line: dict[str, str], by_category: Sequence[list[Row]]) -> int:
    """How many intervals of a line follow from these rows; 0 where some figure or interval does not."""
    checked = 0
    for heading, metric in COLUMNS.items():
        shown = re.search(r"(\d\.\d{3})(?: ±(\d?\.\d+))?", line.get(heading, ""))
        if shown is None:
            continue
        if shown[2] is not None:
            halves = [half_interval(rows, metric) for rows in by_category]
            expected = math.hypot(*halves) / len(halves) if None not in halves else math.nan
            if float(shown[2]) != pytest.approx(expected, abs=0.0051, rel=0.02):  # degrees of freedom are rounded
                return 0
            checked += 1
    for heading, names in {
        "false alarms": ("normal_rate", "n_normal"),
        "misses": ("abnormal_rate", "n_abnormal"),
    }.items():
        numbers = [float(number) for number in re.findall(r"[\d.]+", line.get(heading, ""))]
        if len(numbers) == 3:
            if np.abs(np.subtract(alarms(by_category, *names), numbers)).max() > 0.51:
                return 0
            checked += 1
    return checked


@pytest.mark.parametrize("page", BOARDS)
def test_every_interval_on_a_board_follows_from_the_rows(page: str) -> None:
    every = methods_of(BOARDS[page])
    categories = {category for method in every for category in method}
    sides = {one: [[method[one]] for method in every if one in method] for one in categories}
    sides[""] = [list(method.values()) for method in every]
    means = {one: np.array([[mean_of(s, metric) for metric in COLUMNS.values()] for s in sides[one]]) for one in sides}
    checked = 0
    for title, lines in tables(page):
        category = next((one for one in categories if f" · {one} · " in title), "")
        for line in lines:
            figures = [re.search(r"\d\.\d{3}", line.get(heading, "")) for heading in COLUMNS]
            if not any("±" in line.get(heading, "") for heading in COLUMNS):
                continue
            shown = np.array([math.nan if figure is None else float(figure[0]) for figure in figures])
            like = (np.isnan(shown) | (np.abs(means[category] - shown) < 0.00051)).all(axis=1)
            found = max((follows(line, sides[category][place]) for place in np.flatnonzero(like)), default=0)
            assert found, f"{title}: {line}"
            checked += found
    assert checked > 8


@pytest.mark.parametrize("page", CURVES)
def test_every_point_of_a_curve_and_where_it_is_enough_follow_from_the_rows(page: str) -> None:
    every = methods_of(CURVES[page])
    checked = 0
    for title, lines in tables(page):
        category = title.split(" · ")[-2]
        for line in lines:
            points = {
                head: cell for head, cell in line.items() if head not in ("method", "enough") and cell not in ("", "-")
            }
            by_seed = {at: curve_point(every, line["method"], category, at) for at in points}
            for at, cell in points.items():
                values = list(by_seed[at].values())
                numbers = [float(number) for number in re.findall(r"\d\.\d+", cell)]
                expected = [np.mean(values), *([np.std(values, ddof=1)] if len(values) > 1 else [])]
                assert numbers == pytest.approx(expected, abs=0.00051), f"{title}: {line}"
                checked += 1
            if "enough" in line:
                assert line["enough"] == enough(by_seed), f"{title}: {line}"
    assert checked > 20


def curve_point(every: list[Method], shown: str, category: str, at: str) -> dict[int, float]:
    """Seed to AUROC, the mean over those categories that have it; 5 % are .05, and the most images stand for all."""
    model, own_encoder = shown.split(" · ")[0].replace(" ", "_"), " · conv" in shown
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for method in every:
        for name, rows in method.items():
            row = rows[0]
            if (
                (row["model"], row["encoder"].startswith("conv")) != (model, own_encoder)
                or category not in (name, "mean over categories")
                or not (row["default"] or row["pool"] == "-")
            ):
                continue
            if "%" in at:
                here = math.isclose(100 * float(row.get("contaminate", 0)), float(at.split()[0]))
            else:
                here = row.get("shots", 0) == int(at) or (not row.get("shots") and int(at) >= 200)
            if here:
                found[name].update({row["seed"]: row["auroc"] for row in rows})
    seeds = set.intersection(*(set(one) for one in found.values()))
    return {seed: float(np.mean([one[seed] for one in found.values()])) for seed in sorted(seeds)}


def enough(by_seed: dict[str, dict[int, float]]) -> str:
    ordered = sorted(by_seed, key=int)
    found = ""
    for at in ordered[-2::-1]:
        apart = np.array([by_seed[ordered[-1]][seed] - by_seed[at][seed] for seed in by_seed[at]])
        if apart.mean() > 2 * apart.std(ddof=1) / math.sqrt(len(apart)):
            break
        found = at
    return found


def test_resized_hazelnuts_judged_by_the_script_agree_with_the_rows_where_both_judge_at_256() -> None:
    every = methods_of("tiles.jsonl")
    ((_, lines),) = tables("tiles_judged_alike.md")
    for line in lines:
        model = line["method"].split(" · ")[0]
        (rows,) = (
            rows
            for method in every
            for rows in method.values()
            if rows[0]["model"] == model and rows[0]["default"] and not rows[0].get("tiles")
            if rows[0]["threshold"] == "mean"
        )
        for heading, metric in (("AUPRO at 256", "aupro_0.30"), ("AP at 256", "pixel_average_precision")):
            shown, _, spread = line[heading].partition(" ± ")
            values = [row[metric] for row in rows]
            assert float(shown) == pytest.approx(np.mean(values), abs=0.00051)
            assert float(spread) == pytest.approx(np.std(values, ddof=1), abs=0.00051)
    assert len(lines) == 2


def test_false_alarms_and_misses_on_changed_images_follow_from_the_rows() -> None:
    rows = [row for method in methods_of("bottle_corrupted.jsonl") for one in method.values() for row in one]
    changed = [
        (title, line) for title, lines in tables("bottle_corrupted.md") for line in lines if "on changed" in title
    ]
    assert len(changed) == 8
    for title, line in changed:
        same = {
            "model": line["method"].split(" · ")[0],
            "image_size": int(title.split(" px")[0].split()[-1]),
            "threshold": "quantile",
            "default": True,
        }
        seeds = [row for row in rows if same.items() <= row.items()]
        for heading, kind, rate, n in (
            ("false alarms", "false_alarms", "normal_rate", "n_normal"),
            ("misses", "misses", "abnormal_rate", "n_abnormal"),
        ):
            by_seed = [
                [1 - row[rate], *(wrong / row[n] for wrong in row["corrupted"][line["corruption"]][kind])]
                for row in seeds
            ]
            expected = np.mean(by_seed, axis=0)
            assert [float(cell) for cell in line[heading].split("·")] == pytest.approx(
                [100 * e for e in expected], abs=0.51
            )


def test_the_intervals_of_how_painted_defects_rank_detectors_follow_from_the_scores() -> None:
    """Bootstraps of images, and of detectors and images; other draws here than those of the page."""
    by_category: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (RESULTS / "synthetic_ranks.ndjson").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        by_category[row["category"]].append(row)
    _, lines = next(table for table in tables_before(RESULTS / "synthetic_ranks.md"))
    draws = np.random.default_rng(11)
    for line in lines:
        rows = by_category[line["category"]]
        good, real, painted = (np.array([r[name] for r in rows]) for name in ("good", "real", line["painted defects"]))
        wins = [np.sign(side[:, :, None] - good[:, None]) / 2 + 0.5 for side in (real, painted)]
        for heading, detectors in (("95 % over images", False), ("and over detectors", True)):
            found = []
            for _ in range(400):
                some = draws.integers(len(good), size=len(good)) if detectors else np.arange(len(good))
                below = np.bincount(draws.integers(good.shape[1], size=good.shape[1]), minlength=good.shape[1])
                aurocs = [
                    np.bincount(draws.integers(side.shape[1], size=side.shape[1]), minlength=side.shape[1])
                    @ (side @ below)[..., None]
                    for side in wins
                ]
                ranks = [stats.rankdata(np.round(one[some, 0], 6)) for one in aurocs]
                found.append(np.corrcoef(*ranks)[0, 1])
            shown = [float(number) for number in line[heading].split(" to ")]
            assert np.percentile(found, [2.5, 97.5]) == pytest.approx(shown, abs=0.12), line


def tables_before(file: Path) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The table above the first heading."""
    text = file.read_text(encoding="utf-8").partition("### ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    yield "", [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_the_best_of_all_rows_and_the_nested_choice_follow_from_the_rows() -> None:
    page = (RESULTS / "figures.md").read_text(encoding="utf-8")
    ((searched, best),) = re.findall(r"(\d+) rows were searched on 250 test images; the best has (0\.\d+)", page)
    (nested,) = re.findall(r"Chosen on the other category, the balanced accuracy is (0\.\d+)", page)
    means = np.array([
        [mean_of([method[category]], "balanced_accuracy") for category in ("bottle", "pill")]
        for method in methods_of("mvtec_ad.jsonl")
        if {"bottle", "pill"} <= method.keys() and not method["bottle"][0]["oracle"] and method["bottle"][0]["model"] != "global_statistics"
    ])  # fmt: skip
    assert (len(means), f"{means.mean(axis=1).max():.3f}") == (int(searched), best)
    chosen = [means[means[:, one] == means[:, one].max(), 1 - one].mean() for one in (0, 1)]
    assert f"{np.mean(chosen):.3f}" == nested


def test_how_alike_processor_and_gpu_are_follows_from_the_rows() -> None:
    page = (RESULTS / "figures.md").read_text(encoding="utf-8")
    ((trials, accuracy, auroc, alike),) = re.findall(
        r"(\d+) trials: accuracies (0\.\d+) apart on average, AUROCs (0\.\d+); (0\.\d+) of the images", page
    )
    sides = []
    for file in ("mvtec_ad.jsonl", "mvtec_ad_h200.jsonl"):
        rows = [row for method in methods_of(file) for one in method.values() for row in one]
        sides.append({row["trial"]: row for row in rows if row["pool"] == row["threshold"] == "mean"})
    both = [(sides[0][trial], sides[1][trial]) for trial in sides[0].keys() & sides[1].keys()]
    same = [np.mean([x == y for x, y in zip(a["right"], b["right"], strict=True)]) for a, b in both]
    found = [np.mean([abs(a[name] - b[name]) for a, b in both]) for name in ("accuracy", "auroc")]
    assert (len(both), *found, np.mean(same)) == pytest.approx(
        tuple(map(float, (trials, accuracy, auroc, alike))), abs=0.00051
    )
