from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness import OracleThreshold, Threshold, UsageError
from harness.commands import main
from harness.published import SplitCounts, check, read
from harness.published.exported import table_of
from harness.published.schema import build
from harness.published.table import NOT_STATED
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import Row, row_of, save
from harness.verdicts.judging import judge

TRIAL = Trial("dots", "bottle", "dae[level=0.2]", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")


class AtHalf(Threshold):
    name = "at_half"

    def fit(self, normal: np.ndarray) -> float:
        return 0.5


class Peek(OracleThreshold):
    name = "peek"

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        return 0.5


def row(
    scores: tuple[float, ...] = (0.1, 0.2, 0.7, 0.9, 0.8), threshold: Threshold | None = None, **changes: object
) -> Row:
    """A verdict on two normal images and the rest anomalous."""
    defects = ("good", "good", *("crack" for _ in scores[2:]))
    evidence = Evidence({"mean": np.array([0.2])}, {"mean": np.array(scores)}, defects, tuple(map(str, scores)))
    outcome = Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, Record(default_pool="mean"))
    return row_of(next(judge(outcome, [threshold or AtHalf()])))


def skipped() -> Row:
    return row_of(next(judge(Outcome(TRIAL._replace(model="cae"), "skipped", "no weights"), [AtHalf()])))


def file_of(folder: Path, *rows: Row) -> Path:
    save(rows, folder / "ours.jsonl")
    return folder / "ours.jsonl"


def test_an_export_reads_as_a_table_with_its_protocol_in_each_row(tmp_path: Path) -> None:
    table = read(file_of(tmp_path, row(), row(image_size=128), row(seed=1), row(learning_rate=0.1)))
    assert (table.name, table.dataset, table.track) == ("ours", "dots", "normal-only")
    first = table.rows[0]
    assert (first.model, first.encoder, first.threshold, first.pool) == ("dae[level=0.2]", "conv", "at_half", "mean")
    assert (first.image_size, first.setting, first.epochs) == (64, "one-class", "3")
    assert (first.counts, first.right) == (SplitCounts(2, 3), (2, 3))
    assert first.values["accuracy"].text == "1.000000"
    assert len({(*each.method, each.category) for each in table.rows}) == 4


def test_several_data_sets_and_tracks_in_one_export_are_told_apart(tmp_path: Path) -> None:
    table = read(file_of(tmp_path, row(), row(dataset="synthetic"), row(threshold=Peek())))
    assert sorted({each.category for each in table.rows}) == ["dots bottle", "synthetic bottle"]
    assert (table.dataset, table.track) == ("dots and synthetic", NOT_STATED)
    assert read(file_of(tmp_path, row(threshold=Peek()))).track == "oracle"


def test_our_own_rows_pass_and_those_that_are_not_done_are_counted(tmp_path: Path) -> None:
    findings = check(read(file_of(tmp_path, row((0.1, 0.6, 0.7, 0.9, 0.3)), skipped())))
    assert [finding.kind for finding in findings] == ["floor", "floor", "unchecked"]
    assert findings[-1].text == "1 without a number are left out"


def test_a_test_set_with_one_class_only_is_not_judged_by_its_counts(tmp_path: Path) -> None:
    table = read(file_of(tmp_path, row((0.1, 0.9))))
    assert (table.rows[0].counts, table.rows[0].right) == (None, None)
    assert list(table.rows[0].values) == ["normal_rate", "accuracy"]


@pytest.mark.parametrize(
    ("metric", "off", "said"),
    [
        ("accuracy", 0.01, "accuracy is 0.61, its counts give 0.6"),
        ("normal_rate", 0.5, "normal_rate is 1, its counts give 0.5"),
        ("f1", 0.0001, "f1 is 0.666767, its counts give 0.666667"),
        ("balanced_accuracy", -0.02, "balanced_accuracy is 0.563333, its counts give 0.583333"),
    ],
)
def test_a_metric_that_does_not_follow_from_its_counts_is_impossible(
    tmp_path: Path, metric: str, off: float, said: str
) -> None:
    altered = row((0.1, 0.6, 0.7, 0.9, 0.3))
    altered[metric] += off
    found = check(read(file_of(tmp_path, row(seed=1), altered)))
    (finding,) = (finding for finding in found if finding.severity == "impossible")
    assert (finding.kind, finding.about) == ("derived", "rows")
    assert finding.text.endswith(f"line 1 is not a verdict: {said}")


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_whatever_the_counts_true_metrics_pass(right: int, n: int, found: int, a: int) -> None:
    scores = (*(float(i >= right) for i in range(n)), *(float(i < found) for i in range(a)))
    defects = ("good",) * n + ("crack",) * a
    evidence = Evidence({"mean": np.array([0.2])}, {"mean": np.array(scores)}, defects, tuple(map(str, range(n + a))))
    verdict = next(judge(Outcome(TRIAL, "done", "", "f", evidence, Record(default_pool="mean")), [AtHalf()]))
    table = build("ours", table_of([row_of(verdict)]), "ours", lambda _: {})
    assert not [finding for finding in check(table) if finding.severity == "impossible"]


def test_the_command_validates_an_export(tmp_path: Path) -> None:
    file = file_of(tmp_path, row(), row(seed=1))
    done = CliRunner().invoke(main, ["validate", str(file), "--format", "json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])
    altered = {**row(), "abnormal_rate": 0.5}
    assert CliRunner().invoke(main, ["validate", str(file_of(tmp_path, altered, row(seed=1)))]).exit_code == 1
    file.write_text(file.read_text()[:-9])
    broken = CliRunner().invoke(main, ["validate", str(file)])
    assert broken.exit_code == 2, "nothing is left of it"
    assert "line 2 is not a verdict" in broken.stderr


def test_a_strangers_table_may_say_its_counts_too(tmp_path: Path) -> None:
    head = "category,model,n_normal,n_abnormal,right_normal,right_abnormal,accuracy\n"
    (tmp_path / "theirs.csv").write_text(head + "bolt,a,10,10,0,10,0.5\nbolt,b,10,10,9,9,0.95\n")
    findings = [found for found in check(read(tmp_path / "theirs.csv")) if found.severity == "impossible"]
    assert [(found.place, found.text) for found in findings] == [("line 3", "9/10 and 9/10 give 0.900, not 0.95")]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("10,10,11,5", "right_normal and right_abnormal are 11 and 5 of 10 and 10 images"),
        (",,1,1", "right_normal and right_abnormal are 1 and 1 of nobody knows how many images"),
        ("10,10,1,", "right_normal and right_abnormal come together"),
        ("10,10,-1,2", "right_normal is '-1'"),
    ],
)
def test_counts_that_cannot_be_are_refused(tmp_path: Path, cells: str, said: str) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text(f"category,model,n_normal,n_abnormal,right_normal,right_abnormal,accuracy\nbolt,a,{cells},0.5\n")
    with pytest.raises(UsageError, match="line 2") as caught:
        read(file)
    assert said in str(caught.value)
