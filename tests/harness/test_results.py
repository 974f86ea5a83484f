from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Threshold, UsageError
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import Row, read, row_of, save, verdict_of, write
from harness.verdicts.judging import judge
from harness.verdicts.merging import merge

TRIAL = Trial("dots", "bottle", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")


class AtHalf(Threshold):
    name = "at_half"

    def fit(self, normal: np.ndarray) -> float:
        return 0.5


class Failing(Threshold):
    name = "failing"

    def fit(self, normal: np.ndarray) -> float:
        raise ValueError("too few")


def rows(shift: float = 0.0, threshold: Threshold | None = None, **changes: object) -> list[Row]:
    """The rows of one trial, one for each of two pools."""
    scores = np.array([0.1, 0.6, 0.7, 0.4]) + shift
    pools = {"mean": scores, "max": scores + 0.1}
    evidence = Evidence(
        {name: np.array([0.2]) for name in pools}, pools, ("good", "good", "crack", "hole"), tuple("abcd")
    )
    record = Record(
        default_pool="mean", fit_seconds=1.5, n_train=9, incomplete="bottle has 1 of 2 good",
        pixels={"aupro_0.30": 0.5, "pixel_auroc": 0.75, "pixel_average_precision": 0.25},
        plugins={"model": "x 1.0"}, finished_at="2026-01-01T00:00:00+00:00", loss_history=(0.5, 0.25),
    )  # fmt: skip
    outcome = Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, record)
    return [row_of(verdict) for verdict in judge(outcome, [threshold or AtHalf()], ["mean", "max"])]


def unscored() -> list[Row]:
    """The same as exports had them before they brought their scores along."""
    return [{name: value for name, value in row.items() if name != "evidence"} for row in rows()]


def failed(status: str = "error", reason: str = "loss is nan", fingerprint: str = "f00d", **changes: object) -> Row:
    outcome = Outcome(TRIAL._replace(**changes), status, reason, fingerprint)
    return row_of(next(judge(outcome, [AtHalf()], ["mean", "max"])))


def saved(folder: Path, *lines: str) -> Path:
    file = folder / "results.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "row", [*rows(), failed(), failed("skipped", "no\u2028weights\x85here"), *rows(threshold=Failing())]
)
def test_a_row_makes_a_verdict_that_makes_the_same_row(row: Row) -> None:
    assert row_of(verdict_of(row)) == row
    assert row_of(verdict_of(json.loads(write([row])))) == row


def test_a_row_carries_what_is_needed_to_trust_it() -> None:
    row = rows()[0]
    assert row["provenance"]["plugins"] == {"model": "x 1.0"}
    assert row["provenance"]["finished_at"].startswith("2026")
    assert row["pixel_auroc"] == 0.75
    assert verdict_of(row).interval("auroc") == (row["auroc_low"], row["auroc_high"])
    assert verdict_of(row).outcome.record.incomplete == "bottle has 1 of 2 good"
    assert len(row["scores"]) == 16
    assert row["right"] == "1010", "called normal, anomalous, anomalous, normal; they are two of each"


def test_the_hash_of_scores_changes_with_any_score_and_is_of_one_pool() -> None:
    hashes = [row["scores"] for row in (*rows(), *rows(shift=1e-15))]
    assert len(set(hashes)) == 4
    assert [row["scores"] for row in rows()] == hashes[:2]


@given(st.permutations(range(6)))
def test_lines_are_sorted_and_equal_in_whatever_order_rows_come(order: list[int]) -> None:
    every = [*rows(seed=10), *rows(seed=9), *rows(seed=9, image_size=128)]
    text = write(every[i] for i in order)
    assert text == write(every)
    found = [json.loads(line) for line in text.splitlines()]
    assert [(row["pool"], row["image_size"], row["seed"]) for row in found] == sorted(
        (row["pool"], row["image_size"], row["seed"]) for row in every
    )


def test_what_is_written_and_read_is_written_the_same_again(tmp_path: Path) -> None:
    every = [*rows(), failed(model="cae", reason="a\u2028line\nbreak, and \udcff from a file's name")]
    file = tmp_path / "results.jsonl"
    save(every, file)
    once = file.read_bytes()
    save(read(file).rows, file)
    assert file.read_bytes() == once
    assert len(once.splitlines()) == 3
    assert list(tmp_path.iterdir()) == [file], "no temporary file is left"


def test_an_earlier_export_that_does_not_say_which_images_it_is_right_on_is_read(tmp_path: Path) -> None:
    (row, _) = unscored()
    earlier = {name: value for name, value in row.items() if name != "right"}
    assert read(saved(tmp_path, json.dumps(earlier))).rows == [{**row, "right": None}]


def test_an_earlier_export_has_the_interval_of_its_auroc_worked_out_anew(tmp_path: Path) -> None:
    (row, _) = unscored()
    earlier = {**row, "auroc_low": 0.1, "auroc_high": 0.2}
    assert read(saved(tmp_path, json.dumps(earlier))).rows == [row]


def test_the_same_row_twice_is_written_once() -> None:
    assert write([*rows(), *rows()]) == write(rows())


def test_results_go_to_a_pipe_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    save(rows(), pipe)
    assert os.read(reader, 1 << 16).decode() == write(rows())
    os.close(reader)


def test_a_line_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    row = failed(reason="a\u2028b\x85c")
    assert read(saved(tmp_path, json.dumps(row, ensure_ascii=False))).rows == [row]


def broken(**changes: object) -> str:
    return json.dumps({**unscored()[0], **changes})


def test_a_row_of_an_earlier_export_is_read_by_the_names_that_it_has(tmp_path: Path) -> None:
    row = unscored()[0]
    old = {("lr" if name == "learning_rate" else name): value for name, value in row.items() if name != "right"}
    file = tmp_path / "old.jsonl"
    file.write_text(json.dumps(old))
    assert read(file).rows == [{**row, "right": None}]


def test_a_threshold_that_fails_leaves_a_row_that_names_the_scores_it_failed_on() -> None:
    failed, judged = rows(threshold=Failing())[0], rows()[0]
    assert (failed["status"], failed["right"], failed["detection"]) == ("error", None, {})
    assert failed["scores"] == judged["scores"], "so that merging does not take its trial for one that is not done"


LACKING = {name: value for name, value in unscored()[0].items() if name != "auroc"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Expecting"),
        ("[1, 2]", "it is a list, expected an object"),
        ("17", "it is a int, expected an object"),
        (json.dumps(LACKING), "it lacks 'auroc'"),
        (broken(seed="0"), "seed is '0'"),
        (broken(seed=True), "seed is True"),
        (broken(pool=["mean"]), "pool is ['mean']"),
        (broken(learning_rate=None), "learning_rate is None"),
        (broken(model="cae"), f"trial is '{rows()[0]['trial']}', its settings give"),
        (broken(status="finished"), "status is 'finished'"),
        (broken(metric_version=0), "its metric_version is 0, expected 1"),
        (broken(right_normal=3), "it is right on 3 of 2 normal"),
        (broken(right_abnormal=None), "it is right on 1 of 2 normal and None of 2 abnormal images"),
        (broken(right="101"), "right is '101', expected 4 digits, 2 of them 1 and the others 0"),
        (broken(right="1110"), "right is '1110', expected 4 digits, 2 of them 1"),
        (broken(right="1012"), "right is '1012', expected 4 digits"),
        (broken(right=[1, 0, 1, 0]), "right is [1, 0, 1, 0]"),
        (broken(detection={"crack": 1}), "detection: crack is 1, expected a list"),
        (broken(auroc=float("nan")), "NaN is no finite number"),
        (broken(limit=1.5).replace("1.5", "1e999"), "1e999 is no finite number"),
        (broken(auroc_low=None), "auroc_low and auroc_high come together, and are None and"),
        (broken(limit=1.5).replace("1.5", "9" * 400), "is no number of 64 bits"),
        (broken(limit=1.5).replace("1.5", str(2**63)), "9223372036854775808 is no number of 64 bits"),
        (broken(limit=1.5).replace("1.5", str(-(2**63))), "is no number of 64 bits"),
        ("[" * 100_000, ""),
    ],
)  # fmt: skip
def test_a_malformed_line_is_named_with_its_file_and_number(tmp_path: Path, line: str, said: str) -> None:
    file = saved(tmp_path, write(rows()).splitlines()[0], "", line)
    export = read(file)
    assert len(export.rows) == 1, "what is whole is read all the same"
    (fault,) = export.faults
    assert f"results '{file}', line 3 is not a verdict: " in fault
    assert said in fault
    assert len(fault) < 400


def test_a_file_without_any_verdict_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 1 is not a verdict: Expecting"):
        read(saved(tmp_path, "{", "{"))


def test_the_largest_whole_number_of_64_bits_is_read(tmp_path: Path) -> None:
    (row,) = read(saved(tmp_path, broken(limit=2**63 - 1))).rows
    assert row["limit"] == 2**63 - 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="results '.*none.jsonl' cannot be read"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9")
    with pytest.raises(UsageError, match="line 1 is not a verdict: 'utf-8' codec"):
        read(tmp_path / "latin.jsonl")


def test_the_same_verdict_with_the_same_scores_is_one_row() -> None:
    merged = merge([("a", rows()), ("b", [*rows(), *rows(seed=1)])])
    assert (len(merged.rows), merged.same, merged.conflicts) == (4, 2, [])


def test_the_same_verdict_with_other_scores_is_a_conflict_and_the_first_is_kept() -> None:
    merged = merge([("a", rows()), ("b", rows(shift=0.01))])
    assert merged.rows == rows()
    assert merged.same == 0
    assert len(merged.conflicts) == 2
    assert (
        "bottle · dae + conv + mse · seed 0 · pool mean · threshold at_half: b has other scores" in merged.conflicts[0]
    )
    assert f"than a ({rows()[0]['scores']})" in merged.conflicts[0]


@pytest.mark.parametrize("fingerprint", ["f00d", ""])
@pytest.mark.parametrize("swap", [False, True])
def test_what_is_done_takes_the_place_of_what_was_not_on_another_machine(fingerprint: str, swap: bool) -> None:
    sources = [("a", [failed("skipped", "no weights", fingerprint), failed(seed=1)]), ("b", rows())]
    merged = merge(sources[::-1] if swap else sources)
    assert sorted((row["seed"], row["status"]) for row in merged.rows) == [(0, "done"), (0, "done"), (1, "error")]
    assert (merged.same, merged.conflicts) == (1, [])


def test_a_threshold_that_failed_is_kept_beside_the_verdicts_of_the_same_trial() -> None:
    merged = merge([("a", rows()), ("b", rows(threshold=Failing()))])
    assert sorted(row["status"] for row in merged.rows) == ["done", "done", "error", "error"]


def test_of_two_failures_the_first_is_kept() -> None:
    merged = merge([("a", [failed()]), ("b", [failed(reason="other")])])
    assert [row["reason"] for row in merged.rows] == ["loss is nan"]
