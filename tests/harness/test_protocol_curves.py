"""Curves over protocols: what belongs to one curve, when it is within its noise of the end, tables, and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Images, Threshold
from harness.plugin.registry import Registry
from harness.report.curves import curves_document
from harness.report.formats import render
from harness.report.html import page
from harness.trials.pictures import thumbnails
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.curves import Curve, Point, curves_of
from harness.verdicts.judging import judge
from harness.verdicts.leaderboard import boards
from harness.verdicts.methods import Method
from harness.verdicts.verdict import Verdict

USUAL = Trial("folder", "tile", "patchcore", "conv", "-", 0, 64, 0, 0, 0.0, 0.0, "fp32", "pretrained")
KINDS = ("good",) * 10 + ("crack",) * 10
NAMES = tuple(f"{at:02}.png" for at in range(20))


def outcome(apart: float, **trial: Any) -> Outcome:
    """Scores of which the classes lie so far apart: the same noise for every trial of one seed."""
    made = USUAL._replace(**trial)
    test = np.random.default_rng(made.seed).normal(size=20) + apart * np.repeat([0, 1], 10)
    evidence = Evidence({"max": np.linspace(-2, 1, 30)}, {"max": test}, KINDS, NAMES)
    record = Record(
        default_pool="max", n_train=made.shots or 40, fit_seconds=1.0, finished_at="2026-01-02T03:04:05+00:00"
    )
    return Outcome(made, "done", "", f"f00d{made.category}{made.reserve}", evidence, record)


def judged(outcomes: list[Outcome]) -> list[Verdict]:
    (threshold,) = Registry.discover().choose(Threshold, "mean")
    return [verdict for one in outcomes for verdict in judge(one, [threshold])]


def learning(seeds: int = 3, **more: Any) -> list[Outcome]:
    strength = {1: 0.5, 2: 1.0, 8: 3.0, 0: 3.0}
    return [outcome(strength[n], shots=n, seed=seed, **more) for n in strength for seed in range(seeds)]


def test_a_curve_has_a_point_for_each_number_of_images_and_all_of_them_at_its_end() -> None:
    (curves,) = curves_of(boards(judged(learning()), "auroc"), "auroc")
    assert (curves.axis, curves.category, curves.track.protocol) == ("shots", "tile", ())
    (line,) = curves.lines
    assert [(point.at, point.seeds) for point in line.points] == [(1, 3), (2, 3), (8, 3), (40, 3)]
    assert line.enough == 8


def test_other_shares_reserves_and_sizes_make_no_curve_together() -> None:
    every = [
        outcome(2.0, shots=2),
        outcome(2.0, shots=4, contaminate=0.1, reserve=0.1),
        outcome(2.0, shots=8, image_size=32),
    ]
    assert curves_of(boards(judged(every)), "auroc") == []
    dirty = [outcome(2.0 - share, contaminate=share, reserve=0.2) for share in (0.0, 0.1, 0.2)]
    (curves,) = curves_of(boards(judged([*dirty, outcome(3.0)]), "auroc"), "auroc")
    assert (curves.axis, [point.at for point in curves.lines[0].points]) == ("contaminate", [0.0, 0.1, 0.2])


def test_the_mean_of_fewer_categories_makes_no_curve_beside_that_of_all() -> None:
    both = [*learning(), *learning(category="wood"), *learning(model="knn")]
    found = {curves.category: curves for curves in curves_of(boards(judged(both), "auroc"), "auroc")}
    assert [line.method.model for line in found[None].lines] == ["patchcore"]
    assert {line.method.model for line in found["tile"].lines} == {"patchcore", "knn"}


def test_values_at_which_a_threshold_sets_no_limit_are_named() -> None:
    every, judges = learning(seeds=1), Registry.discover().choose(Threshold, "mean,conformal")
    few = [replace(one, evidence=Evidence({"max": np.array([0.1, 0.2])}, one.evidence.test, KINDS, NAMES)) for one in every[:2]]  # fmt: skip
    verdicts = [verdict for one in [*few, *every[2:]] for verdict in judge(one, judges) if verdict.status == "done"]
    (curves,) = curves_of(boards(verdicts, "auroc"), "auroc")
    assert {line.method.threshold: list(line.unset) for line in curves.lines} == {"mean": [], "conformal": [1, 2]}
    assert "conformal could set no limit at 1, 2." in render(curves_document(boards(verdicts, "auroc"), "auroc"), "md")


def test_one_shot_whose_limit_could_not_be_cross_fitted_stands_at_the_start_of_its_curve() -> None:
    every = [outcome(2.0, shots=n, calibrate="crossfit" * (n > 1)) for n in (1, 2, 4)]
    (curves,) = curves_of(boards(judged(every), "auroc"), "auroc")
    assert [point.at for point in curves.lines[0].points] == [1, 2, 4]


def curve(*means: list[float], higher: bool = True) -> Curve:
    points = [
        Point(at, float(np.mean(values)), 0.1, len(values), dict(enumerate(values)))
        for at, values in enumerate(means, 1)
    ]
    return Curve(Method("m", "-", "-", "-", "max", "mean", 0, 0.0, "fp32", 0, 0.0), points, higher)


def test_what_seeds_share_is_no_noise_of_a_curve() -> None:
    far_apart_seeds = curve([0.5, 0.7, 0.9], [0.6, 0.8, 1.0])
    assert far_apart_seeds.enough is None, "each seed gains as much"
    assert curve([0.5, 0.7, 0.9], [0.9, 0.7, 0.5]).enough == 1
    assert curve([0.5, 0.5], [0.1, 0.1], [0.5, 0.5]).enough is None, "it leaves the noise again"
    assert curve([0.5], [0.5]).enough is None, "one seed has no noise"
    assert curve([0.9, 0.9], [0.5, 0.5], higher=False).enough is None
    assert curve([0.1, 0.1], [0.5, 0.5], higher=False).enough == 1


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=6))
def test_from_enough_on_every_point_is_within_its_noise(means: list[list[float]]) -> None:
    made = curve(*means)
    if made.enough is None:
        return
    for values in means[int(made.enough) - 1 : -1]:
        apart = np.subtract(means[-1], values)
        assert apart.mean() <= 2 * apart.std(ddof=1) / np.sqrt(3) + 1e-9


def test_tables_say_the_spread_and_how_many_images_are_enough() -> None:
    text = render(curves_document(boards(judged(learning()), "auroc"), "auroc"), "md")
    assert "folder · 64 px · tile · AUROC by training images" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| patchcore")]
    assert row.count("±") == 4
    assert row.endswith(" 8 |")
    assert "No curves" in render(curves_document(boards(judged([outcome(1.0)])), "auroc"), "md")
    rows = render(curves_document(boards(judged(learning()), "auroc"), "auroc"), "csv").splitlines()
    assert len(rows) == 5


@pytest.mark.parametrize("width", [1440, 390])
def test_a_page_draws_curves_with_bands_and_says_what_they_show(browser: Any, tmp_path: Path, width: int) -> None:
    every = [*learning(), *learning(model="knn")]
    every += [
        outcome(2.0 - 5 * share, contaminate=share, reserve=0.2, seed=seed) for share in (0.0, 0.2) for seed in (0, 1)
    ]
    pixels, masks = np.full((20, 16, 16, 3), 120, np.uint8), np.zeros((20, 16, 16), np.uint8)
    with Store(tmp_path, write=True) as store:
        for one in every:
            store.put(one)
            store.put_thumbnails(one.fingerprint, thumbnails(Images(pixels, NAMES, KINDS, masks)))
        text = page(judged(every), store, ranked_by="auroc")
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    opened = browser.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto((tmp_path / "report.html").as_uri())
    opened.wait_for_selector("#protocols path.band.of-1", state="attached")
    titles = [one.split("curves")[0].split()[-1] for one in opened.locator("#protocols figcaption").all_inner_texts()]
    assert titles == ["Learning", "Contamination"]
    assert opened.locator("#protocols figure").first.locator(".save button").all_inner_texts() == ["SVG", "PNG"]
    beside = opened.locator("#pair-choice [name=second] option:checked").inner_text()
    assert "shots" not in beside, "the other method is one of the same protocol"
    assert "within its noise of that from 8 on" in opened.locator("#protocols .enough").first.inner_text()
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    opened.locator("#filters select[name=source]").select_option("folder · 64 px · shots 2")
    assert opened.locator("#protocols figure").count() == 1
    assert "shots 2" in opened.locator("#scope").inner_text()
    opened.close()
    assert wrong == []
