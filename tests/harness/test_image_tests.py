"""Which test fits a metric on the images of one category, and what changed images make of a row."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.api import Ranking, ScoreMetric, Threshold
from harness.metrics.measured import Measured
from harness.plugin.registry import Registry
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.corrupted import rates_of
from harness.verdicts.image_tests import BOOTSTRAP, DECISIONS, DELONG, by_image
from harness.verdicts.judging import judge
from harness.verdicts.methods import method_of
from harness.verdicts.packing import packed, unpacked
from harness.verdicts.rows import BoardRow
from harness.verdicts.sweeps import _dealt, _over_categories

TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
LABELS = np.arange(20) >= 12
SCORES = np.where(LABELS, 2.0, 0.0) + np.linspace(0, 3, 20)[::-1]
KINDS = tuple("hole" if one else "good" for one in LABELS)
CHANGED = {"blur": {"mean": np.stack([SCORES - step for step in (-2.0, -0.5, 0.5, 1.0, 2.0)])}}
EVIDENCE = Evidence(
    {"mean": np.linspace(0, 3, 9)}, {"mean": SCORES}, KINDS, tuple(map(str, range(20))), corrupted=CHANGED
)
(VERDICT,) = judge(
    Outcome(TRIAL, "done", "", "f00d", EVIDENCE, Record(default_pool="mean")),
    Registry.discover().choose(Threshold, "mean"),
)


class Gap(ScoreMetric):
    """How far the means of the classes lie apart."""

    name = "gap"
    range = (-10.0, 10.0)

    def value(self, ranking: Ranking) -> float:
        return float(ranking.scores[ranking.labels].mean() - ranking.scores[~ranking.labels].mean())


class Closeness(Gap):
    name = "closeness"
    higher_is_better = False


def row(*metrics: Any) -> BoardRow:
    measured = Measured(metrics, Ranking(SCORES, LABELS)) if metrics else None
    verdict = replace(VERDICT, measured=measured)
    return BoardRow(method_of(verdict), 0.6, [verdict])


@pytest.mark.parametrize(
    ("metric", "test", "of", "images"),
    [
        ("accuracy", DECISIONS, "accuracy", 20),
        ("balanced_accuracy", DECISIONS, "accuracy", 20),
        ("normal_rate", DECISIONS, "normal_rate", 12),
        ("abnormal_rate", DECISIONS, "abnormal_rate", 8),
        ("auroc", DELONG, "auroc", 20),
        ("f1", BOOTSTRAP, "f1", 20),
        ("average_precision", BOOTSTRAP, "average_precision", 20),
        ("gap", BOOTSTRAP, "gap", 20),
        ("nobody_knows", DECISIONS, "accuracy", 20),
        ("aupro_0.30", DECISIONS, "accuracy", 20),
    ],
)
def test_a_metric_is_tested_by_what_it_is_made_from(metric: str, test: str, of: str, images: int) -> None:
    found = by_image([row(Gap(), Closeness())], metric, 20)
    assert (found.test, found.metric, found.images) == (test, of, images)
    assert len(found.lines) == 1
    assert found.values[0].keys() == {0}


def test_the_first_figure_of_a_bootstrap_is_that_of_all_images_and_less_is_more_where_less_is_better() -> None:
    (gap,), (close,) = (by_image([row(Gap(), Closeness())], name, 20).values for name in ("gap", "closeness"))
    truth = SCORES[LABELS].mean() - SCORES[~LABELS].mean()
    assert gap[0][0] == pytest.approx(truth)
    assert np.allclose(close[0], -gap[0])
    (f1,) = by_image([row()], "f1", 20).values
    assert f1[0][0] == pytest.approx(VERDICT.metric("f1"))
    (precision,) = by_image([row()], "average_precision", 20).values
    assert precision[0][0] == pytest.approx(VERDICT.metric("average_precision"))


def test_a_row_says_its_false_alarms_and_misses_without_a_change_and_at_each_severity() -> None:
    limit = VERDICT.limit
    found = rates_of(row())["blur"]
    shown = [SCORES, *CHANGED["blur"]["mean"]]
    assert found.false_alarms == pytest.approx([(one[~LABELS] > limit).mean() for one in shown])
    assert found.misses == pytest.approx([(one[LABELS] <= limit).mean() for one in shown])
    assert len(set(found.misses)) > 1
    untouched = replace(VERDICT, images=replace(VERDICT.images, evidence=replace(EVIDENCE, corrupted={})))  # type: ignore[type-var]
    bare = BoardRow(method_of(untouched), 0.6, [untouched])
    assert rates_of(bare) == {}
    assert rates_of(BoardRow(row().method, 0.6, parts=[row(), bare])) == {}, "of all its categories, or of none"
    both = rates_of(BoardRow(row().method, 0.6, parts=[row(), row()]))
    assert both["blur"].misses == pytest.approx(found.misses)


def test_a_choice_over_categories_is_not_judged_where_a_category_has_no_figure() -> None:
    def line(*worths: float | None) -> Any:
        parts = [SimpleNamespace(worth=lambda metric, one=one: one, parts=(), verdicts=[VERDICT]) for one in worths]
        return SimpleNamespace(parts=parts)

    assert _over_categories([line(0.9, None), line(0.8, 0.7)], "auroc") is None
    assert _over_categories([line(0.9, 0.6), line(0.5, 0.9)], "auroc") == pytest.approx(0.75 - (0.5 + 0.6) / 2)


def test_images_are_dealt_out_evenly_by_class_and_each_deal_is_another() -> None:
    fold = _dealt(LABELS, 4, 1)
    assert [int(((fold == one) & LABELS).sum()) for one in range(4)] == [2, 2, 2, 2]
    assert [int(((fold == one) & ~LABELS).sum()) for one in range(4)] == [3, 3, 3, 3]
    assert not np.array_equal(fold, _dealt(LABELS, 4, 2))
    assert np.array_equal(fold, _dealt(LABELS, 4, 1))


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_scores_that_are_cut_lengthened_or_fewer_than_they_say_are_damaged() -> None:
    whole = packed(EVIDENCE, "mean")
    told = whole["test"]
    data = base64.b64decode(told["zlib"])
    plain = zlib.decompress(data)
    for odd, said in (
        ({**told, "zlib": text(data[:-1])}, "test is damaged: it does not hold 20 scores"),
        ({**told, "zlib": text(data + b"x")}, "test is damaged: it does not hold 20 scores"),
        ({**told, "zlib": text(zlib.compress(plain[:-1]))}, "test is damaged: it does not hold 20 scores"),
        ({**told, "zlib": text(zlib.compress(plain + b"x"))}, "test is damaged: it does not hold 20 scores"),
        ({**told, "zlib": "?"}, "test is damaged: "),
        ({**told, "n": 10**6}, "test has 1000000 scores in "),
        ({**told, "n": -1}, "test has -1 scores in "),
        ({**told, "type": "f2"}, "expected n, type and zlib"),
    ):
        with pytest.raises(ValueError, match=said):
            unpacked({**whole, "test": odd}, "mean")
    for runs in ("good", [["good"]], [["good", 0]], [["good", True]], [[1, 2]], [["good", 2.0]]):
        with pytest.raises(ValueError, match=r"expected runs such as \['good', 20\]"):
            unpacked({**whole, "defects": runs}, "mean")


def test_of_what_stores_of_before_remember_of_pixels_average_precision_alone_has_another_definition() -> None:
    figures = {"aupro_0.30": 0.5, "pixel_auroc": 0.6, "pixel_average_precision": 0.7}

    def earlier(**versions: int) -> list[str]:
        record = replace(VERDICT.outcome.record, pixels=figures, pixel_versions=versions)
        verdict = replace(VERDICT, outcome=replace(VERDICT.outcome, record=record))
        return [name for name in figures if verdict.earlier(name)]

    assert earlier() == ["pixel_average_precision"], "a record that states no version is of the first"
    assert earlier(pixel_average_precision=2) == []
    assert earlier(pixel_average_precision=2, pixel_auroc=3) == ["pixel_auroc"]
    assert not VERDICT.earlier("pixel_average_precision"), "it remembers none"
