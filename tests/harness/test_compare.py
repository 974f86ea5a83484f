from __future__ import annotations

import csv
import io
import itertools
import json
import math
import runpy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm, spearmanr
from scipy.stats import t as student

from harness import OracleThreshold, Threshold
from harness.conventions import Convention, Judged
from harness.published import load, read
from harness.published.chance import _without_information, chance_of, shuffled_of
from harness.published.comparison import Compared, Comparison, compare, plain_name
from harness.published.equivalence import Noise, bounds_of, judgement
from harness.published.floors import beside_floors
from harness.published.printed import read_number
from harness.published.reached import Reached, reached, within_one_image
from harness.report.comparison import COLUMNS, comparison_document
from harness.report.formats import render
from harness.report.formats.terminal import to_terminal
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import row_of, save, verdict_of
from harness.verdicts.judging import judge
from harness.verdicts.verdict import Verdict

BOTTLE = Trial("mvtec_ad", "bottle", "dae", "conv", "mse", 0, 256, 50, 32, 1e-4, 0.0, "fp32", "-")


class Mean(Threshold):
    name = "mean"

    def fit(self, normal: np.ndarray) -> float:
        return 0.5


class Quantile(Mean):
    name = "quantile"


class Peek(OracleThreshold):
    name = "peek"

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        return 0.5


def verdict(
    right_normal: int = 7,
    right_abnormal: int = 61,
    n: tuple[int, int] = (20, 63),
    threshold: Threshold | None = None,
    pool: str = "mean",
    fingerprint: str = "f00d",
    record: dict[str, object] | None = None,
    **changes: object,
) -> Verdict:
    """A verdict on the official number of bottles, by default with what the paper printed for dae + conv + mse."""
    normal = np.r_[np.linspace(0, 0.4, right_normal), np.linspace(0.6, 0.8, n[0] - right_normal)]
    abnormal = np.r_[np.linspace(0.7, 1, right_abnormal), np.linspace(0.2, 0.3, n[1] - right_abnormal)]
    defects, paths = ("good",) * n[0] + ("crack",) * n[1], tuple(map(str, range(sum(n))))
    evidence = Evidence({pool: np.array([0.2])}, {pool: np.r_[normal, abnormal]}, defects, paths)
    outcome = Outcome(
        BOTTLE._replace(**changes), "done", "", fingerprint, evidence, Record(default_pool=pool, **(record or {}))
    )
    return next(judge(outcome, [threshold or Mean()]))


def unfinished(**changes: object) -> Verdict:
    return next(judge(Outcome(BOTTLE._replace(**changes), "skipped", "no weights"), [Mean()]))


def paper(*verdicts: Verdict) -> Compared:
    return compare(load("kumar_2025"), verdicts)


def by_metric(compared: Compared) -> dict[str, Comparison]:
    found = {comparison.metric: comparison for comparison in compared.comparisons}
    assert len(found) == len(compared.comparisons)
    return found


def csv_table(folder: Path, header: str, *lines: str) -> Compared | object:
    file = folder / "theirs.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return read(file)


def test_of_two_single_runs_nothing_is_known_but_how_far_another_test_set_would_move_them() -> None:
    compared = paper(verdict())
    found = by_metric(compared)
    assert list(found) == ["normal_rate", "abnormal_rate", "accuracy"]
    normal = found["normal_rate"]
    assert (normal.published.text, normal.ours.mean, normal.difference) == ("0.35", 0.35, 0.0)
    assert normal.noise == Noise(math.sqrt(0.35 * 0.65 / 20), 0)
    assert normal.bounds == pytest.approx(as_far_as_noise_explains(normal), abs=1e-6)
    assert {name: comparison.verdict for name, comparison in found.items()} == {
        "normal_rate": "inconclusive", "abnormal_rate": "equivalent", "accuracy": "inconclusive",
    }  # fmt: skip
    assert "No method here has two seeds" in render(comparison_document(compared), "md")


def as_far_as_noise_explains(one: Comparison) -> tuple[float, float]:
    """The true differences which noise at 90 % would take as far as the one that was seen, with scipy's root finder."""
    assert one.difference is not None
    quantile = student.ppf(0.95, one.noise.freedom) if one.noise.freedom else norm.ppf(0.95)

    def beyond(true: float, seen: float) -> float:
        by_seeds = (quantile * one.noise.deviation) ** 2 * (1 + 1 / one.ours.n)
        return (seen - true) ** 2 - by_seeds - norm.ppf(0.95) ** 2 * abs(true) * (1 - abs(true)) / one.images

    low, high = one.difference - 0.01, one.difference + 0.005  # .34 to .36 may be cut off or rounded to .35
    return brentq(beyond, low - 1, low - 1e-9, args=(low,)), brentq(beyond, high + 1e-9, high + 1, args=(high,))


def test_seeds_that_agree_make_an_equal_number_equivalent_and_a_far_one_different() -> None:
    same = by_metric(paper(*[verdict(7, 61, seed=seed) for seed in range(3)]))
    assert {name: comparison.verdict for name, comparison in same.items()} == {
        "normal_rate": "inconclusive", "abnormal_rate": "equivalent", "accuracy": "equivalent",
    }, "20 normal images that are decided alike are no proof that one in ten would not be decided differently"  # fmt: skip
    far = by_metric(paper(*[verdict(16, 61, seed=seed) for seed in range(3)]))["normal_rate"]
    assert far.verdict == "different"
    assert far.difference == pytest.approx(0.45)


def test_the_noise_of_a_run_is_that_of_all_methods_of_the_category_together() -> None:
    ours = [verdict(7 + seed, seed=seed) for seed in range(3)] + [
        verdict(6 + 4 * seed, loss="ssim", seed=seed) for seed in range(2)
    ]
    ours.append(verdict(5, encoder="vgg16", weights="pretrained"))
    found = [c for c in paper(*ours).comparisons if c.metric == "normal_rate"]
    variance = (2 * np.var([7, 8, 9], ddof=1) + np.var([6, 10], ddof=1)) / 3 / 20**2
    for comparison in found:
        assert comparison.noise == Noise(pytest.approx(math.sqrt(variance)), 3)
    alone = next(c for c in found if c.method.encoder == "vgg16")
    assert alone.bounds == pytest.approx(as_far_as_noise_explains(alone), abs=1e-6)


@given(
    st.floats(0, 1), st.integers(0, 100), st.integers(1, 50), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0.01, 0.5)
)
def test_more_noise_never_makes_a_claim_easier(
    ours: float, theirs: int, runs: int, one: float, other: float, margin: float
) -> None:
    printed = read_number(f"{theirs / 100:.2f}", 2)
    less, more = (
        judgement(bounds_of(ours, runs, printed, 83, Noise(noise, 8)), margin) for noise in sorted((one, other))
    )
    assert more in (less, "inconclusive")


@given(st.floats(0, 1), st.integers(0, 100), st.integers(1, 200), st.floats(0, 0.3), st.floats(0.02, 0.5))
def test_what_is_equivalent_lies_within_the_margin_and_what_is_different_beyond_it(
    ours: float, theirs: int, images: int, noise: float, margin: float
) -> None:
    printed = read_number(f"{theirs / 100:.2f}", 2)
    found = judgement(bounds_of(ours, 3, printed, images, Noise(noise, 8)), margin)
    assert found != "equivalent" or abs(ours - theirs / 100) < margin
    assert found != "different" or abs(ours - theirs / 100) > margin


def test_the_digits_of_a_printed_number_count_as_they_were_printed(tmp_path: Path) -> None:
    header = "dataset,category,model,encoder,loss,normal_rate"
    ours = [verdict(n=(80, 80), right_normal=32, right_abnormal=40, category="bolt", seed=seed) for seed in range(3)]
    one_digit, three_digits = (
        compare(csv_table(tmp_path, header, f"mvtec_ad,bolt,dae,conv,mse,{text}"), ours) for text in ("0.4", "0.400")
    )
    assert one_digit.comparisons[0].verdict == "inconclusive", ".35 and .499 print as 0.4 too"
    assert three_digits.comparisons[0].verdict == "equivalent"


def test_several_seeds_are_averaged() -> None:
    normal = by_metric(paper(verdict(9, seed=1), verdict(5, seed=0), verdict(13, seed=2)))["normal_rate"]
    assert normal.ours.mean == pytest.approx(9 / 20)
    assert normal.ours.sd == pytest.approx(0.2)
    assert (normal.ours.low, normal.ours.high, normal.ours.n) == (5 / 20, 13 / 20, 3)
    assert [each.trial.seed for each in normal.verdicts] == [0, 1, 2]


def test_the_margin_is_the_users() -> None:
    ours = [verdict(9, 61, seed=seed) for seed in range(3)]
    wide, usual = (compare(load("kumar_2025"), ours, margin) for margin in (0.4, 0.1))
    assert by_metric(wide)["normal_rate"].verdict == "equivalent", "0.10 apart"
    assert by_metric(usual)["normal_rate"].verdict == "inconclusive"
    assert "A margin of 0.40 tells methods hardly apart" in render(comparison_document(wide), "md")
    assert "hardly apart" not in render(comparison_document(usual), "md")


def test_pixel_metrics_too_are_compared_by_the_deviation_over_seeds(tmp_path: Path) -> None:
    table = csv_table(tmp_path, "dataset,category,model,encoder,loss,pixel_auroc", "mvtec_ad,bottle,dae,conv,mse,0.72")
    pixels = [0.71, 0.73, 0.72]
    seeds = [verdict(seed=i, record={"pixels": {"pixel_auroc": value}}) for i, value in enumerate(pixels)]
    (three,) = compare(table, seeds).comparisons
    assert three.noise == Noise(pytest.approx(0.01), 2)
    assert three.verdict == "equivalent"
    assert three.images == 63


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        ({"dataset": "synthetic"}, "synthetic data"),
        ({"dataset": "folder"}, "data set folder, mvtec_ad published"),
        (
            {"record": {"incomplete": "bottle has 62 of 63 defective"}},
            "incomplete category: bottle has 62 of 63 defective",
        ),
        ({"n": (20, 62)}, "test set of 20 + 62 images, 20 + 63 published"),
        ({"image_size": 128}, "image size 128, 256 published"),
        ({"weights": "random"}, "random weights"),
        ({"batch_size": 16}, "batch size 16, 32 published"),
        ({"learning_rate": 1e-3}, "learning rate 0.001, 0.0001 published"),
        ({"holdout": 0.1}, "fitted without 10% of the normal images, held out for the threshold"),
        ({"pool": "max"}, "pool max, mean published"),
        ({"threshold": Quantile()}, "threshold quantile, mean published"),
        ({"threshold": Peek()}, "oracle threshold"),
    ],
)
def test_what_was_made_otherwise_is_not_comparable_and_the_reason_is_said(ours: dict[str, object], reason: str) -> None:
    compared = paper(verdict(**ours))
    for comparison in compared.comparisons:
        assert (comparison.verdict, comparison.reasons) == ("not comparable", (reason,))
        assert comparison.difference is None
    assert reason in render(comparison_document(compared), "md")
    assert {row["difference"] for row in json.loads(render(comparison_document(compared), "json"))} == {None}


def test_every_reason_is_said() -> None:
    compared = paper(verdict(dataset="synthetic", image_size=64, n=(4, 6), right_normal=3, right_abnormal=3))
    assert compared.comparisons[0].reasons == ("synthetic data", "image size 64, 256 published")


@pytest.mark.parametrize(
    ("columns", "cells", "reason"),
    [
        ("track", "oracle", "oracle threshold published"),
        ("setting", "multi-class", "one model a category, one for all published"),
        ("epochs", "100", "50 epochs, 100 published"),
        ("epochs", "50", ""),
        ("batch_size", "64", "batch size 32, 64 published"),
        ("learning_rate", "1e-3", "learning rate 0.0001, 0.001 published"),
        ("learning_rate", "0.0001", ""),
        ("image_size", "256", ""),
        ("weights", "random", ""),
    ],
)
def test_what_a_source_states_of_a_row_must_be_so_here(tmp_path: Path, columns: str, cells: str, reason: str) -> None:
    header, line = "category,model,encoder,loss,normal_rate,dataset", "bottle,dae,conv,mse,0.35,mvtec_ad"
    table = csv_table(tmp_path, f"{header},{columns}", f"{line},{cells}")
    ours = verdict(weights="random") if columns == "weights" else verdict()
    (comparison,) = compare(table, [ours]).comparisons
    assert comparison.reasons == ((reason,) if reason else ())


def test_a_source_that_does_not_state_its_data_set_is_compared_with_nothing(tmp_path: Path) -> None:
    table = csv_table(tmp_path, "category,model,encoder,loss,normal_rate", "bottle,dae,conv,mse,0.35")
    (comparison,) = compare(table, [verdict()]).comparisons
    assert comparison.reasons == ("data set mvtec_ad, the source does not state its own",)


def test_what_a_source_leaves_open_is_compared_and_said(tmp_path: Path) -> None:
    table = csv_table(tmp_path, "dataset,category,model,encoder,loss,normal_rate", "mvtec_ad,bottle,dae,conv,mse,0.35")
    shown = render(comparison_document(compare(table, [verdict()])), "md")
    assert "theirs does not state setting, image size, pool, threshold: there ours may differ." in shown
    assert "does not state" not in render(comparison_document(paper(verdict())), "md")


def test_the_auroc_is_compared_once_whatever_the_threshold(tmp_path: Path) -> None:
    table = csv_table(tmp_path, "dataset,category,model,encoder,loss,auroc", "mvtec_ad,bottle,dae,conv,mse,0.86")
    ours = [verdict(), verdict(threshold=Quantile()), verdict(threshold=Peek())]
    (comparison,) = compare(table, ours).comparisons
    assert comparison.difference == pytest.approx(ours[0].auroc - 0.86)
    assert comparison.images == 20, "of the smaller class"
    assert comparison.reasons == ()
    assert comparison.method.threshold == "-"
    assert "threshold" not in render(comparison_document(compare(table, ours)), "md").split("Cells")[0]


def test_pools_are_compared_apart_where_the_metric_depends_on_them(tmp_path: Path) -> None:
    table = csv_table(
        tmp_path, "dataset,category,model,encoder,loss,auroc,aupro_0.30", "mvtec_ad,bottle,dae,conv,mse,0.86,0.5"
    )
    ours = [verdict(pool=pool, record={"pixels": {"aupro_0.30": 0.5}}) for pool in ("mean", "max")]
    found = [(comparison.metric, comparison.method.pool) for comparison in compare(table, ours).comparisons]
    assert found == [("auroc", "max"), ("auroc", "mean"), ("aupro_0.30", "-")]


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("dae", "dae"),
        ("dae[level=0.2,noise=gaussian]", "dae"),
        ("timm[name=resnet18.a1_in1k]", "resnet18"),
        ("timm[name=resnet18]", "resnet18"),
        ("timm[name=wide_resnet50_2.tv2_in1k]", "wide_resnet50"),
        ("-", "-"),
    ],
)
def test_a_source_calls_a_part_by_its_plain_name(spelt: str, name: str) -> None:
    assert plain_name(spelt) == name


def test_a_variant_is_compared_under_its_own_name() -> None:
    compared = paper(verdict(), verdict(9, model="dae[level=0.2]"))
    assert len(compared.comparisons) == 6
    shown = render(comparison_document(compared), "md")
    assert "| dae (level=0.2) · conv · mse" in shown
    assert "A name with options is a variant of the published method." in shown


def test_runs_that_differ_in_settings_are_compared_apart_and_named_by_them() -> None:
    compared = paper(verdict(), verdict(9, epochs=200))
    assert {comparison.method.epochs for comparison in compared.comparisons} == {50, 200}
    shown = render(comparison_document(compared), "md")
    assert "dae · conv · mse, epochs 50" in shown
    assert "dae · conv · mse, epochs 200" in shown


def test_data_that_changed_is_not_averaged_with_what_it_was() -> None:
    compared = paper(verdict(fingerprint="01d"), verdict(9, seed=1, fingerprint="2e3"))
    assert [comparison.ours.n for comparison in compared.comparisons] == [1] * 6
    shown = render(comparison_document(compared), "md")
    assert "### kumar_2025 · bottle, data 01d" in shown
    assert "### kumar_2025 · bottle, data 2e3" in shown


def test_cells_that_only_one_side_has_are_counted() -> None:
    ours = [verdict(), verdict(seed=1), verdict(model="vae"), verdict(model="vae", seed=1), verdict(category="cable")]
    compared = paper(*ours, unfinished(encoder="vgg16"), unfinished(encoder="resnet50"), unfinished())
    assert (compared.lacking, compared.tried, compared.unpublished) == (59, 2, 2)
    shown = render(comparison_document(compared), "md")
    assert "Cells (a method on a category) published but not here: 59 of 60, 2 of them skipped or failed." in shown
    assert "Cells that are here but not published: 2." in shown


def test_with_nothing_in_common_only_the_counts_are_said() -> None:
    said = [
        "Cells (a method on a category) published but not here: 60 of 60.\n",
        "Cells that are here but not published: 1.\n",
    ]
    assert render(comparison_document(paper(verdict(model="vae"))), "md") == "\n".join(said)
    assert render(comparison_document(paper(verdict(model="vae"))), "rich") == "".join(said)
    assert json.loads(render(comparison_document(paper()), "json")) == []
    assert render(comparison_document(paper()), "csv") == ",".join(COLUMNS) + "\n"


def test_published_numbers_that_arithmetic_denies_are_marked() -> None:
    compared = paper(verdict(n=(26, 141), category="pill", encoder="vgg16", model="cae", weights="pretrained"))
    assert [comparison.impossible for comparison in compared.comparisons] == [False, False, True]
    assert "!0.77" in render(comparison_document(compared), "md")
    assert "! the published number contradicts others: `harness validate kumar_2025`." in render(
        comparison_document(compared), "md"
    )
    assert "contradicts" not in render(comparison_document(paper(verdict())), "md")


def test_means_over_categories_are_left_out_and_said() -> None:
    assert "19 published means over categories are left out." in render(
        comparison_document(compare(load("image_auroc"), [])), "md"
    )


def test_a_table_in_percent_is_shown_in_percent() -> None:
    ours = verdict(model="padim", encoder="timm[name=resnet18.a1_in1k]", loss="-", weights="pretrained")
    compared = compare(load("image_auroc"), [ours])
    (comparison,) = compared.comparisons
    assert comparison.difference == pytest.approx(ours.auroc - 0.994)
    assert f"{100 * ours.auroc:.2f}" in render(comparison_document(compared), "md")
    (row,) = json.loads(render(comparison_document(compared), "json"))
    assert (row["published"], row["published_value"]) == ("99.4", 0.994)


def test_a_network_that_timm_calls_otherwise_is_joined() -> None:
    ours = verdict(
        model="patchcore",
        encoder="timm[name=wide_resnet50_2.tv2_in1k]",
        loss="-",
        weights="pretrained",
        learning_rate=0.0,
        epochs=0,
        batch_size=0,
    )
    compared = compare(load("image_auroc"), [ours])
    assert [(c.row.encoder, c.metric) for c in compared.comparisons] == [("wide_resnet50", "auroc")] * 2
    assert compared.near_misses == []


@pytest.mark.parametrize(
    ("published", "ours", "reason"),
    [
        ("shots = 4", {"shots": 4}, None),
        ("shots = 4", {}, "shots as usual, shots 4 published"),
        ("shots = 4", {"shots": 2}, "shots 2, shots 4 published"),
        ('note = ""', {"shots": 2}, "shots 2, shots as usual published"),
        ('setting = "multi-class"', {}, "one model a category, one for all published"),
        ('setting = "multi-class"', {"setting": "joint", "together": "bottle,pill"}, None),
        (
            'note = ""',
            {"setting": "joint", "together": "bottle,pill"},
            "one model for 2 categories, one a category published",
        ),
    ],
)
def test_only_numbers_of_the_same_setting_are_compared(
    published: str, ours: dict[str, Any], reason: str | None, tmp_path: Path
) -> None:
    text = f"""
title = "few"
source = "somewhere"
read = "first hand"
read_in = "it"
dataset = "mvtec_ad"
metrics = ["auroc"]
track = "none"
protocol = {{ setting = "one-class", image_size = "not stated", backbone = "conv" }}
rows = [{{ category = "bottle", model = "dae", encoder = "conv", loss = "mse", auroc = "0.95", {published} }}]
"""
    (tmp_path / "few.toml").write_text(text)
    compared = compare(read(tmp_path / "few.toml"), [verdict(**ours)])
    (found,) = compared.comparisons
    assert (found.verdict == "not comparable", found.reasons) == (reason is not None, (reason,) if reason else ())


def test_means_that_stand_alone_are_read_with_the_setting_of_each() -> None:
    table = load("few_shot_and_joint")
    assert table.rows == ()
    found = {(one.model, one.shots, one.setting): one.values["auroc"].text for one in table.means}
    assert found["winclip", 4, "one-class"] == "95.2"
    assert [found["patchcore", shots, "one-class"] for shots in (1, 2, 4)] == ["83.4", "86.3", "88.8"]
    assert [found["subspace", shots, "one-class"] for shots in (1, 2, 4)] == ["97.1", "97.5", "98.0"]
    assert found["dinomaly", 0, "multi-class"] == "99.6"
    assert all(one.over == 15 and one.source for one in table.means)


def test_a_near_miss_is_suggested() -> None:
    ours = verdict(model="patchcore", encoder="timm[name=wideresnet50]", loss="-", weights="pretrained")
    compared = compare(load("image_auroc"), [ours])
    assert compared.comparisons == []
    assert ("wideresnet50", "wide_resnet50") in compared.near_misses
    assert "alike: wideresnet50 here and wide_resnet50 published" in render(comparison_document(compared), "md")


def test_totals_are_by_method_over_thresholds() -> None:
    compared = paper(verdict(16), verdict(16, threshold=Quantile()), verdict(encoder="vgg16", weights="random"))
    totals = render(comparison_document(compared), "md").split("### By method")[1].split("###")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in totals.splitlines() if " · mse" in line]
    assert rows[0][:6] == ["dae · conv · mse", "1", "1.0", "1", "1", "3"]
    assert rows[1] == ["dae · vgg16 · mse, random weights", "0", "", "0", "0", "3", "", ""]


def methods(*counts: tuple[int, int], seeds: int = 3, wobble: int = 0) -> list[Verdict]:
    """Own-encoder methods of the paper, each right on so many normal and abnormal bottles."""
    names = [("dae", "mse"), ("dae", "ssim"), ("cae", "mse"), ("cae", "ssim")]
    return [
        verdict(normal + wobble * (seed - 1), abnormal, model=model, loss=loss, seed=seed)
        for (model, loss), (normal, abnormal) in zip(names, counts, strict=False)
        for seed in range(seeds)
    ]


def comparable(compared: Compared) -> list[Comparison]:
    return [comparison for comparison in compared.comparisons if not comparison.reasons]


def test_the_total_of_shuffled_rows_is_the_mean_over_all_deals() -> None:
    compared = paper(*methods((7, 61), (6, 58), (5, 58), (9, 40)))
    found = chance_of(compared.table, comparable(compared))["bottle"]
    lines = [
        [c for c in compared.comparisons if c.method == method]
        for method in dict.fromkeys(c.method for c in compared.comparisons)
    ]
    totals = []
    for deal in itertools.permutations(range(4)):
        pairs = [
            (ours, beside)
            for place, dealt in enumerate(deal)
            for ours, beside in zip(lines[dealt], lines[place], strict=True)
        ]
        totals.append(sum(beside.would_be(ours.ours.mean) == "equivalent" for ours, beside in pairs))
    assert found.shuffled == pytest.approx(np.mean(totals))
    assert found.p == pytest.approx(np.mean(np.array(totals) >= found.count("equivalent")), abs=0.02)
    assert sum(shuffled_of(comparable(compared))) == pytest.approx(found.shuffled)


def test_numbers_that_follow_from_others_are_not_free() -> None:
    compared = paper(*methods((7, 61), (6, 58)))
    found = chance_of(compared.table, comparable(compared))["bottle"]
    assert {found.comparisons[place].metric for place in found.free} == {"normal_rate", "abnormal_rate"}
    assert (len(found.comparisons), len(found.free)) == (6, 4)


def test_a_detector_without_information_is_tried_at_every_rate_and_the_mean_of_the_published_rows_too() -> None:
    compared = paper(*methods((7, 61), (6, 58), (5, 58), (6, 61), wobble=0))
    found = chance_of(compared.table, comparable(compared))["bottle"]
    best = max(
        sum(c.would_be({"normal_rate": 1 - q, "abnormal_rate": q, "accuracy": (20 * (1 - q) + 63 * q) / 83}[c.metric]) == "equivalent" for c in found.comparisons)
        for q in np.linspace(0, 1, 101)
    )  # fmt: skip
    assert found.constant == best > 0
    rows = [row for row in compared.table.rows if row.category == "bottle"]
    means = {metric: np.mean([float(row.values[metric].value) for row in rows]) for metric in rows[0].values}
    assert found.mean_row == sum(c.would_be(means[c.metric]) == "equivalent" for c in found.comparisons)


@pytest.mark.parametrize(
    ("metric", "alarms", "expected"),
    [
        ("auroc", 0.3, 0.5),
        ("pixel_auroc", 0.3, 0.5),
        ("pixel_average_precision", 0.3, None),
        ("aupro_0.30", 0.3, None),
        ("average_precision", 0.3, 60 / 80),
        ("normal_rate", 0.3, 0.7),
        ("abnormal_rate", 0.3, 0.3),
        ("accuracy", 0.3, (20 * 0.7 + 60 * 0.3) / 80),
        ("balanced_accuracy", 0.3, 0.5),
        ("f1", 1.0, 2 * 60 / (2 * 60 + 20)),
        ("f1", 0.0, 0.0),
    ],
)
def test_a_detector_that_alarms_whatever_is_on_the_image_scores_what_arithmetic_says(
    tmp_path: Path, metric: str, alarms: float, expected: float | None
) -> None:
    (one,) = theirs(tmp_path, "0.50")
    one = replace(one, metric=metric, verdicts=(verdict(15, 45, (20, 60)),))
    found = _without_information(one, alarms)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_detector_without_counts_is_told_by_its_auroc_alone(tmp_path: Path) -> None:
    (one,) = theirs(tmp_path, "0.50")
    without = replace(one, verdicts=(unfinished(),))
    assert _without_information(replace(without, metric="auroc"), 0.3) == 0.5
    assert _without_information(replace(without, metric="accuracy"), 0.3) is None


def test_ranks_of_methods_are_correlated_with_the_published_ones() -> None:
    counts = [(9, 61), (5, 58), (7, 58), (6, 40)]
    compared = paper(*methods(*counts))
    found = chance_of(compared.table, comparable(compared))["bottle"]
    published = {
        (r.model, r.loss): float(r.values["normal_rate"].value)
        for r in compared.table.rows
        if r.category == "bottle" and r.encoder == "conv"
    }
    theirs = [published[name] for name in (("dae", "mse"), ("dae", "ssim"), ("cae", "mse"), ("cae", "ssim"))]
    assert found.correlations["normal_rate"] == pytest.approx(spearmanr([c[0] for c in counts], theirs).statistic)
    few = paper(*methods(*counts[:2]))
    assert chance_of(few.table, comparable(few))["bottle"].correlations["normal_rate"] is None


def test_totals_stand_beside_chance_by_category_and_together() -> None:
    pill = [
        verdict(14, 120, n=(26, 141), category="pill", loss=loss, seed=seed)
        for loss in ("mse", "ssim")
        for seed in range(2)
    ]
    compared = paper(*methods((7, 61), (6, 58)), *pill)
    found = chance_of(compared.table, comparable(compared))
    assert list(found) == ["bottle", "pill", ""]
    assert found[""].shuffled == found["bottle"].shuffled + found["pill"].shuffled
    assert found[""].count("equivalent") == found["bottle"].count("equivalent") + found["pill"].count("equivalent")
    assert found[""].count("equivalent", of_free=True) == sum(
        c.verdict == "equivalent" for c in found[""].comparisons if c.metric != "accuracy"
    )
    shown = render(comparison_document(compared), "md")
    assert "### Equivalent numbers, and how many chance would give" in shown
    assert "| all " in shown


@pytest.fixture(scope="module")
def simulated() -> Callable[..., float]:
    """How often a method so far apart is called equivalent, with few trials of leaderboards/simulations/equivalence.py."""
    script = Path(__file__).parents[2] / "leaderboards" / "simulations" / "equivalence.py"
    found = runpy.run_path(str(script))["equivalent"]
    found.__globals__["TRIALS"] = 400
    return lambda *case: found(*case, np.random.default_rng(3))


def test_with_the_right_method_nearly_all_numbers_become_equivalent_as_seeds_grow(
    simulated: Callable[..., float],
) -> None:
    shares = [simulated(0.0, None, 83, 0.01, seeds) for seeds in (2, 3, 10)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


@pytest.mark.parametrize("seeds", [2, 5, 30])
def test_with_a_wrong_method_few_do_however_many_seeds_there_are(seeds: int, simulated: Callable[..., float]) -> None:
    """Test images are drawn too: where 20 are decided alike, a method may be ten points worse on others."""
    assert simulated(0.1, 0.95, 26, 0.01, seeds) < 0.01
    assert simulated(0.1, 0.95, 83, 0.01, seeds) < 0.07
    assert simulated(0.1, 0.5, 83, 0.03, seeds) < 0.12
    assert simulated(0.15, 0.5, 83, 0.01, seeds) < 0.05


@pytest.mark.parametrize("images", [1, 10, 20, 30])
@pytest.mark.parametrize("printed", ["0.00", "0.50", "1.00"])
def test_up_to_thirty_images_show_no_equivalence_within_a_tenth(images: int, printed: str) -> None:
    """By Wilson: none of 30 differing, .083 of others may at 90 %, and .01 more by the digits that are printed."""
    bounds = bounds_of(float(printed), 30, read_number(printed, 2), images, Noise(0.0, 1000))
    assert judgement(bounds, 0.10) == "inconclusive"


def test_an_export_of_ours_is_compared_by_the_parts_as_spelt(tmp_path: Path) -> None:
    theirs, ours = verdict(model="dae[level=0.2]"), verdict(9, model="dae[level=0.2]", seed=1)
    said = row_of(theirs)
    del said["evidence"]  # from which the installed threshold `mean` makes another limit
    save([said], tmp_path / "theirs.jsonl")
    compared = compare(load(str(tmp_path / "theirs.jsonl")), [ours, verdict(seed=1)])
    verdicts = {comparison.metric: comparison.verdict for comparison in compared.comparisons}
    assert {"not comparable"}.isdisjoint(verdicts.values())
    assert verdicts["abnormal_rate"] == "equivalent"
    assert (compared.lacking, compared.unpublished) == (0, 1)


def test_verdicts_that_were_read_from_an_export_compare_as_those_of_a_store(tmp_path: Path) -> None:
    ours = [verdict(), verdict(9, seed=1)]
    bare = [verdict_of(row_of(each)) for each in ours]
    assert render(comparison_document(paper(*bare)), "json") == render(comparison_document(paper(*ours)), "json")


def example() -> Compared:
    pill: dict[str, object] = {"category": "pill", "n": (26, 141)}
    return paper(
        verdict(),
        verdict(6, 60, loss="ssim"),
        verdict(6, 59, loss="ssim", seed=1),
        verdict(5, 58, loss="ssim", seed=2),
        verdict(15, 30, encoder="vgg16", weights="pretrained"),
        verdict(15, 30, encoder="resnet50", weights="random"),
        verdict(19, 103, model="cae", encoder="vgg16", weights="pretrained", **pill),
        verdict(6, 62, model="dae[level=0.4]"),
        verdict(threshold=Quantile()),
        verdict(3, 60, n=(20, 62), model="cae", record={"incomplete": "bottle has 62 of 63 defective"}),
        verdict(2, 2, n=(4, 6), model="cae", dataset="synthetic", image_size=64, category="pill"),
        verdict(model="vae"),
        unfinished(model="cae", encoder="resnet50"),
    )


@pytest.mark.parametrize("style", ["md", "csv", "json"])
def test_a_comparison_prints_as_it_did(style: str, golden: Callable[[str, str], None]) -> None:
    golden(f"compare.{style}", render(comparison_document(example()), style))


@pytest.mark.parametrize("width", [80, 150])
def test_a_comparison_prints_in_a_terminal_as_it_did(width: int, golden: Callable[[str, str], None]) -> None:
    golden(f"compare_{width}.txt", to_terminal(comparison_document(example()), width))


def test_csv_and_json_hold_the_same_rows() -> None:
    as_json = json.loads(render(comparison_document(example()), "json"))
    as_csv: Sequence[dict[str, str]] = list(csv.DictReader(io.StringIO(render(comparison_document(example()), "csv"))))
    assert {tuple(row) for row in (*as_json, *as_csv)} == {COLUMNS}
    assert [row["ours"] for row in as_csv] == [str(row["ours"]) for row in as_json]
    assert [row["published"] for row in as_csv] == [row["published"] for row in as_json]


def test_published_rows_are_better_than_a_floor_worse_or_too_near_by_their_printed_digits(tmp_path: Path) -> None:
    """The floor's accuracy is 60 of 80, .75: what prints as .8 may be as low as that, and what prints as .7 as high."""
    texts = ["0.8", "0.7", "0.76", "0.74", "0.75", "-"]
    lines = [f"mvtec_ad,bottle,{name},mean,{text}" for name, text in zip("abcdef", texts, strict=True)]
    table = csv_table(
        tmp_path,
        "dataset,category,model,threshold,accuracy",
        *lines,
        "mvtec_ad,bottle,g,quantile,0.9",
        "mvtec_ad,pill,h,mean,0.9",
    )
    floor = verdict(15, 45, (20, 60), record={"floor": True})
    (found,) = beside_floors(table, [floor])
    assert (found.category, found.metric, found.floor, found.value) == ("bottle", "accuracy", "dae", 0.75)
    assert (found.better, found.worse, found.near) == (1, 2, 2)
    assert beside_floors(table, [verdict(15, 45, (20, 60))]) == [], "no floor"


@pytest.mark.parametrize(
    "changed", [{"holdout": 0.3}, {"calibrate": "crossfit"}, {"dataset": "visa"}, {"category": "nut"}]
)
def test_a_floor_that_was_fitted_or_judged_otherwise_stands_beside_no_published_row(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    table = csv_table(tmp_path, "dataset,category,model,auroc", "mvtec_ad,bottle,a,0.8")
    assert beside_floors(table, [verdict(record={"floor": True})]) != []
    assert beside_floors(table, [verdict(record={"floor": True}, **changed)]) == []
    assert beside_floors(table, [verdict(record={"floor": True}, threshold=Peek())]) == []


def test_of_two_floors_the_last_one_counts_and_a_published_image_size_must_be_its_own(tmp_path: Path) -> None:
    header = "dataset,category,model,image_size,auroc"
    table = csv_table(
        tmp_path, header, "mvtec_ad,bottle,a,256,0.99", "mvtec_ad,bottle,b,,0.01", "mvtec_ad,bottle,c,64,0.99"
    )
    early, late = (
        verdict(right, record={"floor": True, "finished_at": at})
        for right, at in ((9, "2026-01-01T00:00:00Z"), (13, "2026-01-02T00:00:00Z"))
    )
    (found,) = beside_floors(table, [late, early])
    assert found.value == late.metric("auroc") != early.metric("auroc")
    assert (found.better, found.worse, found.near) == (1, 1, 0)


def test_a_published_balanced_accuracy_follows_from_its_two_rates_where_both_are_printed(tmp_path: Path) -> None:
    floor = verdict(15, 45, (20, 60), record={"floor": True})
    lines = ["a,0.80,0.72", "b,0.76,0.72", "c,-,0.99", "d,0.99,-"]
    table = csv_table(
        tmp_path, "dataset,category,model,normal_rate,abnormal_rate", *(f"mvtec_ad,bottle,{line}" for line in lines)
    )
    (found,) = beside_floors(table, [floor])
    assert (found.metric, found.better, found.worse, found.near) == ("balanced_accuracy", 1, 1, 0)


def test_floors_are_told_by_category_and_in_the_order_of_the_metrics(tmp_path: Path) -> None:
    cells = [f"mvtec_ad,{category},a,0.8,0.8,0.8" for category in ("pill", "bottle")]
    table = csv_table(tmp_path, "dataset,category,model,auroc,f1,accuracy", *cells)
    found = beside_floors(table, [verdict(category=name, record={"floor": True}) for name in ("pill", "bottle")])
    assert [(one.category, one.metric) for one in found] == [
        (category, metric) for category in ("bottle", "pill") for metric in ("accuracy", "f1", "auroc")
    ]


def theirs(tmp_path: Path, *numbers: str) -> list[Comparison]:
    """Comparisons of the rate of right normal images with ours, which is 7 of 20, a model each."""
    lines = [f"mvtec_ad,bottle,{name},conv,mse,{number}" for name, number in zip("xyz", numbers, strict=False)]
    table = csv_table(tmp_path, "dataset,category,model,encoder,loss,normal_rate", *lines)
    ours = [verdict(model=name) for name, _ in zip("xyz", numbers, strict=False)]
    return list(compare(table, ours).comparisons)


def test_a_number_is_within_one_image_of_what_prints_as_the_published_one(tmp_path: Path) -> None:
    (one,) = theirs(tmp_path, "0.50")
    assert one.images == 20
    inside = [0.445 + 1e-9, 0.5, 0.56 - 1e-9]
    assert [within_one_image(one, value) for value in inside] == [True] * 3
    assert [within_one_image(one, value) for value in (0.445 - 1e-9, 0.56 + 1e-9)] == [False] * 2


def test_conventions_that_reach_a_number_are_named_nearest_first(tmp_path: Path) -> None:
    (one,) = theirs(tmp_path, "0.50")
    far, near, nearest = (Convention("image score", name, "scores") for name in ("far", "near", "nearest"))
    found = Reached(one, {far: 0.2, near: 0.46, nearest: 0.51}, 1.0)
    assert found.by == [nearest, near]
    assert not found.as_judged
    assert found.nearest == (nearest, 0.51)
    assert Reached(one, {far: 0.2}, 1.0).nearest == (None, 0.35), "ours as it is judged is nearer"
    assert Reached(*theirs(tmp_path, "0.36"), {}, 1.0).as_judged


def test_a_number_is_reached_by_the_mean_over_our_seeds_and_beside_it_stands_how_many_methods_would(
    tmp_path: Path,
) -> None:
    comparisons = theirs(tmp_path, "0.50", "0.35", "0.90")
    pool = Convention("image score", "max", "scores")
    other = Convention("limit", "of the best F1", "scores")

    def judged(comparison: Comparison, value: float) -> Judged:
        figures = {"normal_rate": value}
        return Judged(comparison.verdicts[0], {}, {pool: figures, other: {"auroc": 0.5}})

    trials = [judged(one, value) for one, value in zip(comparisons, (0.52, 0.8, 0.1), strict=True)]
    found = reached(comparisons, trials)
    assert [one.values for one in found] == [{pool: 0.52}, {pool: 0.8}, {pool: 0.1}]
    assert [one.by_chance for one in found] == [pytest.approx(share) for share in (1 / 3, 1, 0)]
    assert reached(comparisons[:1], [])[0].values == {}
