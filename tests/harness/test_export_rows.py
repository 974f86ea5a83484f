"""One row of an export, taken at its word: what cannot be is refused with the figure, and what can be is told again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.api import Threshold
from harness.plugin.registry import Registry
from harness.trials.latencies import Latency
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.export_rows import row_of, verdict_of
from harness.verdicts.judging import judge
from harness.verdicts.packing import packed, unpacked
from harness.verdicts.proof import recomputed
from harness.verdicts.told import check_floor, check_told

REGISTRY = Registry.discover()
TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
CHANGED = {"blur": {"mean": np.arange(25.0).reshape(5, 5)}}
EVIDENCE = Evidence(
    {"mean": np.array([0.0, 1.0, 2.0])},
    {"mean": np.array([0.0, 2.0, 0.5, 3.0, 4.0])},
    ("good", "good", "hole", "hole", "crack"),
    tuple("abcde"),
    corrupted=CHANGED,
)
LATENCY = Latency("torch", "2", 1, 1.0, 2.0, 3.0, 9.0, 5.0, 1, 2, 1, "x", "y", "", "now", 0.0)
RECORD = Record(default_pool="mean", fit_seconds=1.0, threads=2, latency=(LATENCY,), loss_history=(0.5,))
OUTCOME = Outcome(TRIAL, "done", "", "f00d", EVIDENCE, RECORD)
(VERDICT,) = judge(OUTCOME, REGISTRY.choose(Threshold, "mean"))
ROW = row_of(VERDICT)


def test_a_row_is_told_again_as_it_was() -> None:
    again = verdict_of(ROW)
    assert row_of(again) == ROW
    assert again.proof == "stated"
    assert again.images.right() is not None
    assert again.images.right().tolist() == [True, False, False, True, True]  # type: ignore[union-attr]
    assert again.images.detection() == {"crack": (1, 1), "hole": (1, 2)}


ODD: list[tuple[dict[str, Any], str]] = [
    ({"right_normal": 3}, "it is right on 3 of 2 normal and 2 of 3 abnormal images"),
    ({"right_abnormal": 4}, "it is right on 1 of 2 normal and 4 of 3 abnormal images"),
    ({"right_normal": -1}, "it is right on -1 of 2"),
    ({"right_abnormal": -1}, "and -1 of 3"),
    ({"n_normal": None}, "it is right on 1 of None normal"),
    ({"right": "1010"}, "right is '1010', expected 5 digits, 3 of them 1 and the others 0"),
    ({"right": "11110"}, "right is '11110', expected 5 digits, 3 of them 1"),
    (
        {"corrupted": {"blur": {"false_alarms": [0, 0, 0, 0, 3], "misses": [0] * 5}}},
        "expected 5 counts of false alarms",
    ),
    ({"corrupted": {"blur": {"false_alarms": [0] * 5, "misses": [0, 0, 0, 0, 4]}}}, "of 2 normal and 3 anomalous"),
    ({"corrupted": {"blur": {"false_alarms": [0] * 4, "misses": [0] * 5}}}, "expected 5 counts of false alarms"),
    ({"corrupted": {"blur": {"misses": [-1] * 5, "false_alarms": [0] * 5}}}, "expected 5 counts of false alarms"),
    ({"fit_seconds": -3.0}, "fit_seconds is -3, expected at least 0"),
    ({"status": "finished"}, "status is 'finished', expected done, skipped or error"),
    ({"metric_version": 0}, "its metric_version is 0, expected 1: export it anew"),
    ({"auroc_low": None}, "auroc_low and auroc_high come together, and are None and "),
    ({"auroc": 0.01}, "auroc is 0.01, with its counts it can be "),
    ({"auroc": 1.01}, "auroc is 1.01, expected 0 to 1"),
    ({"accuracy": 0.99}, "accuracy is 0.99, its counts give 0.6"),
    ({"accuracy_low": 0.9}, "accuracy_low is 0.9, its counts give 0."),
    ({"detection": {"crack": [1, 1], "hole": [1, 3]}}, "its counts are 2 of 4"),
    ({"detection": {"crack": [1, 1], "hole": [0, 2]}}, "its counts are 2 of 3"),
    ({"seed": 5, "trial": TRIAL._replace(seed=6).identity("f00d")}, "its settings give "),
    ({"metric_versions": {"gap": "one"}}, "metric_versions"),
    ({"metric_versions": {"gap": 1}, "gap": "large"}, "gap is 'large'"),
]


@pytest.mark.parametrize(
    ("change", "said"), ODD, ids=[f"{next(iter(change))} {at}" for at, (change, _) in enumerate(ODD)]
)
def test_what_no_verdict_can_say_is_refused_with_the_figure(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        verdict_of({**ROW, **change})
    assert said in str(refused.value)


def test_a_setting_that_is_not_known_here_is_named_where_the_id_is_another() -> None:
    with pytest.raises(
        ValueError, match=r"; the column 'depth' \(3\) is not known here: use the harness that wrote it"
    ):
        verdict_of({**ROW, "depth": 3, "trial": "0" * 16})


def test_metrics_that_were_asked_for_come_along_with_their_versions() -> None:
    found = verdict_of({**ROW, "metric_versions": {"gap": 2, "aupro_0.30": 1}, "gap": 0.25})
    assert found.measured is not None
    assert found.measured.given == {"gap": (0.25, 2)}
    assert verdict_of(ROW).measured is None


def told(**changes: Any) -> Any:
    record = {name: value for name, value in changes.items() if name in Record.__dataclass_fields__}
    trial = {name: value for name, value in changes.items() if name in Trial._fields}
    rest = {name: value for name, value in changes.items() if name in ("pool", "threshold", "reason")}
    outcome = replace(OUTCOME, trial=TRIAL._replace(**trial), record=replace(RECORD, **record))
    return replace(VERDICT, outcome=outcome, **rest)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threads": 0}, "threads is 0, expected at least 1"),
        ({"n_train": -1}, "n_train is -1, expected at least 0"),
        ({"n_calibration": -1}, "n_calibration is -1, expected at least 0"),
        ({"score_seconds": -0.5}, "score_seconds is -0.5, expected at least 0"),
        ({"train_images_per_second": -2.0}, "train_images_per_second is -2, expected at least 0"),
        ({"latency": (replace(LATENCY, p99_ms=-1.0),)}, "p99_ms of latency is -1, expected at least 0"),
        ({"latency": (LATENCY, replace(LATENCY, images_per_second=-1.0))}, "images_per_second of latency is -1"),
        ({"loss_history": (0.5,) * 1001}, "loss_history has 1001 losses, expected at most 1000"),
        ({"machine": {"cpu": "x" * 40_000}}, "characters, expected at most 32000"),
        ({"model": ""}, "model is '', expected a name of 1 to 4,000 characters"),
        ({"category": "x" * 4_001}, "category is 'xxx"),
        ({"pool": ""}, "pool is '', expected a name"),
        ({"threshold": ""}, "threshold is '', expected a name"),
        ({"reason": "x" * 32_001}, "reason takes 32001 characters, expected at most 32000"),
        ({"image_size": 0}, "image_size is 0, expected a whole number from 1 to 1048576"),
        ({"image_size": 2**20 + 1}, "image_size is 1048577, expected a whole number from 1 to 1048576"),
        ({"seed": -1}, "seed is -1, expected a whole number from 0 to 9007199254740992"),
        ({"tiles": 2**53 + 1}, "tiles is 9007199254740993, expected"),
    ],
)
def test_what_no_scores_can_prove_has_to_be_possible(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_told(told(**change))
    assert said in str(refused.value)


def test_the_least_and_the_most_that_can_be_are_taken() -> None:
    check_told(told(fit_seconds=0.0, threads=1, seed=0, image_size=1, tiles=2**53, category="x" * 4_000, together=""))
    check_told(told(loss_history=(0.5,) * 1000, reason="x" * 32_000, n_train=None))
    check_told(told(loss_history=(0.5,) * 1500, epochs=1500))


def test_a_floor_that_is_installed_as_none_is_refused_and_a_strangers_is_believed() -> None:
    floor = replace(RECORD, floor=True)
    with pytest.raises(ValueError, match="floor is true, and model 'dae' is none"):
        check_floor(TRIAL, floor, REGISTRY)
    check_floor(TRIAL, RECORD, REGISTRY)
    check_floor(TRIAL._replace(model="a_stranger[a=1]"), floor, REGISTRY)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"corrupted": [1]}, "evidence: corrupted is [1], expected scores by corruption"),
        ({"corrupted": {"blur": packed(EVIDENCE, "mean")["test"]}}, "corrupted 'blur' has 5 scores of 5 test images"),
        ({"test": packed(EVIDENCE, "mean")["normal"]}, "evidence has 3 scores of 5 test images"),
    ],
)
def test_scores_that_fit_no_images_are_refused(change: dict[str, Any], said: str) -> None:
    whole = packed(EVIDENCE, "mean")
    again = unpacked(whole, "mean")
    assert np.array_equal(again.corrupted["blur"]["mean"], CHANGED["blur"]["mean"])
    with pytest.raises(ValueError) as refused:
        unpacked({**whole, **change}, "mean")
    assert said in str(refused.value)
    with pytest.raises(ValueError, match="expected defects, normal and test"):
        unpacked({name: value for name, value in whole.items() if name != "test"}, "mean")


def follows(**change: Any) -> Any:
    """What follows from the scores of a row that says otherwise; what it says need not follow from its counts."""
    row = {**ROW, **change}
    said = replace(
        verdict_of(ROW), **{name: change[name] for name in ("limit", "oracle", "threshold") if name in change}
    )
    return recomputed(row, said, EVIDENCE, REGISTRY)


def test_a_row_follows_from_its_scores_and_exports_of_before_say_nothing_of_changed_ones() -> None:
    assert follows().proof == "recomputed"
    assert follows(corrupted_scores=None).proof == "recomputed"
    assert follows(threshold="a_strangers").proof == "limit stated"
    skipped = recomputed(ROW, replace(verdict_of(ROW), status="error"), EVIDENCE, REGISTRY)
    assert (skipped.proof, skipped.images.scores()) == ("stated", ROW["scores"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": "0" * 16}, "scores is '0000000000000000', those that came with it give "),
        ({"corrupted_scores": "0" * 16}, "corrupted_scores is '0000000000000000', those that came with it give "),
        ({"oracle": True}, "oracle is True, and threshold mean is none"),
        ({"limit": 1.1}, "limit is 1.1, its scores give 1"),
        ({"limit": None, "threshold": "a_strangers"}, "limit is None, expected a number"),
        ({"auroc": ROW["auroc"] + 1e-6}, "auroc is 0.83333"),
        ({"average_precision": None}, "average_precision is None, its scores give 0."),
        ({"auroc_low": 0.9}, "auroc_low is 0.9, its scores give 0."),
        ({"right": "01011"}, "right is "),
    ],
)
def test_what_does_not_follow_from_the_scores_of_a_row_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        follows(**change)
    assert said in str(refused.value)
