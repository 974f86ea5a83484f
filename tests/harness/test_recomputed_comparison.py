"""What an independent statistician does with `compare`: every bound, verdict, total and P of the pages, from rows alone.

The rows are those of the exports and of the published table as TOML has it. Formulas are written anew, with scipy; of
the harness only the command is used that prints the pages.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.optimize import brentq

from harness.commands import main

LEADERBOARDS = Path(__file__).parents[2] / "leaderboards"
METRICS = ("normal_rate", "abnormal_rate", "accuracy")
MARGIN = 0.10
Z = stats.norm.ppf(0.95)
STEPS = np.linspace(0, 2, 2001)
SQUARES: dict[int, float] = {}  # of the quantiles of Student's t, which take their time

Place = tuple[str, str]  # category and metric


class Number(NamedTuple):
    """One published number and ours."""

    category: str
    method: tuple[str, ...]
    metric: str
    published: float
    ours: np.ndarray  # one a seed
    images: int

    @property
    def place(self) -> Place:
        return self.category, self.metric


def pairs(export: Path) -> list[Number]:
    """All comparable numbers: the protocol of the paper is 256 pixels, the mean pool, the mean threshold, lr 1e-4."""
    table = tomllib.loads((LEADERBOARDS / "published" / "kumar_2025.toml").read_text(encoding="utf-8"))
    ours: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for line in export.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        wanted = ("mean", "mean", 256, 0.0, 1e-4, 32)
        names = ("pool", "threshold", "image_size", "holdout", "learning_rate", "batch_size")
        if row["status"] == "done" and tuple(row[name] for name in names) == wanted:
            ours[row["category"], row["model"], row["encoder"], row["loss"]].append(row)
    found = []
    for theirs in table["rows"]:
        method = (theirs["model"], theirs["encoder"], theirs["loss"])
        rows = sorted(ours.get((theirs["category"], *method), []), key=lambda row: row["seed"])
        for metric in METRICS if rows else ():
            n, a = rows[0]["n_normal"], rows[0]["n_abnormal"]
            images = {"normal_rate": n, "abnormal_rate": a, "accuracy": n + a}[metric]
            values = np.array([row[metric] for row in rows])
            found.append(Number(theirs["category"], method, metric, float(theirs[metric]), values, images))
    return found


def noises(numbers: list[Number]) -> dict[Place, tuple[float, int]]:
    """The deviation over seeds of all methods of a category together, with its degrees of freedom."""
    squares: dict[Place, float] = defaultdict(float)
    freedom: dict[Place, int] = defaultdict(int)
    for number in numbers:
        squares[number.place] += float(np.square(number.ours - number.ours.mean()).sum())
        freedom[number.place] += len(number.ours) - 1
    return {place: (math.sqrt(squares[place] / freedom[place]), freedom[place]) for place in squares}


def bounds(number: Number, ours: np.ndarray, noise: tuple[float, int]) -> tuple[float, float]:
    """At 90 %: all differences that lie within the noise which there would be if they were the true ones.

    What prints as the published number (two digits, half a step below to a whole one above) counts as it.
    """
    deviation, freedom = noise
    square = stats.t.ppf(0.95, freedom) ** 2 if freedom not in SQUARES else SQUARES[freedom]
    SQUARES[freedom] = square

    def beyond(true: Any, seen: float) -> Any:
        by_images = Z**2 * abs(true) * (1 - abs(true)) / number.images
        return (seen - true) ** 2 - square * deviation**2 * (1 + 1 / len(ours)) - by_images

    def furthest(seen: float, side: int) -> float:
        steps = seen + side * STEPS
        explained = np.flatnonzero(beyond(steps, seen) < 0)
        last = explained[-1] if len(explained) else 0
        return brentq(beyond, steps[last], steps[last + 1], args=(seen,)) if last else seen

    apart = ours.mean() - number.published
    return furthest(max(apart - 0.01, -1), -1), furthest(min(apart + 0.005, 1), 1)


def verdict(low: float, high: float) -> str:
    if low > -MARGIN and high < MARGIN:
        return "equivalent"
    return "different" if low > MARGIN or high < -MARGIN else "inconclusive"


def shown(name: str, style: str) -> str:
    store = LEADERBOARDS / "results" / f"{name}.jsonl"
    done = CliRunner().invoke(main, ["compare", "--against", "kumar_2025", "--store", str(store), "--format", style])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module", params=["mvtec_ad", "mvtec_ad_h200"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def numbers(name: str) -> list[Number]:
    return pairs(LEADERBOARDS / "results" / f"{name}.jsonl")


def test_every_bound_and_verdict_follows_from_the_rows(name: str, numbers: list[Number]) -> None:
    noise = noises(numbers)
    printed = {
        (row["category"], (row["model"], row["encoder"], row["loss"]), row["metric"]): row
        for row in json.loads(shown(name, "json"))
        if row["verdict"] != "not comparable"
    }
    assert set(printed) == {(number.category, number.method, number.metric) for number in numbers}
    for number in numbers:
        row = printed[number.category, number.method, number.metric]
        expected = bounds(number, number.ours, noise[number.place])
        assert (row["difference_low"], row["difference_high"]) == pytest.approx(expected, abs=1e-9)
        assert row["verdict"] == verdict(*expected)
        assert (row["deviation"], row["freedom"]) == pytest.approx(noise[number.place])


def test_every_total_beside_chance_follows_from_the_rows(name: str, numbers: list[Number]) -> None:
    page = shown(name, "md").partition("### Equivalent numbers")[2].partition("###")[0]
    headings, _, *lines = [line for line in page.splitlines() if line.startswith("|")]
    names = [cell.strip() for cell in headings.strip("|").split("|")]
    rows = [dict(zip(names, (cell.strip() for cell in line.strip("|").split("|")), strict=True)) for line in lines]
    noise, draws = noises(numbers), np.random.default_rng(5)
    dealt_all, seen_all = np.zeros(20_000), 0
    for row in rows:
        own = [number for number in numbers if number.category == row["category"]]
        if not own:
            assert row["category"] == "all"
            assert int(row["equivalent"]) == seen_all
            check_p(float(row["P"]), dealt_all, seen_all)
            continue
        methods = list(dict.fromkeys(number.method for number in own))
        matches, dealt = of_each_deal(own, methods, noise, draws)
        seen = int(np.trace(matches))
        dealt_all, seen_all = dealt_all + dealt, seen_all + seen
        assert (int(row["numbers"]), int(row["equivalent"])) == (len(own), seen)
        assert float(row["shuffled"]) == pytest.approx(matches.sum() / len(methods), abs=0.051)
        check_p(float(row["P"]), dealt, seen)
        assert int(row["free"]) == len(own) * 2 // 3, "the accuracy follows from the rates"
        assert int(row["mean row"]) == mean_rows(own, noise)
        assert int(row["constant rate"]) == constant(own, noise)
        for metric, heading in zip(METRICS, ("rank normal", "rank abnormal", "rank accuracy"), strict=True):
            of_metric = [number for number in own if number.metric == metric]
            sides = [round(n.ours.mean(), 9) for n in of_metric], [n.published for n in of_metric]
            if row[heading]:
                assert float(row[heading]) == pytest.approx(stats.spearmanr(*sides).statistic, abs=0.0051)


def of_each_deal(own: list[Number], methods: list[Any], noise: Any, draws: Any) -> tuple[np.ndarray, np.ndarray]:
    """How many numbers of method i, in our rows, suit those published of j; and the total of each of many deals."""
    matches = np.zeros((len(methods), len(methods)))
    for theirs in own:
        for ours in own:
            if ours.metric == theirs.metric:
                fits = verdict(*bounds(theirs, ours.ours, noise[theirs.place])) == "equivalent"
                matches[methods.index(ours.method), methods.index(theirs.method)] += fits
    orders = draws.permuted(np.tile(np.arange(len(methods)), (20_000, 1)), axis=1)
    return matches, matches[orders, np.arange(len(methods))].sum(axis=1)


def check_p(printed: float, dealt: np.ndarray, seen: int) -> None:
    p = (dealt >= seen - 1e-9).mean()
    assert printed == pytest.approx(p, abs=0.0051 + 4 * math.sqrt(p * (1 - p) / 9_999 + p * (1 - p) / len(dealt)))


def mean_rows(own: list[Number], noise: Any) -> int:
    """The mean of all that the paper prints for the category, also for the methods that we lack."""
    table = tomllib.loads((LEADERBOARDS / "published" / "kumar_2025.toml").read_text(encoding="utf-8"))
    means = {m: np.mean([float(r[m]) for r in table["rows"] if r["category"] == own[0].category]) for m in METRICS}
    found = [bounds(n, np.full(len(n.ours), means[n.metric]), noise[n.place]) for n in own]
    return sum(verdict(*one) == "equivalent" for one in found)


def constant(own: list[Number], noise: Any) -> int:
    """The best total of a detector that calls a share of the images anomalous, by steps of .01."""
    images = {number.metric: number.images for number in own}
    totals = []
    for alarms in np.linspace(0, 1, 101):
        accuracy = ((1 - alarms) * images["normal_rate"] + alarms * images["abnormal_rate"]) / images["accuracy"]
        values = {"normal_rate": 1 - alarms, "abnormal_rate": alarms, "accuracy": accuracy}
        found = [bounds(n, np.full(len(n.ours), values[n.metric]), noise[n.place]) for n in own]
        totals.append(sum(verdict(*one) == "equivalent" for one in found))
    return max(totals)


def test_distances_by_method_follow_from_the_rows(name: str, numbers: list[Number]) -> None:
    page = shown(name, "md").partition("### By method")[2]
    noise, checked = noises(numbers), 0
    for line in re.findall(r"^\| (\w+ · .*) \|$", page, flags=re.MULTILINE):
        title, *cells = (cell.strip() for cell in line.split("|"))
        own = [number for number in numbers if " · ".join(number.method) == title]
        if not own or not cells[-1]:
            continue
        distance = np.mean([abs(number.ours.mean() - number.published) for number in own])
        reach = np.mean([np.subtract(*bounds(n, n.ours, noise[n.place])[::-1]) / 2 for n in own])
        assert (float(cells[-2]), float(cells[-1])) == pytest.approx((distance, reach), abs=0.00051)
        checked += 1
    assert checked >= 4


def test_what_conventions_reach_and_chance_would_follows_from_the_rows(name: str, numbers: list[Number]) -> None:
    store = LEADERBOARDS / "results" / f"{name}.jsonl"
    words = ["compare", "--against", "kumar_2025", "--conventions", "--store", str(store), "--format", "md"]
    page = CliRunner().invoke(main, words).stdout
    total = (
        r"(\d+) of (\d+) numbers within one test image as judged here, (\d+) under some convention; ([\d.]+) expected"
    )
    (printed,) = re.findall(total, page)
    rows = [json.loads(line) for line in store.read_text(encoding="utf-8").splitlines()]
    under = [alternatives(number, rows) for number in numbers]
    near = [reaches(number, [number.ours.mean()]) for number in numbers]
    some = [reaches(number, [number.ours.mean(), *others]) for number, others in zip(numbers, under, strict=True)]
    chance = 0.0
    for number in numbers:
        beside = [(o, others) for o, others in zip(numbers, under, strict=True) if o.place == number.place]
        chance += float(np.mean([reaches(number, [o.ours.mean(), *others]) for o, others in beside]))
    assert (int(printed[0]), int(printed[1]), int(printed[2])) == (sum(near), len(numbers), sum(some))
    assert float(printed[3]) == pytest.approx(chance, abs=0.051)


def reaches(number: Number, values: list[float]) -> bool:
    step = 1 / number.images + 1e-12
    return any(number.published - 0.005 - step <= value <= number.published + 0.01 + step for value in values)


def alternatives(number: Number, rows: list[dict[str, Any]]) -> list[float]:
    """Our means by one other pool, or by one other threshold."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        method = (row["model"], row["encoder"], row["loss"])
        protocol = (row["status"], row["image_size"], row["holdout"], row["category"])
        one_otherwise = (row["pool"] == "mean") != (row["threshold"] == "mean")
        if one_otherwise and method == number.method and protocol == ("done", 256, 0.0, number.category):
            found[row["pool"], row["threshold"]].append(row[number.metric])
    return [float(np.mean(values)) for values in found.values()]
