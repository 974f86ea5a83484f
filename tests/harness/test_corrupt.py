"""`--corrupt`: test images are scored once more under changes of light and camera, as evidence of the same trial."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.errors import LeftOutWarning
from harness.trials.store import Store
from harness.verdicts.exports import write

GOLDEN = Path(__file__).parents[1] / "golden"
PLUGIN = """
from dataclasses import dataclass
import numpy as np
from harness import Corruption, hookimpl

@dataclass(frozen=True)
class Darker(Corruption):
    name = "darker"
    severity: int = 3
    def apply(self, pixels, random):
        return pixels - np.minimum(pixels, 20 * self.severity).astype(np.uint8)

@dataclass(frozen=True)
class Broken(Darker):
    name = "broken"
    def apply(self, pixels, random):
        raise OSError("no lens")

class Rigid(Corruption):
    name = "rigid"
    def apply(self, pixels, random):
        return pixels

@hookimpl
def harness_corruptions():
    return [Darker, Broken, Rigid]
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrupt")
    (folder / "light.py").write_text(PLUGIN)
    return folder


@pytest.fixture
def harness(places: Path, tmp_path: Path, dots_plugin: Path) -> Callable[..., Result]:
    def call(command: str, *words: str) -> Result:
        plugins = ["--plugin", str(dots_plugin), "--plugin", str(places / "light.py")]
        store = [] if command in ("merge",) else ["--store", str(tmp_path / "runs")]
        fits = ["--dataset", "dots", "--models", "mean_image", "--device", "cpu", "--categories", "large"]
        return CliRunner().invoke(main, [command, *plugins, *store, *(fits * (command == "run")), *words])

    return call


def outcomes(folder: Path) -> list:
    with Store(folder) as store:
        return [found for found in store.outcomes() if not found.record.floor]


def test_a_stored_trial_without_that_evidence_is_fitted_again_as_the_same_trial_and_said_so(
    harness: Callable[..., Result], tmp_path: Path
) -> None:
    assert harness("run").exit_code == 0
    (plain,) = outcomes(tmp_path / "runs")
    again = harness("run", "--corrupt", "darker")
    assert "1 fitted (1 of them again, for corruption darker)" in " ".join(again.stderr.split())
    assert "take no other fit where models are kept (--keep-models): none was kept of" in " ".join(again.stderr.split())
    (found,) = outcomes(tmp_path / "runs")
    assert (found.id, plain.evidence.corrupted) == (plain.id, {})
    scores = found.evidence.corrupted["darker"]
    assert {pool: of.shape for pool, of in scores.items()} == dict.fromkeys(found.evidence.test, (5, 7))
    assert "0 fitted, 1 already there" in harness("run", "--corrupt", "darker").stderr
    assert "again, for corruption brightness" in harness("run", "--corrupt", "darker,brightness").stderr
    (both,) = outcomes(tmp_path / "runs")
    assert list(both.evidence.corrupted) == ["brightness", "darker"]


def test_a_kept_model_scores_changed_images_once_more_and_nothing_is_fitted(
    harness: Callable[..., Result], tmp_path: Path
) -> None:
    harness("run", "--keep-models", "--seeds", "0,1")
    scored = harness("run", "--corrupt", "darker,noise", "--seeds", "0,1")
    assert "0 fitted, 0 already there, 2 scored once more by their kept models" in " ".join(scored.stderr.split())
    fitted = harness("run", "--corrupt", "darker,noise", "--seeds", "0,1", "--store", str(tmp_path / "other"))
    assert "2 fitted, 0 already there" in fitted.stderr
    pairs = list(zip(outcomes(tmp_path / "runs"), outcomes(tmp_path / "other"), strict=True))
    assert len(pairs) == 2
    for kept, anew in pairs:
        assert kept.id == anew.id
        assert kept.evidence.corrupted.keys() == anew.evidence.corrupted.keys() == {"darker", "noise"}
        for name, by_pool in anew.evidence.corrupted.items():
            for pool, scores in by_pool.items():
                assert np.array_equal(kept.evidence.corrupted[name][pool], scores)


def test_a_kept_model_that_is_of_no_use_is_said_and_the_trial_fitted_again(
    harness: Callable[..., Result], tmp_path: Path
) -> None:
    harness("run", "--keep-models")
    (weights,) = (tmp_path / "runs" / "models").glob("*/weights.safetensors")
    weights.write_bytes(b"\0" * 9)
    again = harness("run", "--corrupt", "darker")
    said = " ".join(again.stderr.split())
    assert again.exit_code == 0, again.output
    assert "1 fitted (1 of them again, for corruption darker)" in said
    assert "large · mean_image · seed 0: fitted again, for the kept model could not be used: " in said
    assert "weights.safetensors' is not what was written" in said
    assert list(outcomes(tmp_path / "runs")[0].evidence.corrupted) == ["darker"]


def test_changed_images_are_judged_at_the_limit_of_unchanged_ones(
    harness: Callable[..., Result], tmp_path: Path
) -> None:
    shown = harness("run", "--corrupt", "darker", "--format", "md")
    (found,) = outcomes(tmp_path / "runs")
    evidence, pool = found.evidence, found.record.default_pool
    rows = json.loads(harness("leaderboard", "--format", "json").stdout)
    limit = next(row for row in rows if not row["floor"])
    called = evidence.corrupted["darker"][pool] > limit["limit"]
    labels = evidence.labels
    expected = {
        "false_alarms": called[:, ~labels].sum(axis=1).tolist(), "misses": (~called[:, labels]).sum(axis=1).tolist(),
    }  # fmt: skip
    assert limit["corrupted"] == {"darker": expected}
    assert "on changed images" in shown.stdout
    assert "at severities 1 to 5, at the limits that were set on unchanged images" in shown.stdout
    line = next(line for line in shown.stdout.splitlines() if "| darker" in line)
    clean = 100 * (limit["n_normal"] - limit["right_normal"]) / limit["n_normal"]
    shares = [clean, *(100 * k / limit["n_normal"] for k in expected["false_alarms"])]
    assert " · ".join(f"{share:.0f}" for share in shares) in line
    assert "on changed images" not in harness("leaderboard", "--store", str(tmp_path / "other")).stdout


def test_all_trials_are_shown_the_same_changed_images(harness: Callable[..., Result], tmp_path: Path) -> None:
    harness("run", "--corrupt", "noise", "--seeds", "0,1", "--holdout", "0")
    first, second = (found.evidence.corrupted["noise"] for found in outcomes(tmp_path / "runs"))
    for pool in first:  # the model of this test has no chance in it
        assert np.array_equal(first[pool], second[pool])


def test_an_export_brings_the_scores_along_and_what_does_not_follow_from_them_is_left_out(
    harness: Callable[..., Result], tmp_path: Path
) -> None:
    harness("run", "--corrupt", "darker")
    file = tmp_path / "rows.jsonl"
    assert harness("export", "--out", str(file)).exit_code == 0
    tables = harness("leaderboard", "--format", "md").stdout
    assert harness("leaderboard", "--format", "md", "--store", str(file)).stdout == tables
    assert '"{""darker""' in harness("leaderboard", "--format", "csv").stdout.replace("'", '""')
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    brought = [row["evidence"] for row in rows if (row["evidence"] or {}).get("corrupted")]
    row = next({**row, "evidence": brought[0]} for row in rows if "corrupted" in row)
    assert brought[0]["corrupted"].keys() == {"darker"}
    packed = row["evidence"]["corrupted"]
    other = {**packed, "noise": packed["darker"]}  # a corruption more than was tried
    file.write_text(write([{**row, "evidence": {**row["evidence"], "corrupted": other}}]))
    assert "corrupted_scores is" in harness("leaderboard", "--store", str(file)).stderr
    earlier = {name: value for name, value in row.items() if name not in ("corrupted_scores", "digest")}
    file.write_text(write([earlier]))
    assert "left out" not in harness("leaderboard", "--store", str(file)).stderr, "exports of before have no such hash"
    kinds = row["corrupted"]["darker"]
    kinds["misses"] = [(k + 1) % 2 for k in kinds["misses"]]
    del row["digest"]
    file.write_text(write([row]))
    assert "corrupted is" in harness("leaderboard", "--store", str(file)).stderr
    kinds["misses"] = [999] * 5
    del row["evidence"]
    file.write_text(write([row]))
    assert "expected 5 counts of false alarms" in harness("leaderboard", "--store", str(file)).stderr


def test_a_corruption_that_fails_costs_no_trial_and_says_why(harness: Callable[..., Result], tmp_path: Path) -> None:
    assert harness("run", "--corrupt", "broken,darker").exit_code == 0
    (found,) = outcomes(tmp_path / "runs")
    assert list(found.evidence.corrupted) == ["darker"]
    assert "no lens" in found.record.corruption_faults["broken"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("darkr", "no corruption 'darkr'. Did you mean 'darker'?"),
        ("darker[severity=2]", "all of 1 to 5 are tried: leave it out, as in 'darker'"),
        ("rigid", "corruption 'rigid' takes no severity 1"),
    ],
)
def test_a_corruption_that_cannot_be_is_refused_in_a_line_before_anything_is_fitted(
    asked: str, said: str, harness: Callable[..., Result], tmp_path: Path
) -> None:
    refused = harness("run", "--corrupt", asked)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_altered_scores_of_changed_images_are_noticed(harness: Callable[..., Result], tmp_path: Path) -> None:
    harness("run", "--corrupt", "darker")
    with closing(sqlite3.connect(tmp_path / "runs" / "store.sqlite")) as db:
        db.execute("UPDATE corrupted SET test = zeroblob(length(test))")
        db.commit()
    with pytest.warns(LeftOutWarning, match="its digest is another"):
        assert outcomes(tmp_path / "runs") == []
    assert "1 fitted" in harness("run", "--corrupt", "darker").stderr


def test_a_merge_brings_them_to_the_same_trial_of_another_store(harness: Callable[..., Result], tmp_path: Path) -> None:
    harness("run")
    shutil.copytree(tmp_path / "runs", tmp_path / "plain")
    harness("run", "--corrupt", "darker")
    with Store(tmp_path / "plain", write=True) as plain, Store(tmp_path / "runs") as runs:
        (found,) = [one for one in runs.outcomes() if not one.record.floor]
        plain.complete_from(runs, found.id)
    (completed,) = outcomes(tmp_path / "plain")
    assert completed.evidence.corrupted.keys() == {"darker"}


def test_the_report_draws_curves_over_severity(
    harness: Callable[..., Result], tmp_path: Path, dots_plugin: Path, browser: Any
) -> None:
    harness("run", "--corrupt", "darker")
    out = tmp_path / "report.html"
    assert harness("report", "--out", str(out)).exit_code == 0
    page = browser.new_page()
    page.goto(out.as_uri())
    lines = page.locator("#corrupted path.curve")
    lines.first.wait_for(state="attached")
    told = [lines.nth(at).locator("title").text_content() for at in range(lines.count())]
    assert [text.rpartition(": ")[2] for text in told] == ["false alarms", "misses"]
    severities = {len(re.findall("[ML]", lines.nth(at).get_attribute("d"))) for at in range(2)}
    assert severities == {6}, "unchanged images and five severities"
    assert "mean_image" in page.locator("#corrupted").inner_text()
    page.close()


def test_a_store_of_version_4_loads_with_scores_of_changed_images(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "store_v4.sqlite", tmp_path / "store.sqlite")
    first, *others = (found for found in outcomes(tmp_path) if found.status == "done")
    assert first.evidence.corrupted["brightness"]["max"][4].max() == pytest.approx(0.460004)
    assert all(not found.evidence.corrupted for found in others)


def test_a_trial_without_counts_of_pixels_lacks_them_where_they_are_asked_for(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "store_v4.sqlite", tmp_path / "store.sqlite")
    with Store(tmp_path, write=True) as store:
        lacking = store.lacking([], pixels=True)
        assert set(lacking.values()) <= {"the counts of pixels"}
        (counted,) = [found for found in store.outcomes(with_pixels=True) if found.evidence and found.evidence.pixels]
        with store._transaction() as db:
            db.execute("DELETE FROM pixels")
        assert store.lacking([], pixels=True)[counted.id] == "the counts of pixels"
        store.add_evidence(replace(counted, evidence=replace(counted.evidence)))
        assert store.pixels(counted.id) is not None
        assert counted.id not in store.lacking([], pixels=True)
