from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from harness.errors import HarnessWarning, LeftOutWarning, StoreError
from harness.trials.database import FILE_NAME, VERSION, Database
from harness.trials.pictures import Maps, Thumbnail
from harness.trials.record import Record
from harness.trials.rows import ids_in_order
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def outcome(seed: int = 0, status: str = "done", score: float = 0.5) -> Outcome:
    if status != "done":
        return Outcome(TRIAL._replace(seed=seed), status, "no luck", "f00d")
    evidence = Evidence(
        normal={"mean": np.array([0.1, 0.2]), "max": np.array([1.0, 2.0])},
        test={"mean": np.array([0.1, score]), "max": np.array([1 / 3, np.pi])},
        defects=("good", "crack"),
        paths=("test/good/0.png", "test/crack/ü 1.png"),
    )
    return Outcome(TRIAL._replace(seed=seed), "done", "", "f00d", evidence, Record(fit_seconds=1.5))


def test_what_is_put_comes_back_whole_from_a_store_opened_anew(tmp_path: Path) -> None:
    with Store(tmp_path / "runs", write=True) as store:
        store.put(outcome())
    with Store(tmp_path / "runs") as store:
        (back,) = store.outcomes()
    assert back.trial == TRIAL
    assert (back.status, back.reason, back.fingerprint) == ("done", "", "f00d")
    assert back.record.fit_seconds == 1.5
    assert back.record.finished_at.endswith("+00:00")
    assert back.evidence.paths == ("test/good/0.png", "test/crack/ü 1.png")
    assert back.evidence.labels.tolist() == [False, True]
    for pool, scores in outcome().evidence.test.items():
        assert np.array_equal(back.evidence.test[pool], scores), "scores are kept to the last bit"
        assert np.array_equal(back.evidence.normal[pool], outcome().evidence.normal[pool])


def test_the_store_tells_what_finished_trials_took(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(replace(outcome(), record=Record(fit_seconds=2.0, score_seconds=0.5, default_pool="mean")))
        store.put(outcome(seed=1, status="error"))
        store.put(replace(outcome(seed=2), record=Record(default_pool="mean")))
        assert store.seconds() == {TRIAL.key: 2.5}


def test_small_maps_lie_apart_from_the_scores_and_come_back_equal(tmp_path: Path) -> None:
    maps = Maps(np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4), 0.5)
    pictured = outcome()
    pictured = replace(pictured, evidence=replace(pictured.evidence, maps=maps))
    with Store(tmp_path, write=True) as store:
        store.put(pictured)
        store.put(outcome(1))
        assert [back.evidence.maps for back in store.outcomes()] == [None, None], "a leaderboard need not read them"
        values, largest = store.maps(pictured.id)
        assert np.array_equal(values, maps.values)
        assert largest == 0.5
        assert store.maps(outcome(1).id) is None


def test_thumbnails_are_kept_once_for_each_data_set_in_their_order(tmp_path: Path) -> None:
    mask = np.eye(5, dtype=bool)
    with Store(tmp_path, write=True) as store:
        assert store.pictured() == set()
        store.put_thumbnails("f00d", [Thumbnail(b"first", mask), Thumbnail(b"second", None)])
        store.put_thumbnails("f00d", [Thumbnail(b"other", None)] * 2)
        assert store.pictured() == {"f00d"}
        first, second = store.thumbnails("f00d")
        assert (first.jpeg, second.jpeg, second.mask) == (b"first", b"second", None)
        assert np.array_equal(first.mask, mask)
        assert store.thumbnails("beef") == []


def test_an_outcome_of_another_store_brings_its_pictures(tmp_path: Path) -> None:
    maps = Maps(np.ones((2, 3, 4), np.uint8), 0.5)
    pictured = outcome()
    pictured = replace(pictured, evidence=replace(pictured.evidence, maps=maps))
    with Store(tmp_path / "a", write=True) as source, Store(tmp_path / "b", write=True) as target:
        source.put(pictured)
        source.put(outcome(1, status="error"))
        source.put_thumbnails("f00d", [Thumbnail(b"first", None), Thumbnail(b"second", None)])
        for found in source.outcomes():
            target.put_from(source, found)
        assert [back.status for back in target.outcomes()] == ["done", "error"]
        assert np.array_equal(target.maps(pictured.id).values, maps.values)
        assert [small.jpeg for small in target.thumbnails("f00d")] == [b"first", b"second"]


def test_a_finished_trial_is_never_replaced(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome(score=0.5))
        store.put(outcome(score=0.9))
        store.put(outcome(status="error"))
        (kept,) = store.outcomes()
        assert kept.status == "done"
        assert kept.evidence.test["mean"][1] == 0.5


def test_a_failed_trial_is_not_done_and_a_later_success_replaces_it(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome(status="error"))
        assert store.done() == set()
        assert not store.has_done(outcome().id)
        store.put(outcome())
        assert store.done() == {outcome().id}
        assert store.has_done(outcome().id)
        assert len(list(store.outcomes())) == 1


def test_outcomes_come_in_an_order_that_does_not_depend_on_when_they_were_made(tmp_path: Path) -> None:
    with Store(tmp_path / "a", write=True) as first, Store(tmp_path / "b", write=True) as second:
        for seed in (2, 0, 1):
            first.put(outcome(seed))
        for seed in (0, 1, 2):
            second.put(outcome(seed))
        assert [o.trial for o in first.outcomes()] == [o.trial for o in second.outcomes()]
        assert [o.trial.seed for o in first.outcomes([outcome(1).id])] == [1]


def test_reading_where_there_is_no_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at .*nowhere.*harness run --store"):
        Store(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("write", [True, False])
def test_a_store_of_another_version_is_refused_with_both_versions(tmp_path: Path, write: bool) -> None:
    Store(tmp_path, write=True).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=f"has version 99, this harness reads version {VERSION}") as refused:
        Store(tmp_path, write=write)
    open_now = {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()}
    assert str(tmp_path / FILE_NAME) not in open_now, f"closed although it was refused: {refused.value}"


def test_a_store_of_a_version_before_the_first_is_refused(tmp_path: Path) -> None:
    Store(tmp_path, write=True).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("PRAGMA user_version = -1")
    with pytest.raises(StoreError, match=f"store .* has version -1, expected 1 to {VERSION}"):
        Store(tmp_path)


@pytest.mark.parametrize("content", [b"not a database, surely not one", b""])
def test_another_file_of_that_name_is_not_read_as_a_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(StoreError):
        Store(tmp_path)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("CREATE TABLE recipes (name)")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match="is not a store of this harness"):
        Store(tmp_path, write=True)
    assert (tmp_path / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize("pragma", ["application_id = 7", "user_version = 7"])
def test_an_empty_database_that_another_program_has_marked_as_its_own_is_left_alone(
    tmp_path: Path, pragma: str
) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute(f"PRAGMA {pragma}")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match="is not a store of this harness"):
        Store(tmp_path, write=True)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_trial_whose_scores_were_altered_is_not_done_so_that_it_is_fitted_again(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome())
        store.put(outcome(1))
        store.put(outcome(2, "error"))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("UPDATE scores SET test = zeroblob(length(test)) WHERE trial = ?", (outcome().id,))
    db.close()
    with Store(tmp_path) as store:
        assert [store.has_done(outcome(seed).id) for seed in (0, 1)] == [False, True]
        assert not store.has_done(outcome(2, "error").id)
        assert not store.has_done("0" * 16)
        assert store.record("0" * 16) is None
        assert store.record(outcome().id) is None
        known = store.record(outcome(1).id)
        assert known is not None
        assert known.fit_seconds == 1.5


def test_of_a_damaged_list_of_trials_all_are_found_but_those_on_the_damaged_page() -> None:
    class Damaged:
        """A database of which the page that lists ids from 07 on cannot be read."""

        def __init__(self) -> None:
            self.db = sqlite3.connect(":memory:")
            self.db.execute("CREATE TABLE trials (id, key, fingerprint)")
            rows = [("00a", "k3"), ("07b", "k2"), ("0ff", "k1"), ("fe9", "k0"), ("ffc", "k4"), ("fff", "k4")]
            self.db.executemany("INSERT INTO trials VALUES (?, ?, '')", rows)

        def execute(self, asked: str, given: tuple[str, ...] = ()) -> sqlite3.Cursor:
            if given[:1] in ((), ("07",)):
                raise sqlite3.DatabaseError("database disk image is malformed")
            return self.db.execute(asked, given)

    database = Damaged()
    found, faults = ids_in_order(cast("sqlite3.Connection", database))
    database.db.close()
    assert found == ["fe9", "0ff", "00a", "ffc", "fff"], "by their keys"
    assert faults == ["trials whose id begins with 07 cannot be read: database disk image is malformed"]


def test_sqlite_is_told_to_trust_nothing_in_a_file_where_it_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python before 3.12 has no `setconfig`; what it would be told is the same everywhere."""
    told: list[tuple[str, object]] = []
    for name in ("DEFENSIVE", "ENABLE_TRIGGER", "ENABLE_VIEW"):
        monkeypatch.setattr(sqlite3, f"SQLITE_DBCONFIG_{name}", name, raising=False)
    connection = SimpleNamespace(
        setlimit=lambda what, value: told.append((f"limit {what}", value)),
        execute=lambda text: told.append(("execute", text)),
        setconfig=lambda what, on: told.append((what, on)),
    )
    Database._distrust(cast("Database", SimpleNamespace(_db=connection)))
    assert told == [
        (f"limit {sqlite3.SQLITE_LIMIT_LENGTH}", 256 << 20),
        ("execute", "PRAGMA trusted_schema = OFF"),
        ("execute", "PRAGMA cell_size_check = ON"),
        ("DEFENSIVE", True),
        ("ENABLE_TRIGGER", False),
        ("ENABLE_VIEW", False),
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_CORRUPT, "its file is damaged; `harness merge` brings"),
        (sqlite3.SQLITE_CORRUPT | 3 << 8, "its file is damaged; `harness merge` brings"),
        (sqlite3.SQLITE_TOOBIG, "it holds a value of more than 256 MiB"),
        (sqlite3.SQLITE_BUSY, "another process has kept it to itself for 60 s"),
        (sqlite3.SQLITE_FULL, "the disk is full; what was stored before is whole"),
        (sqlite3.SQLITE_READONLY, "it is readonly: expected a folder and a file in it that can be written"),
        (sqlite3.SQLITE_MISMATCH, "in the words of SQLite"),
    ],
)
def test_what_sqlite_refuses_is_told_in_words_that_say_what_to_do(tmp_path: Path, code: int, said: str) -> None:
    refused = sqlite3.OperationalError("in the words of SQLite")
    refused.sqlite_errorcode = code
    with Store(tmp_path, write=True) as store, pytest.raises(StoreError) as caught, store._explained():
        raise refused
    assert str(caught.value).startswith(f"store {str(tmp_path)!r}: {said}")


def test_a_store_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file" / "runs", write=True)


def as_nobody(action: Callable[[], object]) -> str:
    """What an action raises when it is done by a user without rights; root could write anywhere."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            action()
            said = ""
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def test_an_unwritable_store_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    Store(tmp_path, write=True).close()
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(0o755)
    tmp_path.chmod(0o755)
    assert as_nobody(lambda: Store(tmp_path)) == "", "it can be read"
    said = as_nobody(lambda: Store(tmp_path, write=True))
    assert said.startswith("StoreError: ")
    assert str(tmp_path) in said
    assert "readonly" in said


def test_two_writers_on_one_store_lose_and_double_nothing(tmp_path: Path) -> None:
    script = """
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
import test_store
from harness.trials.store import Store
with Store(Path(sys.argv[1]), write=True) as store:
    for seed in range(int(sys.argv[2]), 60, 1 if sys.argv[2] == "0" else 2):
        store.put(test_store.outcome(seed))
"""
    here = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), start, here], stderr=subprocess.PIPE)
        for start in ("0", "1")
    ]
    for writer in writers:
        _, complaint = writer.communicate(timeout=120)
        assert writer.returncode == 0, complaint.decode()
    with Store(tmp_path) as store:
        assert sorted(o.trial.seed for o in store.outcomes()) == list(range(60))
        assert len(store.done()) == 60


def test_a_write_that_fails_half_way_leaves_no_half_record(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome(0))
        broken = outcome(1)
        broken.evidence.normal["mean"] = object()  # cannot be packed
        with pytest.raises((TypeError, ValueError)):
            store.put(broken)
        assert [o.trial.seed for o in store.outcomes()] == [0]
        store.put(outcome(2))
        assert [o.trial.seed for o in store.outcomes()] == [0, 2]


def test_a_store_whose_folder_vanishes_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    store = Store(folder, write=True)
    (folder / FILE_NAME).unlink()
    folder.rmdir()
    with pytest.raises(StoreError):
        store.put(outcome())
    store.close()


def with_scores(normal: dict[str, list[float]], test: dict[str, list[float]], **record: object) -> Outcome:
    arrays = ({pool: np.array(values) for pool, values in scores.items()} for scores in (normal, test))
    evidence = Evidence(*arrays, ("good", "crack"), ("test/good/0.png", "test/crack/1.png"))
    return Outcome(TRIAL, "done", "", "f00d", evidence, Record(**record))


def test_a_finished_trial_lacks_a_pool_that_it_has_no_scores_of_unless_its_model_takes_none(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome(0))
        store.put(outcome(1, status="error"))
        unpooled = replace(with_scores({"-": [1.0]}, {"-": [1.0, 2.0]}), trial=TRIAL._replace(seed=2))
        store.put(unpooled)
        assert store.lacking([]) == {}
        assert store.lacking(["mean"]) == {}
        assert store.lacking(["mean", "topk"]) == {outcome(0).id: "pool topk"}


def test_another_fit_adds_the_scores_of_a_pool_and_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(with_scores({"mean": [1.0, 4.0]}, {"mean": [1.0, 8.0]}, fit_seconds=2.0))
        again = with_scores(
            {"mean": [1.0, 4.0], "low": [0.5, 0.5]}, {"mean": [1.0, 8.0], "low": [0.25, 0.5]},
            fit_seconds=3.0, pools={"low": "x 1.0"}, pool_faults={"odd": "no such thing"},
        )  # fmt: skip
        assert store.add_evidence(again) == 0
        (kept,) = store.outcomes()
        assert store.lacking(["low"]) == {}
    assert {pool: values.tolist() for pool, values in kept.evidence.test.items()} == {
        "mean": [1.0, 8.0], "low": [0.25, 0.5],
    }  # fmt: skip
    assert kept.evidence.normal["low"].tolist() == [0.5, 0.5]
    assert kept.record.fit_seconds == 2.0, "the record is of the first fit"
    assert (kept.record.pools, kept.record.pool_faults) == ({"low": "x 1.0"}, {"odd": "no such thing"})


@pytest.mark.parametrize(
    ("normal", "test", "share"),
    [
        ([1.0, 4.0], [1.0, 6.0], 0.25),
        ([1.0, 4.0], [3.0, 8.0], 0.25),
        ([1.0, 2.0], [1.0, 7.0], 0.5),
        ([2.0, 4.0], [1.0, 4.0], 0.5),
    ],
)
def test_how_far_the_other_scores_of_that_fit_are_from_the_stored_ones_is_told_of_the_farthest(
    tmp_path: Path, normal: list[float], test: list[float], share: float
) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(with_scores({"mean": [1.0, 4.0]}, {"mean": [1.0, -8.0]}))
        again = with_scores({"mean": normal, "low": [0.0, 0.0]}, {"mean": [test[0], -test[1]], "low": [9.0, 9.0]})
        assert store.add_evidence(again) == pytest.approx(share)
        (kept,) = store.outcomes()
        assert kept.evidence.test["mean"].tolist() == [1.0, -8.0], "the stored ones stay"


def test_what_a_store_holds_and_nobody_can_read_is_named_with_its_trial(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome())
    trial = outcome().id
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute('UPDATE trials SET record = \'{"fit_seconds": "long"}\'')
        db.execute("DELETE FROM digests")
    with (
        Store(tmp_path) as store,
        pytest.warns(LeftOutWarning, match=f"the record of trial {trial}: fit_seconds is 'long'"),
        pytest.warns(HarnessWarning, match="was written before trials had digests"),
    ):
        assert not list(store.outcomes())
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, db:
        db.execute("UPDATE trials SET key = '{}'")
    with (
        Store(tmp_path) as store,
        pytest.warns(LeftOutWarning, match=f"trial {trial}: its settings cannot be read: it lacks 'dataset'"),
        pytest.warns(HarnessWarning, match="was written before"),
    ):
        assert not list(store.outcomes())


def test_a_file_is_no_store_and_no_run_is_suggested_into_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(StoreError, match=r"a\.png' is a file: expected the folder of a store, or an export"):
        Store(tmp_path / "a.png")


def test_a_store_that_was_closed_holds_no_file_open(tmp_path: Path) -> None:
    files = Path("/proc/self/fd")
    if not files.is_dir():
        pytest.skip("this system does not say which files are open")

    def opened() -> list[Path]:
        found = [number.readlink() for number in files.iterdir() if number.is_symlink()]
        return [file for file in found if tmp_path.resolve() in file.parents]

    with Store(tmp_path, write=True) as store:
        store.put(outcome())
        assert opened()
    assert opened() == []


def test_scores_that_were_all_zero_and_have_moved_are_told_by_how_much(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(with_scores({"mean": [0.0, 0.0]}, {"mean": [0.0, 0.0]}))
        assert store.add_evidence(with_scores({"mean": [0.0, 0.5]}, {"mean": [0.25, 0.0]})) == pytest.approx(0.5)
