from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import OracleThreshold, Threshold
from harness.metrics.intervals import auroc_interval, wilson
from harness.published import load, read
from harness.published.comparison import Compared, Comparison, compare, plain_name
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


def test_what_the_paper_printed_is_reproduced_by_the_counts_behind_it() -> None:
    found = by_metric(paper(verdict()))
    assert list(found) == ["normal_rate", "abnormal_rate", "accuracy"]
    normal = found["normal_rate"]
    assert (normal.published.text, normal.ours.mean, normal.interval) == ("0.35", 0.35, wilson(7, 20))
    assert normal.difference == 0.0
    assert found["accuracy"].interval == wilson(68, 83)
    assert {comparison.verdict for comparison in found.values()} == {"reproduced"}


def test_a_published_number_outside_the_interval_is_different() -> None:
    normal = by_metric(paper(verdict(right_normal=16)))["normal_rate"]
    assert wilson(16, 20)[0] > 0.36
    assert normal.verdict == "different"
    assert normal.difference == pytest.approx(0.45)


@given(st.integers(0, 20), st.integers(0, 63))
def test_reproduced_is_when_some_number_that_prints_so_lies_in_the_interval(normal: int, abnormal: int) -> None:
    grid = np.arange(100_001) / 100_000
    for comparison in paper(verdict(normal, abnormal)).comparisons:
        low, high = comparison.interval
        ours = grid[(grid >= low) & (grid <= high)]
        prints_so = (ours >= float(comparison.published.low)) & (ours < float(comparison.published.high))
        assert (comparison.verdict == "reproduced") == prints_so.any()


def test_the_digits_of_a_printed_number_count_as_they_were_printed(tmp_path: Path) -> None:
    ours = verdict(3, 3, n=(3, 3))
    assert 0.43 < wilson(3, 3)[0] < 0.44
    header = "dataset,category,model,encoder,loss,normal_rate"
    one_digit, three_digits = (
        compare(csv_table(tmp_path, header, f"mvtec_ad,bolt,dae,conv,mse,{text}"), [verdict(3, 3, n=(3, 3), category="bolt")])
        for text in ("0.4", "0.430")
    )  # fmt: skip
    assert ours.counts is not None
    assert one_digit.comparisons[0].verdict == "reproduced", "0.44 prints as 0.4"
    assert three_digits.comparisons[0].verdict == "different"


def test_several_seeds_are_averaged_and_their_interval_spans_those_of_each() -> None:
    normal = by_metric(paper(verdict(9, seed=1), verdict(5, seed=0), verdict(13, seed=2)))["normal_rate"]
    assert normal.ours.mean == pytest.approx(9 / 20)
    assert normal.ours.sd == pytest.approx(0.2)
    assert (normal.ours.low, normal.ours.high, normal.ours.n) == (5 / 20, 13 / 20, 3)
    assert normal.interval == (wilson(5, 20)[0], wilson(13, 20)[1])
    assert [each.trial.seed for each in normal.verdicts] == [0, 1, 2]


def test_a_metric_without_an_interval_of_its_own_has_one_over_seeds(tmp_path: Path) -> None:
    table = csv_table(tmp_path, "dataset,category,model,encoder,loss,pixel_auroc", "mvtec_ad,bottle,dae,conv,mse,0.80")
    pixels = [0.70, 0.74, 0.72]
    seeds = [verdict(seed=i, record={"pixels": {"pixel_auroc": value}}) for i, value in enumerate(pixels)]
    (one,) = compare(table, seeds[:1]).comparisons
    assert one.reasons == ("one seed gives no interval for pixel auroc: run more --seeds",)
    (three,) = compare(table, seeds).comparisons
    reach = 4.3027 * 0.02 * math.sqrt(4 / 3)  # Student's t of 2 degrees of freedom, at 97.5 %
    assert three.interval == (pytest.approx(0.72 - reach, abs=1e-4), pytest.approx(0.72 + reach, abs=1e-4))
    assert three.verdict == "reproduced"
    wild = [verdict(seed=i, record={"pixels": {"pixel_auroc": float(i)}}) for i in range(2)]
    assert compare(table, wild).comparisons[0].interval == (0.0, 1.0)


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


def test_the_auroc_is_compared_once_whatever_the_threshold_by_its_interval(tmp_path: Path) -> None:
    table = csv_table(tmp_path, "dataset,category,model,encoder,loss,auroc", "mvtec_ad,bottle,dae,conv,mse,0.86")
    ours = [verdict(), verdict(threshold=Quantile()), verdict(threshold=Peek())]
    (comparison,) = compare(table, ours).comparisons
    assert comparison.interval == auroc_interval(ours[0].auroc, 20, 63)
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
        ("-", "-"),
    ],
)
def test_a_source_calls_a_part_by_its_plain_name(spelt: str, name: str) -> None:
    assert plain_name(spelt) == name


def test_a_variant_is_compared_under_its_own_name() -> None:
    compared = paper(verdict(), verdict(9, model="dae[level=0.2]"))
    assert len(compared.comparisons) == 6
    shown = render(comparison_document(compared), "md")
    assert "| dae[level=0.2] + conv + mse |" in shown
    assert "A name with options is a variant of the published method." in shown


def test_runs_that_differ_in_settings_are_compared_apart_and_named_by_them() -> None:
    compared = paper(verdict(), verdict(9, epochs=200))
    assert {comparison.method.epochs for comparison in compared.comparisons} == {50, 200}
    shown = render(comparison_document(compared), "md")
    assert "dae + conv + mse, epochs 50" in shown
    assert "dae + conv + mse, epochs 200" in shown


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


def test_totals_are_by_method_over_thresholds() -> None:
    compared = paper(verdict(16), verdict(16, threshold=Quantile()), verdict(encoder="vgg16", weights="random"))
    totals = render(comparison_document(compared), "md").split("### By method")[1].split("###")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in totals.splitlines() if " + " in line]
    assert rows[0][:4] == ["dae + conv + mse", "1", "2", "3"]
    assert rows[1] == ["dae + vgg16 + mse, random weights", "0", "0", "3", "", ""]


def test_an_export_of_ours_is_compared_by_the_parts_as_spelt(tmp_path: Path) -> None:
    theirs, ours = verdict(model="dae[level=0.2]"), verdict(9, model="dae[level=0.2]", seed=1)
    save([row_of(theirs)], tmp_path / "theirs.jsonl")
    compared = compare(load(str(tmp_path / "theirs.jsonl")), [ours, verdict(seed=1)])
    verdicts = {comparison.metric: comparison.verdict for comparison in compared.comparisons}
    assert [metric for metric, said in verdicts.items() if said == "not comparable"] == ["f1", "average_precision"]
    assert verdicts["normal_rate"] == verdicts["balanced_accuracy"] == verdicts["auroc"] == "reproduced"
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
        verdict(12, 50, loss="ssim", seed=1),
        verdict(5, 63, loss="ssim", seed=2),
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
