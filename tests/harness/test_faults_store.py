"""What befalls a store: older versions, kills in mid-write, a full disk, a file that goes away, others that hold it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.errors import HarnessWarning, StoreError
from harness.metrics.pixel import curves
from harness.trials import database, migrations
from harness.trials.database import FILE_NAME
from harness.trials.pictures import Maps
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial

GOLDEN = Path(__file__).parent.parent / "golden"
TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def outcome(seed: int, picture_bytes: int = 0) -> Outcome:
    """One that is done, and takes about so many bytes on disk."""
    noise = np.random.default_rng(seed).integers(0, 256, (1, 1, picture_bytes), dtype=np.uint8)
    evidence = Evidence(
        {"mean": np.array([0.1])},
        {"mean": np.array([0.2])},
        ("good",),
        ("0.png",),
        Maps(noise, 1.0) if picture_bytes else None,
    )
    return Outcome(TRIAL._replace(seed=seed), "done", "", "f00d", evidence)


def run(plugin: Path, folder: Path, *more: str) -> Result:
    words = [
        "run",
        "--no-floors",
        "--plugin",
        str(plugin),
        "--store",
        str(folder),
        "--device",
        "cpu",
        "--jobs",
        "1",
        "--dataset",
        "dots",
    ]
    words += ["--categories", "large", "--encoders", "plain", "--losses", "absolute", "--thresholds", "highest"]
    return CliRunner().invoke(main, [*words, *more])


def version_of(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store of version 1."""
    (tmp_path / "old").mkdir()
    shutil.copy(GOLDEN / "store_v1.sqlite", tmp_path / "old" / FILE_NAME)
    return tmp_path / "old"


def check_contents_of_version_1(opened: Store) -> None:
    with said_where_there_are_no_digests(opened):
        check(opened)


@contextmanager
def said_where_there_are_no_digests(opened: Store) -> Iterator[None]:
    with opened._explained():
        sealed = opened._db.execute("SELECT count(*) FROM digests").fetchone()[0]
    with nullcontext() if sealed else pytest.warns(HarnessWarning, match="was written before trials had digests"):
        yield


def check(opened: Store) -> None:
    done = [found for found in opened.outcomes() if found.status == "done"]
    assert [(found.trial.model, found.trial.seed) for found in done] == [
        ("mean_image", 0),
        ("mean_image", 1),
        ("trained", 0),
        ("trained", 1),
        ("trained[fail=weights]", 0),
    ]
    assert all(found.evidence.defects == ("good",) * 3 + ("square",) * 3 + ("other",) for found in done)
    assert all(found.evidence.test["mean"].shape == (7,) for found in done)
    assert done[0].evidence.test["max"].max() == 0.3600037022797499
    assert all(opened.maps(found.id).values.shape[0] == 7 for found in done)
    assert len(opened.thumbnails(done[0].fingerprint)) == 7
    assert sorted(found.status for found in opened.outcomes() if found.status != "done") == ["error"] * 6 + ["skipped"]


def test_a_store_of_every_version_is_kept_for_these_tests() -> None:
    kept = sorted(int(file.stem.removeprefix("store_v")) for file in GOLDEN.glob("store_v*.sqlite"))
    assert kept == list(range(1, database.VERSION + 1))
    assert [version_of(GOLDEN / f"store_v{version}.sqlite") for version in kept] == kept


@pytest.mark.parametrize("write", [False, True])
def test_a_store_of_version_1_loads_whole(old: Path, write: bool) -> None:
    with Store(old, write=write) as opened:
        check_contents_of_version_1(opened)


@pytest.mark.parametrize("write", [False, True])
def test_a_store_of_version_2_loads_whole_with_its_pixel_evidence(tmp_path: Path, write: bool) -> None:
    shutil.copy(GOLDEN / "store_v2.sqlite", tmp_path / FILE_NAME)
    with Store(tmp_path, write=write) as opened:
        check_contents_of_version_1(opened)
        with said_where_there_are_no_digests(opened):
            first, *others = [found for found in opened.outcomes(with_pixels=True) if found.status == "done"]
        assert first.evidence.pixels.kinds == ("good", "square", "other")
        assert curves.summary(first.evidence.pixels.counts())["pixel_auroc"] == pytest.approx(0.8489402488425923)
        assert [found.evidence.pixels for found in others] == [None] * 4


@pytest.fixture
def later_harness(monkeypatch: pytest.MonkeyPatch) -> int:
    """As if this were a harness whose tables are two versions further; gives that version."""

    def add_notes(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE notes (trial TEXT)")

    def fill_notes(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO notes SELECT id FROM trials")

    steps = (*migrations.STEPS, add_notes, fill_notes)
    monkeypatch.setattr(migrations, "STEPS", steps)
    monkeypatch.setattr(migrations, "VERSION", len(steps))
    monkeypatch.setattr(database, "VERSION", len(steps))
    return len(steps)


def notes_in(opened: Store) -> int:
    return int(opened._db.execute("SELECT count(*) FROM notes").fetchone()[0])


def test_writing_to_an_older_store_takes_the_steps_it_lacks_once(old: Path, later_harness: int) -> None:
    for _ in range(2):
        with Store(old, write=True) as opened:
            check_contents_of_version_1(opened)
            assert notes_in(opened) == 12
    assert version_of(old / FILE_NAME) == later_harness


def test_reading_an_older_store_leaves_it_to_older_harnesses(old: Path, later_harness: int) -> None:
    before = (old / FILE_NAME).read_bytes()
    with Store(old) as opened:
        check_contents_of_version_1(opened)
        assert notes_in(opened) == 12
    assert (old / FILE_NAME).read_bytes() == before
    assert [file.name for file in old.iterdir()] == [FILE_NAME]


def test_a_new_store_takes_every_step(tmp_path: Path, later_harness: int) -> None:
    with Store(tmp_path, write=True) as opened:
        assert notes_in(opened) == 0
    assert version_of(tmp_path / FILE_NAME) == later_harness


def test_a_step_that_fails_leaves_the_store_as_it_was(
    old: Path, later_harness: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS[:-1], fail))
    with pytest.raises(StoreError, match="no such table: nowhere"):
        Store(old, write=True)
    assert version_of(old / FILE_NAME) == 1
    monkeypatch.undo()
    with Store(old) as opened:
        check_contents_of_version_1(opened)


KILLED_IN_MID_WRITE = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("PRAGMA cache_spill = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE trials SET reason = hex(randomblob(50000)), status = 'error'")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """A store whose writer was killed when half of a transaction was in the file."""
    with Store(tmp_path / "runs", write=True) as opened:
        for seed in range(20):
            opened.put(outcome(seed))
    file = tmp_path / "runs" / FILE_NAME
    before = file.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED_IN_MID_WRITE, str(file)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() != before
    assert (file.parent / f"{FILE_NAME}-journal").stat().st_size > 0
    return tmp_path / "runs"


@pytest.mark.parametrize("write", [False, True])
def test_a_store_whose_writer_was_killed_in_mid_write_opens_as_it_was_before(torn: Path, write: bool) -> None:
    with Store(torn, write=write) as opened:
        assert sorted(found.trial.seed for found in opened.outcomes()) == list(range(20))
        assert len(opened.done()) == 20


def test_reading_changes_nothing_even_though_it_may_mend(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as opened:
        opened.put(outcome(0))
    with Store(tmp_path) as opened, pytest.raises(StoreError):
        opened.put(outcome(1))


def test_a_full_disk_is_one_clear_error_and_earlier_records_are_whole(small_disk: Path) -> None:
    stored = 0
    with Store(small_disk / "runs", write=True) as opened:
        while stored < 100:
            try:
                opened.put(outcome(stored, picture_bytes=50_000))
            except StoreError as error:
                assert "the disk is full" in str(error)
                break
            stored += 1
    assert 3 <= stored <= 10
    with Store(small_disk / "runs") as opened:
        assert sorted(found.trial.seed for found in opened.outcomes()) == list(range(stored))
        assert all(opened.maps(found.id) is not None for found in opened.outcomes())
        assert opened._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_run_on_a_full_disk_stops_with_one_line_and_goes_on_once_there_is_room(
    small_disk: Path, dots_plugin: Path
) -> None:
    Store(small_disk / "runs", write=True).close()
    room = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"x" * (room.f_bavail * room.f_bsize - 16_384))
    full = run(dots_plugin, small_disk / "runs", "--seeds", "0,1,2,3,4,5,6,7,8,9", "--models", "mean_image")
    assert full.exit_code == 2
    assert "the disk is full; what was stored before is whole" in full.stderr
    assert "Traceback" not in full.output
    with Store(small_disk / "runs") as opened:
        stored = len(opened.done())
    assert stored < 10
    (small_disk / "filler").unlink()
    again = run(dots_plugin, small_disk / "runs", "--seeds", "0,1,2,3,4,5,6,7,8,9", "--models", "mean_image")
    assert again.exit_code == 0, again.output
    assert f"{10 - stored} fitted, {stored} already there" in again.stderr


@pytest.mark.parametrize("how", ["moved", "removed"])
def test_a_store_that_goes_away_in_mid_run_is_one_clear_error_and_what_was_moved_is_whole(
    tmp_path: Path, dots_plugin: Path, how: str
) -> None:
    leaving = {
        "moved": f"import os; os.rename({str(tmp_path / 'runs')!r}, {str(tmp_path / 'elsewhere')!r})",
        "removed": f"import shutil; shutil.rmtree({str(tmp_path / 'runs')!r})",
    }
    plugin = tmp_path / "leaving.py"
    anchor = "        assert encoder is not None"
    plugin.write_text(dots_plugin.read_text().replace(anchor, f"        if run.seed == 2: {leaving[how]}\n{anchor}"))
    result = run(plugin, tmp_path / "runs", "--seeds", "0,1,2,3", "--models", "trained")
    assert result.exit_code == 2
    assert "its file was moved or removed while it was open" in result.stderr
    assert "Traceback" not in result.output
    if how == "moved":
        with Store(tmp_path / "elsewhere") as opened:
            assert [found.trial.seed for found in opened.outcomes()] == [0, 1]


def test_a_store_that_another_process_keeps_to_itself_is_waited_for_and_then_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path, write=True) as opened:
        opened.put(outcome(0))
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.2)
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        for write in (True, False):
            with pytest.raises(StoreError, match="another process has kept it to itself") as refused:
                Store(tmp_path, write=write).done()
            assert "locked" not in str(refused.value)
        holder.execute("ROLLBACK")
    with Store(tmp_path) as opened:
        assert len(opened.done()) == 1


def test_what_is_read_is_of_one_moment_whatever_others_write_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.1)
    with Store(tmp_path, write=True) as writer, Store(tmp_path) as reader:
        writer.put(outcome(0))

        def interfere(statement: str) -> None:
            if "FROM scores" in statement:
                with suppress(StoreError):  # it has to wait for the reader
                    writer.put(replace(outcome(1), fingerprint="beef"))

        reader._db.set_trace_callback(interfere)
        assert [found.trial.seed for found in reader.outcomes()] == [0]
        reader._db.set_trace_callback(None)
        writer.put(outcome(2))
        assert len(list(reader.outcomes())) == 2


def test_a_clock_that_goes_backwards_costs_nothing(tmp_path: Path, dots_plugin: Path) -> None:
    future = replace(outcome(0), record=Record(finished_at="2999-01-01T00:00:00+00:00"))
    with Store(tmp_path / "runs", write=True) as opened:
        opened.put(future)
        opened.put(outcome(1))
        assert opened.done() == {future.id, outcome(1).id}
    result = run(dots_plugin, tmp_path / "runs", "--seeds", "0,1", "--models", "mean_image")
    assert "2 fitted, 0 already there" in result.stderr
    assert (
        "0 fitted, 2 already there"
        in run(dots_plugin, tmp_path / "runs", "--seeds", "0,1", "--models", "mean_image").stderr
    )
