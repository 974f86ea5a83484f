"""Pixel metrics of stored trials, without a fit: at any limit, of any defect kind, and never across definitions."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import StoreError
from harness.commands import main
from harness.metrics.pixel import curves
from harness.trials.database import FILE_NAME
from harness.trials.store import Store

ALL = "aupro[max_fpr=0.05],aupro,pixel_f1,pixel_f1_limit,pixel_iou,pixel_iou[limit=0.1],aupro[defect=square]"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


PLUGIN = Path(__file__).parent.parent / "plugin_files" / "dots.py"
RUN = [
    *("run", "--no-floors", "--plugin", PLUGIN, "--dataset", "dots", "--categories", "large,small"),
    *("--models", "mean_image", "--image-size", 16, "--jobs", 1, "--device", "cpu", "--quiet"),
]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("pixels") / "runs"
    done = call(*RUN, "--store", store)
    assert done.exit_code == 0, done.output
    return store


@pytest.fixture
def old(fitted: Path, tmp_path: Path) -> Path:
    """The same as an older harness would have left it: without evidence, and with no version of its numbers."""
    store = tmp_path / "old"
    store.mkdir()
    (store / FILE_NAME).write_bytes((fitted / FILE_NAME).read_bytes())
    with closing(sqlite3.connect(store / FILE_NAME)) as db, db:
        db.execute("DELETE FROM pixels")
        db.execute("DELETE FROM digests")
        db.execute("UPDATE trials SET record = json_remove(record, '$.pixel_versions')")
    return store


def rows(store: Path, *more: object) -> list[dict[str, object]]:
    found = call("leaderboard", "--store", store, "--format", "json", *more)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_further_pixel_metrics_come_without_a_fit(fitted: Path) -> None:
    for row in rows(fitted, "--metrics", ALL):
        assert row["aupro"] == pytest.approx(row["aupro_0.30"]), "both come from what is kept"
        assert 0 <= row["aupro[max_fpr=0.05]"] <= 1
        assert row["pixel_iou"] == pytest.approx(row["pixel_f1"] / (2 - row["pixel_f1"]))
        at_best = rows(fitted, "--metrics", f"pixel_iou[limit={row['pixel_f1_limit']!r}]")
        assert row["pixel_iou"] in [
            pytest.approx(found[f"pixel_iou[limit={row['pixel_f1_limit']!r}]"]) for found in at_best
        ]


def test_a_defect_kind_is_measured_beside_the_good_images(fitted: Path) -> None:
    named = "pixel_auroc[defect=square]"
    (row, *_) = rows(fitted, "--metrics", named)
    with Store(fitted) as opened:
        counts = opened.pixels(str(row["trial"])).counts("square")
    assert row[named] == pytest.approx(curves.auroc(counts))
    nothing = call("leaderboard", "--store", fitted, "--format", "json", "--metrics", "aupro[defect=sqare]")
    assert "metric aupro[defect=sqare]: no verdict here has it: it takes error maps" in nothing.stderr


def test_rows_are_ranked_by_a_pixel_metric_and_exports_carry_it(fitted: Path, tmp_path: Path) -> None:
    table = call("leaderboard", "--store", fitted, "--rank-by", "aupro[max_fpr=0.05]", "--format", "md")
    assert "Ranked by aupro[max_fpr=0.05]." in table.stdout, table.output
    out = tmp_path / "out.jsonl"
    assert call("export", "--store", fitted, "--metrics", "aupro[max_fpr=0.05]", "--out", out).exit_code == 0
    again = rows(out, "--metrics", "aupro[max_fpr=0.05]")
    assert all(row["aupro[max_fpr=0.05]"] is not None for row in again)
    assert "metric_versions" not in rows(out)[0] or "pixel_average_precision" not in rows(out)[0]["metric_versions"]


def test_what_an_older_harness_stored_is_shown_and_marked_and_not_ranked_beside_what_is_stored_now(
    fitted: Path, old: Path, tmp_path: Path
) -> None:
    now, before = rows(fitted), rows(old)
    for column in ("aupro_0.30", "pixel_auroc", "pixel_average_precision"):
        assert [row[column] for row in before] == [row[column] for row in now]
    assert all("metric_versions" not in row for row in now)
    assert all(row["metric_versions"] == {"pixel_average_precision": 1} for row in before)
    ranked = call("leaderboard", "--store", old, "--rank-by", "pixel_average_precision", "--format", "md")
    assert "metric pixel_average_precision: " in ranked.stderr
    assert "have an earlier definition of it" in ranked.stderr
    said = call("leaderboard", "--store", old, "--rank-by", "pixel_auroc", "--format", "md").stderr
    assert said.count("\n") == said.count("whether it was altered cannot be told") == 1
    missing = call("leaderboard", "--store", old, "--metrics", "aupro[max_fpr=0.05]", "--format", "csv")
    assert missing.exit_code == 0
    assert "2 trials here were stored before the counts of pixels were kept that it is made from" in missing.stderr
    assert "`harness run` with the same settings and this one in --metrics fits them again" in missing.stderr
    assert {row["aupro[max_fpr=0.05]"] for row in csv.DictReader(missing.stdout.splitlines())} == {""}
    out = tmp_path / "old.jsonl"
    assert call("export", "--store", old, "--out", out).exit_code == 0
    assert rows(out)[0]["metric_versions"] == {"pixel_average_precision": 1}


@pytest.mark.filterwarnings("ignore:.*was written before trials had digests")
def test_a_run_with_a_pixel_metric_fits_stored_trials_again_that_lack_its_counts_and_shows_it(
    fitted: Path, old: Path
) -> None:
    assert "2 already there" in " ".join(call(*RUN, "--store", old).stderr.split())
    again = call(*RUN, "--store", old, "--metrics", "aupro[max_fpr=0.05]", "--format", "md")
    assert "2 fitted (2 of them again, for the counts of pixels)" in " ".join(again.stderr.split())
    assert "aupro[max_fpr=0.05]" in again.stdout
    asked = ("--metrics", "aupro[max_fpr=0.05]")
    assert [row["aupro[max_fpr=0.05]"] for row in rows(old, *asked)] == [
        row["aupro[max_fpr=0.05]"] for row in rows(fitted, *asked)
    ]
    assert "2 already there" in " ".join(call(*RUN, "--store", old, *asked).stderr.split())
    wrong = call(*RUN, "--store", old, "--metrics", "auprro")
    assert (wrong.exit_code, "Did you mean 'aupro'" in wrong.stderr) == (2, True)


def test_merged_stores_keep_their_pixel_evidence(fitted: Path, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    assert call("merge", fitted, "--into", merged).exit_code == 0
    with Store(merged) as target, Store(fitted) as source:
        assert len(source.ids()) == 2
        for trial in source.ids():
            assert target.pixels(trial).to_bytes() == source.pixels(trial).to_bytes()


def test_pixel_evidence_that_is_damaged_is_one_line_that_names_the_trial(fitted: Path, old: Path) -> None:
    with Store(fitted) as opened:
        (trial, *_) = opened.ids()
    with closing(sqlite3.connect(old / FILE_NAME)) as db, db:
        db.execute("INSERT INTO pixels VALUES (?, ?)", (trial, b"AHPX\x01 not deflated"))
    with Store(old) as opened, pytest.raises(StoreError, match=f"trial {trial}: pixel evidence is damaged"):
        opened.pixels(trial)
    refused = call("leaderboard", "--store", old, "--metrics", "pixel_f1")
    assert refused.exit_code == 3
    assert "pixel evidence is damaged" in refused.stderr
