"""One damaged bit costs one trial at most, and never changes a number in silence. `bit_flips.py` does the work."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness.errors import HarnessWarning, LeftOutWarning, StoreError
from harness.trials.database import FILE_NAME
from harness.trials.rows import keep_digest
from harness.trials.store import Store

_spec = importlib.util.spec_from_file_location("bit_flips", Path(__file__).with_name("bit_flips.py"))
bit_flips: ModuleType = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bit_flips)
call = bit_flips.call


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bit_flips.filled(tmp_path_factory.mktemp("flips"))


@pytest.fixture
def runs(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def change(runs: Path, *statements: str) -> None:
    with closing(sqlite3.connect(runs / FILE_NAME)) as db, db:
        for statement in statements:
            db.execute(statement)
    db.close()


@pytest.mark.parametrize(("what", "count"), [("store", 40), ("model", 10), ("weights", 5)])
def test_a_bit_leaves_the_same_output_or_is_named(filled: Path, what: str, count: int) -> None:
    file, words = bit_flips.commands(filled)[what]
    assert sum(bit_flips.flips(file, words, count, seed=15).values()) == count


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE scores SET test = zeroblob(length(test)) WHERE trial = '{id}'", "its digest is another"),
        ("UPDATE trials SET record = '{{}}' WHERE id = '{id}'", "its digest is another"),
        ("UPDATE trials SET id = '0000000000000000' WHERE id = '{id}'", "trial {id}: it was stored and is gone"),
        ("DELETE FROM trials WHERE id = '{id}'", "trial {id}: it was stored and is gone"),
        ("UPDATE trials SET key = replace(key, 'large', 'small') WHERE id = '{id}'", "its digest is another"),
    ],
)
def test_an_altered_trial_is_named_left_out_and_fitted_again(runs: Path, statement: str, said: str) -> None:
    with Store(runs) as store:
        first, *others = store.ids()
    change(runs, statement.format(id=first))
    shown = call("leaderboard", *bit_flips.PLUGIN, "--store", runs, "--format", "csv")
    assert shown.exit_code == 3
    assert said.format(id=first) in shown.stderr
    assert first not in shown.stdout
    assert all(one in shown.stdout for one in others)
    words = ["run", *bit_flips.PLUGIN, "--dataset", "dots", "--categories", "large", "--models", "mean_image,trained"]
    words += ["--encoders", "plain", "--losses", "absolute", "--seeds", "0,1", "--device", "cpu", "--jobs", "1"]
    assert call(*words, "--store", runs, "--quiet").exit_code == 0
    with Store(runs) as store:
        assert store.damaged() == {}
        assert store.done() == {first, *others}


@pytest.mark.parametrize("column", ["record", "reason", "key"])
def test_a_row_that_has_bytes_for_a_text_is_named_though_its_digest_fits(runs: Path, column: str) -> None:
    with Store(runs) as store:
        first, *others = store.ids()
    with closing(sqlite3.connect(runs / FILE_NAME)) as db, db:
        db.execute(f"UPDATE trials SET {column} = CAST({column} AS BLOB) WHERE id = ?", (first,))
        keep_digest(db, first)
    shown = call("leaderboard", *bit_flips.PLUGIN, "--store", runs, "--format", "csv")
    assert shown.exit_code == 3
    assert f"trial {first}: its {column} is b'" in shown.stderr
    assert first not in shown.stdout
    assert all(one in shown.stdout for one in others)


@pytest.mark.parametrize(("table", "column"), [("trials", "record"), ("test_sets", "defects")])
def test_text_that_is_nested_without_end_is_named_though_its_digest_fits(runs: Path, table: str, column: str) -> None:
    """As an attacker would write it: a reader by recursion runs out of room."""
    with closing(sqlite3.connect(runs / FILE_NAME)) as db, db:
        db.execute(f"UPDATE {table} SET {column} = ?", ("[" * 100_000 + "]" * 100_000,))
        for (trial,) in db.execute("SELECT id FROM trials").fetchall():
            keep_digest(db, trial)
    shown = call("leaderboard", *bit_flips.PLUGIN, "--store", runs)
    assert shown.exit_code == 2
    assert "recursion" in shown.stderr


def test_a_key_that_was_altered_with_its_digest_does_not_fit_its_id(runs: Path) -> None:
    with Store(runs) as store:
        first, *_ = store.ids()
    change(runs, f"UPDATE trials SET key = replace(key, 'large', 'small') WHERE id = '{first}'", "DELETE FROM digests")
    with (
        Store(runs) as store,
        pytest.warns(LeftOutWarning, match="its settings and data give the id"),
        pytest.warns(HarnessWarning, match="before trials had digests"),
    ):
        assert first not in {outcome.id for outcome in store.outcomes()}


def test_triggers_and_views_of_a_received_store_do_nothing(runs: Path) -> None:
    change(
        runs,
        "CREATE TRIGGER forge AFTER INSERT ON trials BEGIN DELETE FROM scores; END",
        "CREATE VIEW better AS SELECT * FROM trials",
    )
    assert call("leaderboard", *bit_flips.PLUGIN, "--store", runs).exit_code == 0
    with pytest.raises(StoreError, match="has 'better', which no harness has made"):
        Store(runs, write=True)
    assert call("merge", runs, "--into", runs.parent / "clean").exit_code == 0
    with Store(runs.parent / "clean", write=True) as clean, Store(runs) as forged:
        assert clean.done() == forged.done()


def test_a_table_that_is_another_is_refused(runs: Path) -> None:
    change(runs, "ALTER TABLE scores RENAME TO hidden", "CREATE VIEW scores AS SELECT * FROM hidden")
    with pytest.raises(StoreError, match="its table 'scores' is not as a harness makes it"):
        Store(runs)


def test_few_bytes_that_claim_to_be_many_are_not_unpacked(runs: Path) -> None:
    bomb = zlib.compress(bytes(300 << 20), 9)
    with Store(runs) as store:
        first, *_ = store.ids()
    with closing(sqlite3.connect(runs / FILE_NAME)) as db, db:
        db.execute("UPDATE maps SET deflated = ?, height = 1, width = 1", (bomb,))
        db.execute("DELETE FROM digests")
    db.close()
    with Store(runs) as store, pytest.warns(LeftOutWarning, match="more than 256 MiB"):
        assert store.maps(first) is None


def test_pictures_that_were_altered_are_left_out_of_the_report(runs: Path) -> None:
    change(runs, "UPDATE thumbnails SET mask = x'89' || mask", "UPDATE maps SET largest = largest * 2")
    out = runs.parent / "report.html"
    result = call("report", *bit_flips.PLUGIN, "--store", runs, "--out", out)
    assert result.exit_code == 3
    assert "the pictures of the data" in result.stderr
    assert "the maps of trial" in result.stderr
    assert out.stat().st_size


def test_scores_are_the_same_to_the_last_bit_after_all(runs: Path) -> None:
    with Store(runs) as store:
        assert all(
            np.isfinite(scores).all() for outcome in store.outcomes() for scores in outcome.evidence.test.values()
        )
        assert store.damaged() == {}
