"""Measured latencies: what a record keeps of them, and where they are shown."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import Threshold
from harness.commands import main
from harness.report.formats import render
from harness.report.leaderboard import leaderboard_document
from harness.trials import typed
from harness.trials.latencies import Latency, Setting
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import read, row_of, save, verdict_of
from harness.verdicts.judging import judge
from harness.verdicts.speed import common_setting, median_latency
from harness.verdicts.verdict import Verdict

TRIAL = Trial("dots", "bottle", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")
ONE = Latency("ONNX Runtime", "1.32.0", 1, 12.34, 13.0, 14.0, 80.0, 90.0, 10, 100, 2, "Some CPU", "Linux", "", "2026")


class AtHalf(Threshold):
    name = "at_half"

    def fit(self, normal: np.ndarray) -> float:
        return 0.5


def outcome(*measured: Latency, **changes: object) -> Outcome:
    scores = np.array([0.1, 0.6, 0.7, 0.4])
    evidence = Evidence({"mean": scores[:1]}, {"mean": scores}, ("good", "good", "crack", "hole"), tuple("abcd"))
    record = Record(default_pool="mean", fit_seconds=2.0).with_latencies(measured)
    return Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, record)


def judged(*outcomes: Outcome) -> list[Verdict]:
    return [verdict for out in outcomes for verdict in judge(out, [AtHalf()])]


def test_a_newer_measurement_takes_the_place_of_one_in_the_same_setting() -> None:
    newer, batch, other = replace(ONE, p50_ms=9.0), replace(ONE, batch=8), replace(ONE, engine="torch")
    record = Record(fit_seconds=1).with_latencies([ONE, batch, other]).with_latencies([newer])
    assert typed.read(json.loads(json.dumps(typed.written(record))), Record) == record
    assert record == Record(fit_seconds=1, latency=(newer, batch, other))


def test_a_store_adds_latencies_to_a_finished_trial_and_says_where_there_is_none(tmp_path: Path) -> None:
    made = outcome()
    with Store(tmp_path, write=True) as store:
        store.put(made)
        assert store.amend(made.id, lambda record: record.with_latencies([ONE]))
        assert not store.amend("elsewhere", lambda record: record.with_latencies([ONE]))
        (back,) = store.outcomes()
        store.put(outcome())
        (again,) = store.outcomes()
    assert back.record.latency == again.record.latency == (ONE,)
    assert back.record.fit_seconds == 2.0
    assert back.evidence is not None


def test_merging_stores_brings_latencies_of_trials_that_are_there_already_and_keeps_the_newest(tmp_path: Path) -> None:
    newer, older = replace(ONE, p50_ms=9.0, measured_at="2027"), replace(ONE, batch=8, measured_at="2025")
    for name, measured in (("here", [ONE, replace(older, p50_ms=1.0, measured_at="2026")]), ("there", [newer, older])):
        with Store(tmp_path / name, write=True) as store:
            store.put(outcome(*measured))
    done = CliRunner().invoke(main, ["merge", str(tmp_path / "there"), "--into", str(tmp_path / "here")])
    assert (done.exit_code, "1 already there" in done.stderr) == (0, True), done.output
    with Store(tmp_path / "here") as store:
        (back,) = store.outcomes()
    assert {one.batch: one.p50_ms for one in back.record.latency} == {1: 9.0, 8: 1.0}


def test_the_setting_shown_is_the_one_in_which_most_were_measured() -> None:
    torch = replace(ONE, engine="torch")
    first, second = outcome(ONE, torch), outcome(torch, seed=1)
    assert common_setting([first, second, second]) == Setting("torch", "Some CPU", 2)
    assert common_setting([outcome(replace(ONE, batch=8))]) is None
    assert common_setting([]) is None


def test_latencies_of_seeds_are_averaged_and_other_settings_left_out() -> None:
    outcomes = [outcome(ONE), outcome(replace(ONE, p50_ms=14.34), seed=1), outcome(replace(ONE, threads=1), seed=2)]
    assert median_latency(outcomes, ONE.setting) == pytest.approx(13.34)
    assert median_latency(outcomes[2:], ONE.setting) is None


def test_the_latency_of_an_image_leaves_out_what_was_measured_in_batches() -> None:
    both = outcome(ONE, replace(ONE, batch=8, p50_ms=40.0))
    assert median_latency([both], ONE.setting) == 12.34
    assert median_latency([outcome(replace(ONE, batch=8))], ONE.setting) is None
    assert "40" not in render(leaderboard_document(judged(both)), "md").split("latency_ms_p50")[1].split("###")[0]


@pytest.mark.parametrize("style", ["rich", "md"])
def test_the_leaderboard_has_the_column_only_where_something_was_measured(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert "latency" not in render(leaderboard_document(judged(outcome())), style)
    text = render(leaderboard_document(judged(outcome(ONE), outcome(model="cae"))), style)
    assert "latency_ms_p50" in text
    lines = text.splitlines()
    assert next(line for line in lines if "dae" in line).rstrip(" |").endswith("12.3")
    assert not next(line for line in lines if "cae" in line).rstrip(" |").endswith("12.3")
    assert "the median, on ONNX Runtime, 2 threads of Some CPU." in " ".join(text.split())


def test_csv_and_json_have_latency_and_setting() -> None:
    verdicts = judged(outcome(ONE), outcome(model="cae"))
    rows = json.loads(render(leaderboard_document(verdicts), "json"))
    assert [row["latency_ms_p50"] for row in rows] == [12.34, None]
    assert [row["latency_setting"] for row in rows] == ["ONNX Runtime, 2 threads of Some CPU", ""]
    (first, _) = csv.DictReader(io.StringIO(render(leaderboard_document(verdicts), "csv")))
    assert first["latency_ms_p50"] == "12.34"
    assert "latency_ms_p50" not in render(leaderboard_document(judged(outcome())), "csv")


def test_the_mean_over_categories_has_the_mean_of_their_latencies() -> None:
    slower = replace(ONE, p50_ms=20.0)
    text = render(leaderboard_document(judged(outcome(ONE), outcome(slower, category="pill"))), "md")
    assert "16.2" in text.split("###")[1]


def test_an_export_carries_latencies(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    save([row_of(verdict) for verdict in judged(outcome(ONE))], file)
    (row,) = read(file).rows
    assert verdict_of(row).outcome.record.latency == (ONE,)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([{"engine": "x"}], "an item of latency lacks 'version'"),
        ([{**vars(ONE), "p50_ms": "fast"}], "p50_ms of an item of latency is 'fast', expected a finite number"),
        (7, "latency is 7, expected a list"),
    ],
)
def test_an_export_whose_latency_is_none_is_refused(value: object, said: str) -> None:
    (row,) = (row_of(verdict) for verdict in judged(outcome(ONE)))
    with pytest.raises(ValueError, match=said):
        verdict_of({**row, "provenance": {**row["provenance"], "latency": value}})
