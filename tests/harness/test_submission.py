"""What `.ci/submission` finds in an export that somebody wants on a board, and what it says that it cannot see."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.api import Threshold
from harness.plugin.registry import Registry
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import Row, row_of, save
from harness.verdicts.judging import judge

SCRIPT = Path(__file__).parents[2] / ".ci" / "submission"
BOTTLE = Trial("mvtec_ad", "bottle", "padim", "conv", "-", 7, 64, 0, 0, 0.0, 0.2, "fp32", "-")
JUDGES = Registry.discover().choose(Threshold, "mean")
Check = Callable[..., tuple[int, str]]


def rows(normal: int = 20, abnormal: int = 63, data: str = "f00d", better: float = 1.0, **changes: object) -> list[Row]:
    labels = np.array([0] * normal + [1] * abnormal)
    test = np.random.default_rng(0).normal(size=normal + abnormal) + better * labels
    evidence = Evidence(
        {"mean": np.arange(9.0)}, {"mean": test}, tuple(("good", "crack")[one] for one in labels), ("",) * len(labels)
    )
    record = Record(default_pool="mean", machine={"cpu": "x"})
    outcome = Outcome(BOTTLE._replace(**changes), "done", "", data, evidence, record)
    return [row_of(verdict) for verdict in judge(outcome, JUDGES)]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs the script on rows, beside rows that are there; exit code and what it prints."""

    def run(submitted: list[Row], there: list[Row] | None = None) -> tuple[int, str]:
        results = tmp_path / "results"
        results.mkdir(exist_ok=True)
        if there is not None:
            save(there, results / "there.jsonl")
        save(submitted, tmp_path / "mine.jsonl")
        script = runpy.run_path(str(SCRIPT))
        script["main"].__globals__["RESULTS"] = results
        monkeypatch.setattr(sys, "argv", ["submission", str(tmp_path / "mine.jsonl")])
        code = script["main"]()
        return code, capsys.readouterr().out

    return run


def test_an_honest_export_passes_and_what_nobody_could_check_is_said(check: Check) -> None:
    code, said = check(rows())
    assert code == 0, said
    assert "1 row, 1 of them worked out again from their scores; 0 wrong" in said
    assert "not checked: whether the trial gives these scores" in said
    assert "not checked: the labels of bottle (data f00d), which no export here has" in said
    assert "not checked: times, machine and versions" in said


@pytest.mark.parametrize(
    ("submitted", "there", "said"),
    [
        ([{**rows()[0], "auroc": 0.999}, *rows(seed=8)], None, "auroc is 0.999, its scores give "),
        ([{k: v for k, v in rows()[0].items() if k != "evidence"}], None, "1 of 1 row came without scores"),
        (rows(normal=19), None, "19 normal and 63 anomalous test images, the data set has 20 and 63"),
        (rows(better=2.0), rows(), "mine.jsonl has other scores ("),
        (rows(normal=63, abnormal=20, seed=8), rows(), "its labels are not those that others have of the same data"),
    ],
    ids=["figure", "scores", "counts", "conflict", "labels"],
)
def test_what_is_wrong_is_a_line_and_exit_code_3(
    check: Check, submitted: list[Row], there: list[Row] | None, said: str
) -> None:
    code, out = check(submitted, there)
    assert code == 3
    assert said in out
    assert "wrong: " in out


def test_the_same_trial_on_another_machine_is_no_conflict(check: Check) -> None:
    other = [{**row, "provenance": {**row["provenance"], "machine": {"cpu": "y"}}} for row in rows(better=2.0)]
    assert check(other, rows())[0] == 0


def test_a_floor_that_nobody_here_knows_is_said_to_be_unchecked(check: Check) -> None:
    floors = [{**row, "provenance": {**row["provenance"], "floor": True}} for row in rows(model="a_stranger")]
    code, said = check(floors)
    assert code == 0, said
    assert "not checked: whether a_stranger is a floor, which is not ranked: it is not installed here" in said


def test_what_is_no_export_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.jsonl").write_text("hello\n")
    monkeypatch.setattr(sys, "argv", ["submission", str(tmp_path / "x.jsonl")])
    assert runpy.run_path(str(SCRIPT))["main"]() == 2
    assert capsys.readouterr().err.count("\n") == 1
