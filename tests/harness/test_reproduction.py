"""What has changed between a stored trial and now, by their records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from harness import Threshold
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.record import Record
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig
from harness.verdicts.reproduction import Change, changes, reproduce


def test_versions_machine_plugins_code_and_open_options_are_compared_by_name() -> None:
    then = Record(
        versions={"torch": "2.4", "numpy": "2.0"}, machine={"cpu": "old", "cores": 2}, plugins={"model": "x 1.0"},
        code={"harness": "aaaa"}, resolved={"bottleneck": "none"}, threads=1, fit_seconds=1.0,
    )  # fmt: skip
    now = Record(
        versions={"torch": "2.5", "numpy": "2.0"}, machine={"cpu": "new", "cores": 2}, plugins={"model": "x 1.1"},
        code={"harness": "bbbb"}, resolved={"bottleneck": "dense"}, threads=2, fit_seconds=9.0,
    )  # fmt: skip
    assert list(changes(then, now)) == [
        Change("version of torch", "2.4", "2.5"),
        Change("machine's cpu", "old", "new"),
        Change("plugin of the model", "x 1.0", "x 1.1"),
        Change("code of harness", "aaaa", "bbbb"),
        Change("option bottleneck", "none", "dense"),
        Change("threads", "1", "2"),
    ]
    assert list(changes(then, then)) == []


def test_a_package_that_is_gone_or_new_is_a_change_and_code_that_only_one_side_could_read_is_none() -> None:
    then = Record(versions={"torch": "2.4", "timm": "1.0"}, code={"harness": "aaaa", "mine": "cccc"})
    now = Record(versions={"torch": "2.4", "scipy": "1.12"}, code={"harness": "aaaa", "yours": "dddd"})
    assert list(changes(then, now)) == [Change("version of scipy", "", "1.12"), Change("version of timm", "1.0", "")]


def test_what_one_record_does_not_know_is_not_called_a_change() -> None:
    known = Record(versions={"torch": "2.4"}, machine={"cpu": "old"}, threads=1)
    assert list(changes(known, Record())) == list(changes(Record(), known)) == []


@dataclass
class At(Threshold):
    """A limit that was set by hand."""

    name = "at"
    limit: float = 0.0

    def fit(self, normal: np.ndarray) -> float:
        return self.limit


def test_an_image_at_the_limit_is_decided_alike_before_and_again(dots_plugin: Path) -> None:
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))
    trial = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    stored = worker.perform(trial, Observer())
    assert stored.evidence is not None
    for score in stored.evidence.test["mean"]:
        again = reproduce(stored, worker, Observer(), [At(float(score))])
        assert again.result == "equal"
        assert {difference.decisions for difference in again.differences} == {0}
        assert {difference.share for difference in again.differences} == {0.0}


@pytest.mark.parametrize(("by", "result"), [(0.5e-4, "within tolerance"), (1.5e-4, "different")])
def test_scores_that_moved_are_within_tolerance_up_to_a_share_of_the_range_of_all(
    dots_plugin: Path, by: float, result: str
) -> None:
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))
    trial = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    stored = worker.perform(trial, Observer())
    evidence = stored.evidence
    assert evidence is not None
    whole = np.concatenate([evidence.normal["mean"], evidence.test["mean"]])
    moved = evidence.test["mean"].copy()
    moved[np.argsort(moved)[len(moved) // 2]] += by * np.ptp(whole)  # so that the range stays
    before = replace(stored, evidence=replace(evidence, test={**evidence.test, "mean": moved}))
    again = reproduce(before, worker, Observer(), [At(1e9)], tolerance=1e-4)
    assert again.result == result
    (largest,) = {one.share for one in again.differences if one.pool == "mean"}
    assert largest == pytest.approx(by, rel=1e-6)
    assert {one.share for one in again.differences if one.pool != "mean"} == {0.0}
