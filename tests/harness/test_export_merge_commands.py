from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.trials.database import FILE_NAME
from harness.trials.store import Store


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def run(tmp_path: Path, dots_plugin: Path) -> Callable[..., Path]:
    """Fits some trials of the dots data set into a store of this name."""

    def fit(store: str, *words: str, models: str = "trained") -> Path:
        common = ["--plugin", dots_plugin, "--dataset", "dots", "--categories", "large", "--device", "cpu"]
        axes = ["--models", models, "--encoders", "plain", "--losses", "absolute", "--thresholds", "highest"]
        assert call("run", "--no-floors", *common, *axes, "--store", tmp_path / store, *words).exit_code in (0, 3)
        return tmp_path / store

    return fit


@pytest.fixture
def export(tmp_path: Path, dots_plugin: Path) -> Callable[..., Path]:
    def write(store: Path, *words: str) -> Path:
        file = tmp_path / f"{store.name}.jsonl"
        common = ["--plugin", dots_plugin, "--thresholds", "highest,peek"]
        result = call("export", "--store", store, *common, "--out", file, *words)
        assert result.exit_code == 0, result.output
        return file

    return write


def differing(store: Path) -> Path:
    """The same trials as if every test image had scored a little higher."""
    with Store(store) as opened:
        outcomes = list(opened.outcomes())
    (store / FILE_NAME).unlink()
    with Store(store, write=True) as opened:
        for outcome in outcomes:
            evidence = outcome.evidence
            assert evidence is not None
            higher = {pool: scores + 1e-6 for pool, scores in evidence.test.items()}
            opened.put(replace(outcome, evidence=replace(evidence, test=higher)))
    return store


def statuses(store: Path) -> list[tuple[int, str]]:
    with Store(store) as opened:
        return sorted((outcome.trial.seed, outcome.status) for outcome in opened.outcomes())


Run = Callable[..., Path]
Export = Callable[..., Path]


def test_an_export_has_a_line_a_verdict_and_is_stable(run: Run, export: Export) -> None:
    store = run("a", "--seeds", "0,1")
    file = export(store)
    once = file.read_text()
    assert len(once.splitlines()) == 2 * 3 * 2, "seeds, pools and thresholds"
    row = json.loads(once.splitlines()[0])
    assert row["provenance"]["plugins"]["model"].endswith("dots.py " + row["provenance"]["plugins"]["model"][-8:])
    assert "versions" in row["provenance"]
    assert export(store).read_text() == once


def test_an_export_does_not_depend_on_the_order_in_which_trials_were_fitted(run: Run, export: Export) -> None:
    together = export(run("together", "--seeds", "0,1"), "--pools", "mean").read_text().splitlines()
    apart = run("apart", "--seeds", "1")
    run("apart", "--seeds", "0")
    reverse = export(apart, "--pools", "mean").read_text().splitlines()
    kept = ("trial", "pool", "threshold", "scores", "accuracy")
    assert [[json.loads(line)[name] for name in kept] for line in together] == [
        [json.loads(line)[name] for name in kept] for line in reverse
    ]


def test_an_export_goes_to_standard_output_without_a_file(run: Run, dots_plugin: Path, export: Export) -> None:
    store = run("a")
    shown = call("export", "--store", store, "--plugin", dots_plugin, "--thresholds", "highest,peek")
    assert shown.stdout == export(store).read_text()
    assert shown.stderr == ""


def test_an_empty_store_and_an_unwritable_file_are_one_line_and_exit_2(tmp_path: Path, run: Run) -> None:
    Store(tmp_path / "empty", write=True).close()
    for words in (["--store", tmp_path / "empty"], ["--store", run("a"), "--out", "/proc/nowhere/x.jsonl"]):
        result = call("export", *words)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
    assert "--out '/proc/nowhere/x.jsonl' cannot be written" in result.stderr


def test_stores_merge_into_one_that_has_every_trial_once(tmp_path: Path, run: Run, export: Export) -> None:
    a, b = run("a", "--seeds", "0,1"), run("b", "--seeds", "1,2")
    result = call("merge", a, b, "--into", tmp_path / "all")
    assert result.exit_code == 0
    assert f"3 added to {tmp_path / 'all'}, 1 already there, 0 in conflict" in result.stderr.replace("\n", " ")
    assert statuses(tmp_path / "all") == [(0, "done"), (1, "done"), (2, "done")]
    again = call("merge", a, b, tmp_path / "all", "--into", tmp_path / "all")
    assert "0 added" in again.stderr
    assert "7 already there" in again.stderr
    before = json.loads(export(a).read_text().splitlines()[0])
    after = json.loads(export(tmp_path / "all").read_text().splitlines()[0])
    assert before == after, "when and where a trial was fitted goes with it"


def test_stores_with_other_scores_for_one_trial_are_in_conflict_and_nothing_is_overwritten(
    tmp_path: Path, run: Run, export: Export
) -> None:
    a, b = run("a", "--seeds", "0,1"), differing(run("b", "--seeds", "1,2"))
    before = export(a).read_text()
    result = call("merge", b, "--into", a)
    assert result.exit_code == 3
    assert f"conflict: large · trained + plain + absolute · seed 1: {b} has other scores than {a}" in result.stderr
    assert "1 added" in result.stderr
    assert set(before.splitlines()) < set(export(a).read_text().splitlines())


def test_a_trial_that_is_done_elsewhere_replaces_one_that_failed_here(tmp_path: Path, run: Run) -> None:
    failing = run("failing", "--seeds", "1", models="trained[fail=nan]")
    assert statuses(failing) == [(1, "error")]
    target = tmp_path / "all"
    assert "1 added" in call("merge", failing, "--into", target).stderr
    assert "0 added" in call("merge", failing, "--into", target).stderr
    with Store(failing, write=True) as opened, Store(run("fine", "--seeds", "1")) as fine:
        (done,) = fine.outcomes()
        (error,) = opened.outcomes()
        opened.put(replace(error, status="done", reason="", evidence=done.evidence))
    assert "1 added" in call("merge", failing, "--into", target).stderr
    assert statuses(target) == [(1, "done")]
    back = run("failed_again", "--seeds", "1", models="trained[fail=nan]")
    assert "0 added" in call("merge", back, "--into", target).stderr
    assert statuses(target) == [(1, "done")], "what is done is never replaced"


def test_exports_merge_as_stores_do(tmp_path: Path, run: Run, export: Export) -> None:
    a, b = run("a", "--seeds", "0,1"), run("b", "--seeds", "1,2")
    both = call("merge", export(a), export(b), "--into", tmp_path / "all.jsonl")
    assert both.exit_code == 0
    assert "18 added" in both.stderr
    assert "6 already there" in both.stderr
    call("merge", a, b, "--into", tmp_path / "all")
    strip = ("provenance", "fit_seconds", "train_images_per_second")  # of the trial that both have, either may be kept

    def bare(text: str) -> list[dict[str, object]]:
        return [{k: v for k, v in json.loads(line).items() if k not in strip} for line in text.splitlines()]

    merged = (tmp_path / "all.jsonl").read_text()
    assert bare(merged) == bare(export(tmp_path / "all").read_text())
    assert "0 added" in call("merge", tmp_path / "a.jsonl", "--into", tmp_path / "all.jsonl").stderr


def test_exports_with_other_scores_are_in_conflict_and_what_was_there_stays(
    tmp_path: Path, run: Run, export: Export
) -> None:
    a = export(run("a"))
    before = a.read_text()
    result = call("merge", export(differing(run("b"))), "--into", a)
    assert result.exit_code == 3
    assert result.stderr.count("conflict: ") == 6
    assert a.read_text() == before


def test_stores_and_exports_are_not_mixed(tmp_path: Path, run: Run, export: Export) -> None:
    store = run("a")
    for words in ([export(store), "--into", tmp_path / "new"], [store, "--into", tmp_path / "new.jsonl"]):
        result = call("merge", *words)
        assert result.exit_code == 2
        assert "are not of one kind: expected stores, or .jsonl exports" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_source_that_is_missing_or_malformed_changes_nothing(tmp_path: Path, run: Run, export: Export) -> None:
    missing = call("merge", run("a"), tmp_path / "none", "--into", tmp_path / "new")
    assert missing.exit_code == 2
    assert "no store at" in missing.stderr
    assert not (tmp_path / "new").exists()
    whole = export(tmp_path / "a")
    before = whole.read_text()
    (tmp_path / "cut.jsonl").write_text(before[:-20])
    result = call("merge", tmp_path / "cut.jsonl", "--into", whole)
    assert result.exit_code == 3
    assert f"left out: results '{tmp_path / 'cut.jsonl'}', line 6 is not a verdict" in result.stderr
    assert "0 added" in result.stderr
    assert whole.read_text() == before
    into_cut = call("merge", whole, "--into", tmp_path / "cut.jsonl")
    assert into_cut.exit_code == 2
    assert "nothing was merged, which would lose it" in into_cut.stderr
    assert (tmp_path / "cut.jsonl").read_text() == before[:-20]
    unwritable = call("merge", whole, "--into", "/proc/nowhere.jsonl")
    assert "--into '/proc/nowhere.jsonl' cannot be written" in unwritable.stderr
