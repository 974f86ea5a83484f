"""A number of an export is shown only where it follows from the scores that came with it, or is marked as merely said."""

from __future__ import annotations

import base64
import json
import os
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.api import Ranking, ScoreMetric, Threshold
from harness.commands import main
from harness.plugin.registry import Registry
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import Row, read, row_of, save, write
from harness.verdicts.judging import judge
from harness.verdicts.packing import packed, unpacked

TRIAL = Trial("dots", "bottle", "padim", "conv", "-", 0, 64, 0, 0, 0.0, 0.2, "fp32", "-")
DEFECTS = ("good",) * 4 + ("crack",) * 3 + ("hole",) * 2
REGISTRY = Registry.discover()


def outcome(seed: int = 0, better: float = 0.0, **changes: object) -> Outcome:
    drawn = np.random.default_rng(seed)
    test = drawn.normal(size=9) + np.array([0] * 4 + [1 + better] * 5)
    pools = {"mean": test, "max": test.astype(np.float32).astype(float) + 1}
    evidence = Evidence({name: drawn.normal(size=6) for name in pools}, pools, DEFECTS, tuple("abcdefghi"))
    record = Record(
        default_pool="mean", pixels={"aupro_0.30": 0.5, "pixel_auroc": 0.75, "pixel_average_precision": 0.2}
    )
    return Outcome(TRIAL._replace(seed=seed, **changes), "done", "", "f00d", evidence, record)


def rows(thresholds: str = "mean,quantile,f1_oracle", *outcomes: Outcome) -> list[Row]:
    judges = REGISTRY.choose(Threshold, thresholds)
    return [row_of(v) for one in outcomes or [outcome()] for v in judge(one, judges, ["mean", "max"])]


def saved(folder: Path, rows: Sequence[Row], name: str = "results.jsonl") -> Path:
    save(rows, folder / name)
    return folder / name


def unscored(rows: Sequence[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "evidence"} for row in rows]


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40),
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=40),
    st.lists(st.sampled_from(["good", "crack", "hole"]), max_size=40),
)
def test_scores_come_back_to_their_last_bit(normal: list[float], test: list[float], defects: list[str]) -> None:
    n = min(len(test), len(defects))
    evidence = Evidence({"mean": np.array(normal)}, {"mean": np.array(test[:n])}, tuple(defects[:n]), ("",) * n)
    again = unpacked(json.loads(json.dumps(packed(evidence, "mean"))), "mean")
    assert again.hash_of("mean") == evidence.hash_of("mean")
    assert again.defects == evidence.defects


def test_each_score_stands_in_a_file_once_and_every_figure_follows_from_it(tmp_path: Path) -> None:
    file = saved(tmp_path, rows())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sum(line["evidence"] is not None for line in lines) == 2, "one for each pool"
    export = read(file, REGISTRY)
    assert [verdict.proof for verdict in export.verdicts] == ["recomputed"] * 6
    assert export.faults == []
    for row, verdict in zip(export.rows, export.verdicts, strict=True):
        assert row_of(verdict) == row


FORGED: list[tuple[dict[str, Any], str]] = [
    ({"auroc": 5.0}, "auroc is 5, expected 0 to 1"),
    ({"auroc": 77}, "auroc is 77, expected 0 to 1"),
    ({"auroc": 0.95}, "auroc is 0.95, its scores give 0."),
    ({"average_precision": 0.99}, "average_precision is 0.99, its scores give 0."),
    ({"auroc": None}, "auroc is None, its scores give 0."),
    ({"right_abnormal": -1}, "it is right on "),
    ({"right_normal": -1}, "it is right on -1 of 4 normal"),
    ({"metric_versions": {"auroc": "one"}}, "metric_versions"),
    ({"accuracy": 0.99}, "accuracy is 0.99, its counts give 0."),
    ({"f1": 1.0}, "f1 is 1, its counts give 0."),
    ({"limit": 0.9}, "limit is 0.9, its scores give "),
    ({"oracle": True}, "oracle is True, and threshold mean is none"),
    ({"aupro_0.30": 1.5}, "aupro_0.30 is 1.5, expected 0 to 1"),
    ({"auroc_low": 0.9, "auroc_high": 0.99}, "auroc_low is 0.9, its scores give 0."),
    ({"accuracy_low": 0.9}, "accuracy_low is 0.9, its counts give 0."),
    ({"detection": {"crack": [3, 3], "hole": [0, 2]}}, "detection is {'crack': "),
    ({"fit_seconds": -3.0}, "fit_seconds is -3, expected at least 0"),
    ({"n_train": -1}, "n_train is -1, expected at least 0"),
    ({"provenance": {"score_seconds": -0.5}}, "score_seconds is -0.5, expected at least 0"),
    ({"provenance": {"threads": 0}}, "threads is 0, expected at least 1"),
    ({"provenance": {"floor": True}}, "floor is true, and model 'padim' is none"),
    ({"provenance": {"machine": {"cpu": "x" * 100_000}}}, "characters, expected at most 32000"),
    ({"provenance": {"newer": ["x" * 100_000]}}, "characters, expected at most 32000"),
    ({"provenance": {"loss_history": [0.5] * 1001}}, "loss_history has 1001 losses, expected at most 1000"),
    ({"scores": "0" * 16}, "scores is '0000000000000000', those that came with it give "),
]


@pytest.mark.parametrize(
    ("change", "said"), FORGED, ids=[f"{next(iter(change))} {at}" for at, (change, _) in enumerate(FORGED)]
)
def test_a_figure_that_does_not_follow_is_refused_with_its_row(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    first, *others = sorted(rows(), key=lambda row: (row["pool"] == "max", row["threshold"] != "mean"))
    file = saved(tmp_path, [*others, {**first, **change}])
    export = read(file, REGISTRY)
    (fault,) = export.faults
    assert len(export.rows) == 5
    assert said in fault
    assert "line " in fault
    shown = call("leaderboard", "--store", file, "--thresholds", "mean,quantile", "--format", "json")
    assert shown.exit_code == 3
    assert said in shown.stderr
    checked = call("validate", file)
    assert checked.exit_code == 1, "numbers that no scores gave"


def better(row: Row) -> Row:
    """A verdict that is right on everything, with the hash of the honest scores."""
    (perfect,) = (one for one in rows("f1_oracle", outcome(better=99)) if one["pool"] == row["pool"])
    kept = ("threshold", "oracle", "scores", "evidence")
    return {**perfect, **{name: row[name] for name in kept if name in row}}


def test_a_better_verdict_with_the_honest_hash_is_no_verdict_on_these_scores(tmp_path: Path) -> None:
    honest = rows("mean")
    export = read(saved(tmp_path, [better(honest[0]), honest[1]]), REGISTRY)
    assert len(export.rows) == 1
    assert "limit is " in export.faults[0]


@pytest.mark.parametrize("forged_first", [True, False])
def test_a_better_verdict_that_leaves_the_scores_out_is_a_conflict_with_the_honest_one(
    tmp_path: Path, forged_first: bool
) -> None:
    honest = saved(tmp_path, rows("mean"), "honest.jsonl")
    forged = saved(tmp_path, unscored([better(row) for row in rows("mean")]), "forged.jsonl")
    target = tmp_path / "into.jsonl"
    result = call("merge", *([forged, honest] if forged_first else [honest, forged]), "--into", target)
    assert result.exit_code == 3
    assert "2 in conflict" in result.stderr
    assert "pool mean · threshold mean: " in result.stderr
    values = [row["limit"] for row in rows("mean")]
    assert all(str(value) in result.stderr for value in values), "both values are named"
    assert "has other limit (" in result.stderr


def test_the_same_row_with_scores_takes_the_place_of_one_without(tmp_path: Path) -> None:
    bare = saved(tmp_path, unscored(rows("mean")), "bare.jsonl")
    whole = saved(tmp_path, rows("mean"), "whole.jsonl")
    assert call("merge", bare, whole, "--into", tmp_path / "all.jsonl").exit_code == 0
    assert (tmp_path / "all.jsonl").read_text() == whole.read_text()


def test_a_row_from_thin_air_is_marked_and_ranked_apart(tmp_path: Path) -> None:
    thin = unscored(rows("mean", outcome(better=99, model="miracle")))
    file = saved(tmp_path, [*rows("mean"), *thin])
    tables = call("leaderboard", "--store", file, "--format", "md").stdout.split("### ")[1:]
    assert len(tables) == 2
    assert "AS STATED: the export has no scores" in tables[1]
    assert "miracle" in tables[1]
    assert "AS STATED" not in tables[0]
    assert "miracle" not in tables[0]
    found = {row["model"]: row["proof"] for row in json.loads(
        call("leaderboard", "--store", file, "--format", "json").stdout)}  # fmt: skip
    assert found == {"padim": "recomputed", "miracle": "stated"}
    assert "proof" in call("leaderboard", "--store", file, "--format", "csv").stdout.splitlines()[0]
    assert set(harness.open(file).to_pandas()["proof"]) == {"recomputed", "stated"}
    assert "AS STATED" in repr(harness.open(file)).replace("\n", " ")
    assert "AS STATED" in harness.open(file)._repr_html_()
    assert "2 came without scores" in " ".join(call("validate", file).stdout.split())


def test_metrics_of_pixels_are_what_the_export_says_and_no_more(tmp_path: Path) -> None:
    file = saved(tmp_path, rows("mean"))
    shown = call("leaderboard", "--store", file, "--metrics", "pixel_auroc", "--format", "md").stdout
    assert "As the export states, and not worked out again: pixel AUROC." in shown
    ranked = call("leaderboard", "--store", file, "--rank-by", "pixel_auroc", "--format", "md").stdout
    assert "AS STATED" in ranked


def test_metrics_of_plugins_are_worked_out_from_the_scores_of_an_export(tmp_path: Path) -> None:
    file = saved(tmp_path, rows("mean"))

    class Best(ScoreMetric):
        name = "best"

        def value(self, ranking: Ranking) -> float:
            return float(ranking.auroc() > 0.1)

    opened = harness.open(file, plugins=[Best])
    assert opened.judged(metrics=["best"]).rows[0]["best"] == 1.0
    assert "AS STATED" not in opened.leaderboard(rank_by="best", format="md")


def test_a_limit_of_a_threshold_that_is_not_installed_is_taken_at_its_word(tmp_path: Path) -> None:
    class Strange(Threshold):
        name = "strange"

        def fit(self, normal: np.ndarray) -> float:
            return float(normal.max())

    made = [row_of(verdict) for verdict in judge(outcome(), [Strange()], ["mean"])]
    (verdict,) = read(saved(tmp_path, made), REGISTRY).verdicts
    assert verdict.proof == "limit stated"
    assert verdict.follows("auroc")
    assert not verdict.follows("accuracy")


def test_a_trial_that_is_told_twice_counts_once(tmp_path: Path) -> None:
    """Else the luckier of two fits of one seed would count as a second seed."""
    file = saved(tmp_path, [*rows("mean"), *rows("mean", outcome(better=2.0))])
    export = read(file, REGISTRY)
    assert len(export.rows) == 2
    assert len(export.faults) == 2
    assert "is another verdict on what line" in export.faults[0]


def reforged(text: str, change: Any) -> str:
    """A file whose evidence was changed by somebody who works out digests again."""
    every = [json.loads(line) for line in text.splitlines()]
    for row in every:
        row.pop("digest")
        if row["evidence"] is not None:
            change(row["evidence"])
    lines = [json.loads(line) for line in write(every).splitlines()]
    carried = {(row["trial"], row["pool"]): row["evidence"] for row in every if row["evidence"] is not None}
    for line in lines:  # written for each pool with its first row
        line["evidence"] = carried.pop((line["trial"], line["pool"]), None)
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def bomb(evidence: dict[str, Any]) -> None:
    text = base64.b64encode(zlib.compress(bytes(200_000_000), 9)).decode()
    evidence["test"] = {"n": 25_000_000, "type": "f8", "zlib": text}


def sparse(evidence: dict[str, Any]) -> None:
    text = base64.b64encode(zlib.compress(bytes(160_000), 9)).decode()
    evidence["test"] = {"n": 20_000, "type": "f8", "zlib": text}


def longer(evidence: dict[str, Any]) -> None:
    """Something follows the scores, which a file of ours never has."""
    data = base64.b64decode(evidence["test"]["zlib"])
    evidence["test"] = {**evidence["test"], "zlib": base64.b64encode(data + b"more").decode()}


def small_bomb(evidence: dict[str, Any]) -> None:
    evidence["test"] = {**evidence["test"], "zlib": base64.b64encode(zlib.compress(bytes(10_000_000), 9)).decode()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (bomb, "25000000 scores in"),
        (sparse, "20000 scores in"),
        (small_bomb, "it does not hold 9 scores"),
        (longer, "it does not hold 9 scores"),
        (lambda e: e.update(defects=[["good", 3], ["crack", 6]]), "n_normal is 4, its scores give 3"),
        (lambda e: e.update(defects=[["good", 10**15]]), "more than 1000000 images"),
        (lambda e: e.update(defects="good"), "expected runs such as"),
        *(
            (lambda e, run=run: e.update(defects=[["good", 4], run]), "expected runs such as")
            for run in ("crack", ["crack"], ["crack", "5"], ["crack", 5, 5], [5, "crack"], ["crack", 0], 5)
        ),
        (lambda e: e.update(normal=e["test"]), "those that came with it give"),
        (lambda e: e["test"].update(zlib="#"), "is damaged"),
        (lambda e: e["test"].update(n=True), "n is True"),
        (lambda e: e.pop("test"), "expected defects, normal and test"),
    ],
)  # fmt: skip
def test_scores_that_are_altered_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    file = tmp_path / "forged.jsonl"
    file.write_text(reforged(write(rows("mean")), change))
    done = call("leaderboard", "--store", file)
    assert done.exit_code == 2, "no row is left"
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_altered_text_is_known_by_the_digest_of_its_row(tmp_path: Path) -> None:
    file = saved(tmp_path, rows("mean"))
    file.write_text(file.read_text().replace('"default_pool": "mean"', '"default_pool": "nean"', 1))
    (fault,) = read(file, REGISTRY).faults
    assert "it was altered or damaged" in fault


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_changes_nothing_or_is_named(tmp_path: Path, seed: int) -> None:
    flips(tmp_path, seed, 20)


def flips(folder: Path, seed: int, times: int) -> None:
    """Each flip gives the output of before, or a line that names what was left out, and exit code 3 (2: nothing left)."""
    file = saved(folder, rows("mean,quantile", outcome(), outcome(1)))
    words = ("leaderboard", "--store", file, "--thresholds", "mean,quantile", "--pools", "all", "--format", "json")
    before, data, drawn = call(*words).stdout, file.read_bytes(), random.Random(seed)
    for _ in range(times):
        at, bit = drawn.randrange(len(data)), 1 << drawn.randrange(8)
        file.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        result = call(*words)
        assert result.exception is None or isinstance(result.exception, SystemExit), (at, bit, result.exception)
        if result.exit_code == 0:
            assert result.stdout == before, (at, bit)
        else:
            assert result.exit_code == 3, (at, bit, result.output)
            assert "harness: results" in result.stderr
            assert ", line " in result.stderr


def test_a_name_that_stands_twice_in_a_line_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, rows("mean"))
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([first.replace('"auroc": ', '"auroc": 0.99, "auroc": ', 1), *others]))
    shown = call("leaderboard", "--store", file)
    assert shown.exit_code == 3
    assert "line 1 is not a verdict: it has 'auroc' twice" in shown.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "m" * 5_000}, "model is 'mmm"),
        ({"category": ""}, "category is '', expected a name of 1 to 4,000 characters"),
        ({"image_size": 2**62}, "image_size is 4611686018427387904, expected a whole number from 1 to 1048576"),
        ({"seed": -5}, "seed is -5, expected a whole number from 0"),
    ],
)
def test_a_row_of_a_trial_that_nobody_could_fit_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    there = outcome()
    odd = Outcome(there.trial._replace(**changes), "done", "", "f00d", there.evidence, there.record)
    shown = call("leaderboard", "--store", saved(tmp_path, rows("mean", outcome(seed=1), odd)))
    assert shown.exit_code == 3
    assert said in shown.stderr
    assert "m" * 100 not in shown.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_an_export_that_is_a_pipe_or_a_device_without_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "zeros.jsonl").symlink_to("/dev/zero")
    for name in ("pipe.jsonl", "zeros.jsonl"):
        shown = call("leaderboard", "--store", tmp_path / name)
        assert shown.exit_code == 2
        assert f"results '{tmp_path / name}' cannot be read: it is no plain file" in shown.stderr
