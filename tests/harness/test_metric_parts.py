"""Metrics are parts: a stranger's ranks, is shown with its direction, and says its version wherever its value goes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness import CountMetric, Interval, Metric, Ranking, ScoreMetric
from harness.commands import main
from harness.metrics.measured import Measured
from harness.plugin.registry import Registry
from harness.testing import attempt, checks_for
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.verdict import METRICS
from harness_thresholds.limits import Mean

PLUGIN = '''
from dataclasses import dataclass
import numpy as np
from harness import CountMetric, ScoreMetric, hookimpl

@dataclass
class FalseAlarms(CountMetric):
    """Share of the normal images that are called anomalous."""
    name = "false_alarms"
    title = "alarms"
    higher_is_better = False
    times: int = 1
    def value(self, counts): return self.times * (1 - counts.normal_rate)

class Gap(ScoreMetric):
    """Difference of the two means."""
    name = "gap"
    range = (-1e9, 1e9)
    version = {version}
    def value(self, ranking): return ranking.scores[ranking.labels].mean() - ranking.scores[~ranking.labels].mean()

class Broken(ScoreMetric):
    name = "broken"
    def value(self, ranking): raise RuntimeError("no such thing")

class TooLarge(ScoreMetric):
    name = "too_large"
    def value(self, ranking): return 7.0

@hookimpl
def harness_metrics(): return [FalseAlarms, Gap, Broken, TooLarge]
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "figures.py"
    file.write_text(PLUGIN.format(version=1))
    return file


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two models on two categories: `near` calls every image anomalous, `far` parts the classes."""
    with Store(tmp_path / "runs", write=True) as opened:
        for category in ("one", "two"):
            for model, apart in (("near", 0.001), ("far", 5.0)):
                test = np.append(np.linspace(0, 1, 4), np.linspace(0.5, 1.5, 4) + apart)
                trial = Trial("dots", category, model, "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
                normal = np.array([0.0, 0.1]) if model == "near" else np.array([1.0, 1.2])
                evidence = Evidence({"mean": normal}, {"mean": test}, ("good",) * 4 + ("bad",) * 4, tuple("abcdefgh"))
                opened.put(Outcome(trial, "done", "", f"f00d{category}", evidence, record_of()))
    return tmp_path / "runs"


def record_of():
    from harness.trials import record

    return record.Record(default_pool="mean")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_every_metric_of_the_tables_is_a_part_of_a_built_in_plugin_and_gives_the_same_number() -> None:
    registry = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    assert set(METRICS) <= registry.offers(Metric).keys()
    rng = np.random.default_rng(0)
    labels = np.arange(30) >= 12
    ranking = Ranking(rng.normal(size=30) + labels, labels)
    evidence = Evidence({"mean": ranking.scores[~labels]}, {"mean": ranking.scores}, tuple("good" if not x else "bad" for x in labels), tuple(map(str, range(30))))  # fmt: skip
    trial = Trial("dots", "one", "near", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    (verdict,) = judge(Outcome(trial, "done", "", "f00d", evidence, record_of()), [Mean()])
    measured = Measured([registry.make(Metric, name) for name in METRICS], ranking)
    for name in METRICS:
        assert measured.value(name, verdict.counts) == verdict.metric(name)
        assert measured.interval(name, verdict.counts) == verdict.interval(name)


def test_a_metric_ranks_in_the_direction_that_it_says(store: Path, plugin: Path) -> None:
    found = call("leaderboard", "--store", store, "--plugin", plugin, "--rank-by", "false_alarms", "--format", "md")
    assert found.exit_code == 0, found.output
    assert "Ranked by false alarms." in found.stdout
    assert "alarms ↓" in found.stdout
    first = [line for line in found.stdout.splitlines() if line.split("|")[1:2] and line.split("|")[1].strip() == "1"]
    assert all("far" in line for line in first), found.stdout
    assert len(first) == 3


def test_metrics_add_columns_to_tables_and_rows_and_say_their_versions(store: Path, plugin: Path) -> None:
    found = call("leaderboard", "--store", store, "--plugin", plugin, "--metrics", "gap,false_alarms[times=1],auroc", "--format", "json")  # fmt: skip
    rows = json.loads(found.stdout)
    assert {row["model"]: round(row["gap"], 4) for row in rows} == {"near": 0.501, "far": 5.5}
    assert rows[0]["metric_versions"] == {"gap": 1, "false_alarms": 1}
    text = call("leaderboard", "--store", store, "--plugin", plugin, "--metrics", "gap", "--format", "csv").stdout
    assert "gap" in next(csv.reader(text.splitlines()))
    plain = call("leaderboard", "--store", store, "--plugin", plugin, "--format", "csv").stdout
    assert "gap" not in plain
    assert "metric_versions" not in plain


def test_floors_have_what_a_constant_answer_scores(store: Path, plugin: Path) -> None:
    found = call("leaderboard", "--store", store, "--plugin", plugin, "--metrics", "false_alarms,gap", "--format", "md")
    floors = {line.split("|")[2].strip(): line for line in found.stdout.splitlines() if "| all " in line}
    assert [cell.strip() for cell in floors["all anomalous"].split("|")][-3:-1] == ["1.000", "0.000"]
    assert [cell.strip() for cell in floors["all normal"].split("|")][-3:-1] == ["0.000", "0.000"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("broken", "metric broken: RuntimeError: no such thing"), ("too_large", "metric too_large: it gave 7, expected 0 to 1")],
)  # fmt: skip
def test_a_metric_that_fails_is_one_line_and_the_others_go_on(store: Path, plugin: Path, name: str, said: str) -> None:
    found = call("leaderboard", "--store", store, "--plugin", plugin, "--metrics", name, "--format", "csv")
    assert found.exit_code == 0
    assert said in found.stderr
    rows = list(csv.DictReader(found.stdout.splitlines()))
    assert [row[name] for row in rows] == [""] * 4
    assert all(row["accuracy"] for row in rows)


def test_an_unknown_metric_is_refused_with_a_suggestion(store: Path) -> None:
    for text, said in (
        ("acuracy", "no metric 'acuracy'. Did you mean 'accuracy'?"),
        ("", "rank_by is '': expected the name of one metric"),
    ):
        refused = call("leaderboard", "--store", store, "--rank-by", text)
        assert refused.exit_code == 2
        assert said in refused.stderr


def test_an_export_keeps_values_with_their_version_and_another_version_is_not_taken_for_it(
    store: Path, plugin: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all.jsonl"
    call("export", "--store", store, "--plugin", plugin, "--metrics", "gap", "--thresholds", "mean", "--out", out)
    again = call("leaderboard", "--store", out, "--plugin", plugin, "--metrics", "gap,false_alarms", "--format", "json")
    rows = json.loads(again.stdout)
    assert {round(row["gap"], 4) for row in rows} == {0.501, 5.5}
    assert all(row["false_alarms"] is not None for row in rows), "what follows from counts is worked out again"
    plugin.write_text(PLUGIN.format(version=2))
    other = call("leaderboard", "--store", out, "--plugin", plugin, "--metrics", "gap", "--format", "json")
    assert {round(row["gap"], 4) for row in json.loads(other.stdout)} == {0.501, 5.5}, "of the scores that came along"
    bare = [
        {k: v for k, v in json.loads(line).items() if k not in ("evidence", "digest")}
        for line in out.read_text().splitlines()
    ]
    out.write_text("".join(f"{json.dumps(row)}\n" for row in bare))
    without = call("leaderboard", "--store", out, "--plugin", plugin, "--metrics", "gap", "--format", "json")
    assert {row["gap"] for row in json.loads(without.stdout)} == {None}
    assert "metric gap" in without.stderr


def test_the_report_has_a_column_for_a_metric_that_was_asked_for(store: Path, plugin: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = call("report", "--store", store, "--plugin", plugin, "--rank-by", "gap", "--out", out)
    assert done.exit_code == 0, done.output
    assert ">gap<" in "".join(out.read_text().split())
    summary = call("report", "--store", store, "--plugin", plugin, "--metrics", "gap", "--format", "md")
    assert "gap |" in summary.stdout


class WrongWay(ScoreMetric):
    name = "wrong_way"
    higher_is_better = False

    def value(self, ranking: Ranking) -> float:
        return ranking.auroc()


class OutOfRange(CountMetric):
    name = "out_of_range"

    def value(self, counts) -> float:
        return 100 * counts.accuracy


class Raises(CountMetric):
    name = "raises"

    def value(self, counts) -> float:
        return counts.right_abnormal / counts.n_abnormal


class Bare(Metric):
    name = "bare"


@pytest.mark.parametrize(
    ("metric", "check"),
    [
        (WrongWay, "check_a_perfect_detector_is_not_worse_than_chance"),
        (OutOfRange, "check_value_is_a_number_in_its_range"),
        (Raises, "check_copes_with_an_empty_class"),
        (Bare, "check_says_what_it_is_made_from"),
    ],
)
def test_the_kit_finds_a_metric_that_breaks_the_contract(metric: type[Metric], check: str) -> None:
    part = metric()
    assert check in {one.__name__ for one in checks_for(part) if attempt(one, part).status == "failed"}


class Doubtful(ScoreMetric):
    """Gives the bounds that it is asked for."""

    name = "doubtful"
    range = (0.0, 1.0)
    bounds: object = None

    def value(self, ranking: Ranking) -> float:
        return 0.5

    def interval(self, ranking: Ranking) -> Interval | None:
        return self.bounds


@pytest.mark.parametrize(
    ("bounds", "fault"),
    [
        ((0.7, 0.3), "it gave 0.7 to 0.3, expected 0 to 1, the lower first"),
        ((-0.1, 0.3), "it gave -0.1 to 0.3, expected 0 to 1"),
        ((float("nan"), 0.3), "it gave nan to 0.3"),
        ((0.1, 0.2, 0.3), "ValueError"),
        (("a", "b"), "ValueError"),
    ],
)
def test_bounds_that_are_none_are_not_shown_and_the_fault_is_told(bounds: object, fault: str) -> None:
    metric = Doubtful()
    metric.bounds = bounds
    measured = Measured([metric], Ranking(np.arange(4.0), np.arange(4) > 1))
    assert measured.interval("doubtful", None) is None
    assert fault in measured.faults["doubtful"]


def test_bounds_of_numpys_numbers_are_given_as_pythons() -> None:
    metric = Doubtful()
    metric.bounds = np.array([0.25, 0.75])
    found = Measured([metric], Ranking(np.arange(4.0), np.arange(4) > 1)).interval("doubtful", None)
    assert found == (0.25, 0.75)
    assert {type(bound) for bound in found or ()} == {float}
