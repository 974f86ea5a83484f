"""What a store says of what is wrong with it, row by row, and what it keeps of each piece of evidence."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StoreError
from harness.trials import store as store_module
from harness.trials.database import FILE_NAME, VERSION
from harness.trials.latencies import Latency
from harness.trials.pictures import Maps, Thumbnail
from harness.trials.record import Record
from harness.trials.rows import Row, digest_of, pack, trial_of
from harness.trials.store import Store
from harness.trials.stored import record_of, record_text
from harness.trials.trial import Evidence, Outcome, Trial

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def outcome(seed: int = 0, **more: Any) -> Outcome:
    evidence = Evidence(
        {"mean": np.array([0.1, 0.2]), "max": np.array([1.0, 2.0])},
        {"mean": np.array([0.1, 0.5]), "max": np.array([3.0, 4.0])},
        ("good", "crack"),
        ("test/good/0.png", "test/crack/1.png"),
        maps=Maps(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), 0.5),
        corrupted={"blur": {"mean": np.arange(10.0).reshape(5, 2)}},
    )
    return Outcome(TRIAL._replace(seed=seed), "done", "", "f00d", replace(evidence, **more), Record(fit_seconds=1.5))


ID = outcome().id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Store(tmp_path, write=True) as store:
        store.put(outcome())
        store.put_thumbnails("f00d", [Thumbnail(b"first", np.eye(3, dtype=bool)), Thumbnail(b"second", None)])
    return tmp_path


def alter(folder: Path, *statements: str, digests: bool = False) -> None:
    """Change the file behind its back; `digests` drops what it would be noticed by."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        for statement in statements:
            db.execute(statement)
        if digests:
            db.execute("DELETE FROM digests")


def said(folder: Path, ask: Callable[[Store], Any]) -> list[str]:
    """The warnings of a question, without the folder's name."""
    with warnings.catch_warnings(record=True) as caught, Store(folder) as store:
        warnings.simplefilter("always")
        ask(store)
    return [f"{type(one.message).__name__}: {one.message}".replace(str(folder), "S") for one in caught]


def refused(ask: Callable[[], Any], folder: Path) -> str:
    with pytest.raises(StoreError) as error:
        ask()
    return str(error.value).replace(str(folder), "S")


UNSEALED = "HarnessWarning: store 'S' was written before trials had digests: whether it was altered cannot be told"
LEFT = f"LeftOutWarning: left out: store 'S': trial {ID}: "


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE trials SET reason = 'x'", "it is not what was stored: its digest is another"),
        (
            "UPDATE scores SET test = zeroblob(16) WHERE pool = 'mean'",
            "it is not what was stored: its digest is another",
        ),
        ("UPDATE corrupted SET test = zeroblob(80)", "it is not what was stored: its digest is another"),
        ("UPDATE test_sets SET defects = '[]'", "it is not what was stored: its digest is another"),
    ],
)
def test_what_was_altered_is_left_out_and_named(folder: Path, statement: str, fault: str) -> None:
    alter(folder, statement)
    with Store(folder) as store:
        assert store.done() == set()
        assert not store.has_done(ID)
        assert store.record(ID) is None
        assert store.damaged() == {ID: fault}
        assert (len(store), store.ids(), bool(store)) == (1, [ID], True)
    assert said(folder, lambda store: list(store.outcomes())) == [LEFT + fault]
    with Store(folder, write=True) as store:
        assert refused(lambda: store.amend(ID, lambda record: record), folder) == f"store 'S': trial {ID}: {fault}"


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE trials SET reason = x'00'", "its reason is b'\\x00', expected a text"),
        ("UPDATE trials SET status = x'646f6e65'", "its status is b'done', expected a text"),
        (
            "UPDATE trials SET key = '[1]'",
            "its settings cannot be read: its settings are [1], expected names with values",
        ),
        ("UPDATE trials SET key = 'x'", "its settings cannot be read: Expecting value: line 1 column 1 (char 0)"),
        ("UPDATE trials SET fingerprint = 'beef'", f"its settings and data give the id {TRIAL.identity('beef')}"),
    ],
)
def test_a_row_without_a_digest_is_held_to_its_own_id(folder: Path, statement: str, fault: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(statement)
        db.execute("DELETE FROM digests")
    with Store(folder) as store:
        assert store.damaged() == {ID: fault}
    assert said(folder, lambda store: list(store.outcomes())) == [LEFT + fault, UNSEALED]


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (
            "UPDATE scores SET test = x'00' WHERE pool = 'mean'",
            f"scores of trial {ID} are damaged: buffer size must be a multiple of element size",
        ),
        (
            "UPDATE scores SET test = zeroblob(24) WHERE pool = 'mean'",
            f"scores of trial {ID} are damaged: there are 3 for 2 images",
        ),
        (
            "UPDATE scores SET normal = x'000000000000f87f' WHERE pool = 'mean'",
            f"scores of trial {ID} are damaged: 1 of 1 are not finite",
        ),
        ("UPDATE corrupted SET test = zeroblob(8)", f"scores of trial {ID} are damaged: there are 1 for 10 images"),
        (
            "UPDATE test_sets SET defects = '[]'",
            f"the test images of trial {ID}: there are 2 names and 0 defect kinds",
        ),
        ("UPDATE test_sets SET paths = '{}'", f"the test images of trial {ID}: it is {{}}, expected a list"),
        ("UPDATE trials SET record = '[]'", f"the record of trial {ID}: it is [], expected fields by name"),
        (
            "UPDATE trials SET record = '{\"n_train\": \"3\"}'",
            f"the record of trial {ID}: n_train is '3', expected a whole number",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_of_a_sound_row_is_told_with_its_trial(folder: Path, statement: str, fault: str) -> None:
    alter(folder, statement, digests=True)
    assert said(folder, lambda store: list(store.outcomes())) == [
        f"LeftOutWarning: left out: store 'S': {fault}",
        UNSEALED,
    ]
    if "record" in fault:
        with Store(folder) as store:
            assert refused(lambda: store.record(ID), folder) == f"store 'S': {fault}"


def test_a_trial_that_is_gone_is_missed_and_one_under_another_id_is_no_trial(folder: Path) -> None:
    alter(folder, "DELETE FROM trials", "DELETE FROM scores")
    with Store(folder) as store:
        assert store.damaged() == {ID: "it is gone"}
        assert list(store.outcomes([ID])) == []
    assert said(folder, lambda store: list(store.outcomes())) == [
        f"LeftOutWarning: left out: store 'S': trial {ID}: it was stored and is gone"
    ]
    assert said(folder, lambda store: list(store.outcomes([ID]))) == []
    with Store(folder, write=True) as store:
        store.put(outcome())
        assert store.damaged() == {}
    alter(folder, f"UPDATE trials SET id = '{'0' * 16}'")
    with Store(folder, write=True) as store:
        assert store.damaged().keys() == {ID, "0" * 16}
        store.put(outcome())
        assert store.damaged() == {}
        assert store.ids() == [ID], "the one whose id was altered is gone for good"


def test_a_damaged_trial_is_replaced_by_a_later_fit_and_by_a_failure(folder: Path) -> None:
    alter(folder, "UPDATE trials SET reason = 'x'")
    with Store(folder, write=True) as store:
        store.put(replace(outcome(), status="error", reason="no luck", evidence=None))
        (found,) = store.outcomes()
        assert (found.status, found.reason, found.evidence) == ("error", "no luck", None)
        assert store.maps(ID) is None
        store.put(outcome())
        assert store.done() == {ID}


def test_a_finished_trial_is_replaced_by_one_fitted_anew_on_purpose_alone(folder: Path) -> None:
    other = outcome()
    other = replace(other, record=Record(fit_seconds=9.0), evidence=replace(other.evidence, corrupted={}))  # type: ignore[type-var]

    def seconds(store: Store) -> float | None:
        (found,) = store.outcomes()
        return found.record.fit_seconds

    with Store(folder, write=True) as store:
        store.put(other)
        assert seconds(store) == 1.5
        store.put(replace(other, status="error", reason="x", evidence=None), anew=True)
        assert seconds(store) == 1.5
        store.put(other, anew=True)
        assert seconds(store) == 9.0
        (found,) = store.outcomes()
        assert found.evidence is not None
        assert found.evidence.corrupted == {}, "nothing of the other fit is left"


def test_pictures_that_are_damaged_are_left_out_with_what_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(folder) as store:
        maps = store.maps(ID)
        assert maps is not None
        assert (maps.values.shape, maps.largest) == ((2, 3, 4), 0.5)
        assert [small.jpeg for small in store.thumbnails("f00d")] == [b"first", b"second"]
        assert store.pixels(ID) is None
    alter(folder, "UPDATE maps SET largest = 1.0", "UPDATE thumbnails SET jpeg = x'00'")
    assert said(folder, lambda store: (store.maps(ID), store.thumbnails("f00d"))) == [
        f"LeftOutWarning: left out: the maps of trial {ID}: store 'S': trial {ID}: its maps are not what was stored: their "
        "digest is another",
        "LeftOutWarning: left out: store 'S': the pictures of the data f00d: its thumbnails are not what was stored: their "
        "digest is another",
    ]
    alter(folder, "UPDATE maps SET deflated = x'ffff'", "UPDATE thumbnails SET mask = x'00'", digests=True)
    maps_said, pictures_said = said(folder, lambda store: (store.maps(ID), store.thumbnails("f00d")))
    assert maps_said.startswith(
        f"LeftOutWarning: left out: store 'S': the maps of trial {ID}: Error -3 while decompressing"
    )
    assert pictures_said.startswith(
        "LeftOutWarning: left out: store 'S': the pictures of the data f00d: cannot identify"
    )
    monkeypatch.setattr(store_module, "_MOST_OF_MAPS", 1 << 20)
    for values in (zlib.compress(bytes(2 << 20)), zlib.compress(bytes(24))[:-1]):
        with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
            db.execute("UPDATE maps SET deflated = ?", (values,))
        assert said(folder, lambda store: store.maps(ID)) == [
            f"LeftOutWarning: left out: store 'S': the maps of trial {ID}: they are cut, or have more than 1 MiB"
        ]


def test_counts_of_pixels_that_are_damaged_are_an_error(folder: Path) -> None:
    alter(folder, f"INSERT INTO pixels VALUES ('{ID}', x'00')")
    with Store(folder) as store:
        assert refused(lambda: store.pixels(ID), folder).startswith(f"store 'S': trial {ID}: ")
    (left_out,) = said(folder, lambda store: list(store.outcomes(with_pixels=True)))
    assert left_out.startswith(LEFT)


def test_what_a_store_cannot_be_is_told_with_what_to_do(tmp_path: Path) -> None:
    def opened(folder: Path, *, write: bool = False) -> str:
        return refused(lambda: Store(folder, write=write), tmp_path)

    assert opened(tmp_path / "none") == "no store at 'S/none': `harness run --store S/none` makes one"
    (tmp_path / "file").write_text("")
    assert opened(tmp_path / "file") == (
        "'S/file' is a file: expected the folder of a store, or an export called *.jsonl"
    )
    assert opened(tmp_path / "file", write=True) == "store 'S/file' cannot be made: File exists"
    Store(tmp_path, write=True).close()
    alter(tmp_path, "PRAGMA user_version = 99")
    assert opened(tmp_path) == (
        f"store 'S' has version 99, this harness reads version {VERSION}: give another --store, or use the harness that "
        "wrote it"
    )
    alter(tmp_path, "PRAGMA user_version = 0")
    assert opened(tmp_path) == f"store 'S' has version 0, expected 1 to {VERSION}"
    alter(tmp_path, "PRAGMA application_id = 7")
    assert opened(tmp_path) == f"'S/{FILE_NAME}' is not a store of this harness: give another --store"


def test_tables_that_are_others_and_what_was_added_are_refused(folder: Path) -> None:
    alter(folder, "CREATE TRIGGER extra AFTER INSERT ON trials BEGIN DELETE FROM scores; END")
    assert refused(lambda: Store(folder, write=True), folder) == (
        "store 'S' has 'extra', which no harness has made and may change what is written: `harness merge` brings its "
        "trials into a store without it"
    )
    with Store(folder) as store:
        assert store.done() == {ID}, "to read does no harm"
    alter(folder, "DROP TRIGGER extra", "ALTER TABLE maps ADD COLUMN more")
    for write in (False, True):
        assert refused(lambda write=write: Store(folder, write=write), folder) == (
            "store 'S': its table 'maps' is not as a harness makes it"
        )


def test_trouble_is_told_in_words_also_of_odd_bytes_and_of_the_system(folder: Path) -> None:
    for error, words in (
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), "its file is damaged: 'utf-8' codec can't decode"),
    ):

        def fail(error: Exception = error) -> None:
            with Store(folder) as store, store._explained():
                raise error

        assert refused(fail, folder).startswith(f"store 'S': {words}")


MENDS = "a killed run left it in mid-write; it mends itself where it can be written"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            sqlite3.SQLITE_CORRUPT,
            "its file is damaged; `harness merge` brings what can still be read into another store",
        ),
        (sqlite3.SQLITE_TOOBIG, "it holds a value of more than 256 MiB, which no harness has written"),
        (sqlite3.SQLITE_BUSY, "another process has kept it to itself for 60 s: wait for that one's end"),
        (
            sqlite3.SQLITE_FULL,
            "the disk is full; what was stored before is whole, and the same command goes on from there",
        ),
        (sqlite3.SQLITE_READONLY, "it is readonly: expected a folder and a file in it that can be written"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "its file was moved or removed while it was open"),
        (sqlite3.SQLITE_READONLY_ROLLBACK, MENDS),
        (sqlite3.SQLITE_BUSY | 2 << 8, "another process has kept it to itself for 60 s: wait for that one's end"),
        (sqlite3.SQLITE_ERROR, "as SQLite says"),
    ],
)
def test_what_sqlite_says_too_briefly_is_told_in_words_that_say_what_to_do(folder: Path, code: int, words: str) -> None:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code

    def fail() -> None:
        with Store(folder) as store, store._explained():
            raise error

    assert refused(fail, folder) == f"store 'S': {words}"


def test_what_was_stored_is_complete_after_a_merge(folder: Path, tmp_path: Path) -> None:
    bare = outcome(maps=None, corrupted={})
    with Store(folder) as source, Store(tmp_path / "b", write=True) as target:
        target.put(bare)
        target.complete_from(source, ID)
        (found,) = target.outcomes()
        assert found.evidence is not None
        assert found.evidence.corrupted["blur"]["mean"].tolist() == np.arange(10.0).reshape(5, 2).tolist()
        maps = target.maps(ID)
        assert maps is not None
        assert np.array_equal(maps.values, outcome().evidence.maps.values)  # type: ignore[union-attr]
        assert target.damaged() == {}
        target.complete_from(source, ID)
        assert target.damaged() == {}
        target.complete_from(source, "0" * 16)


def test_evidence_that_is_added_leaves_what_there_is(folder: Path) -> None:
    more = outcome(
        corrupted={
            "blur": {"mean": np.zeros((5, 2))},
            "noise": {"mean": np.ones((5, 2)), "max": np.zeros((5, 2))},
        }
    )
    more = replace(more, record=Record(corruption_faults={"fog": "no fog here"}))
    with Store(folder, write=True) as store:
        assert store.lacking([], ["blur"]) == {}
        assert store.lacking([], ["noise"]) == {ID: "corruption noise"}
        assert store.add_evidence(more) == 0.0
        (found,) = store.outcomes()
        assert found.evidence is not None
        assert found.evidence.corrupted.keys() == {"blur", "noise"}
        assert found.evidence.corrupted["blur"]["mean"][4, 1] == 9.0
        assert found.record.corruption_faults == {"fog": "no fog here"}
        assert store.add_evidence(replace(more, record=Record())) == 0.0
        (found,) = store.outcomes()
        assert found.record.corruption_faults == {"fog": "no fog here"}
        assert not store.amend("0" * 16, lambda record: record)
        assert store.damaged() == {}
        store.put(Outcome(TRIAL._replace(seed=7), "error", "x", "f00d"))
        assert store.add_evidence(replace(outcome(7), trial=TRIAL._replace(seed=7))) == 0.0, "it has none to add to"


def test_a_floor_lacks_no_corruption(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome(0, corrupted={}))
        store.put(replace(outcome(1, corrupted={}), record=Record(floor=True)))
        assert store.lacking([], ["blur"]) == {ID: "corruption blur"}
        store.put(replace(outcome(2, corrupted={}), record=Record(pixels={"auroc": 0.5})))
        assert store.lacking([], pixels=True) == {outcome(2).id: "the counts of pixels"}
        assert store.lacking(["p"], ["blur"], pixels=True)[outcome(2).id] == (
            "pool p and corruption blur and the counts of pixels"
        )


# Rows, records and digests.


def test_a_digest_tells_texts_bytes_numbers_and_their_order_apart() -> None:
    told = [
        ("a", "b"), ("b", "a"), ("ab",), (b"ab",), ("ab", ""), (1, "b"), ("1", "b"), (1.0, "b"), (None, "b"),
        ("None", "b"), (True, "b"), (bytearray(b"ab"),), ("\ud800",),
    ]  # fmt: skip
    found = [digest_of(values) for values in told]
    assert len(set(found)) == len(told)
    assert {len(one) for one in found} == {32}
    assert found[0] == digest_of(iter(["a", "b"]))
    # Stores hold digests that were made so: others would call every stored trial altered.
    assert digest_of(("a", b"b", 1)) == hashlib.sha256(b"str 1 abytes 1 bint 1 1").hexdigest()[:32]


def test_a_row_says_first_that_it_could_not_be_read() -> None:
    assert Row("x", unread="it cannot be read: odd").fault() == "it cannot be read: odd"
    assert Row("x").fault() == "its key is None, expected a text"
    row = Row("x", "k", "f", "done", "", "{}", "now", ("p", "d"), (("mean", b"1", b"2"),), (("blur", "mean", b"3"),))
    assert row.digest() == digest_of(
        ["k", "f", "done", "", "{}", "now", "p", "d", "mean", b"1", b"2", "blur", "mean", b"3"]
    )
    assert Row("x", "k", "f", "error", "", "{}", "now").digest() == digest_of(["k", "f", "error", "", "{}", "now"])
    assert trial_of(TRIAL.key) == TRIAL


def test_scores_lie_in_a_store_as_doubles_the_least_byte_first() -> None:
    assert pack(np.array([1.0, -2.0], ">f4")) == bytes.fromhex("000000000000f03f00000000000000c0")


def test_a_record_is_written_without_its_end_and_with_null_for_what_is_no_number() -> None:
    record = Record(
        fit_seconds=float("nan"), n_train=3, loss_history=(1.0, float("inf")), pixels={"auroc": float("nan")},
        finished_at="now", machine={"cpu": "x", "load": [float("inf"), 2]},
    )  # fmt: skip
    assert record_text(record) == (
        '{"fit_seconds": null, "loss_history": [1.0, null], "machine": {"cpu": "x", "load": [null, 2]}, "n_train": 3, '
        '"pixels": {"auroc": null}}'
    )
    row = Row("x", record=record_text(record), finished_at="then")
    found = record_of(row)
    assert (found.fit_seconds, found.loss_history, found.finished_at, found.n_train) == (None, (1.0,), "then", 3)


@pytest.mark.parametrize("losses", [[None, 1.0], [1.0, None, 2.0, None]])
def test_losses_of_an_older_harness_end_where_one_was_no_number(losses: list[float | None]) -> None:
    found = record_of(Row("x", record=json.dumps({"loss_history": losses}), finished_at=""))
    assert found.loss_history == tuple(losses[: losses.index(None)])


def test_of_latencies_in_one_setting_the_newest_stays() -> None:
    def measured(engine: str, at: str, batch: int = 1) -> Latency:
        return Latency(engine, "1", batch, 1.0, 2.0, 3.0, 4.0, 5.0, 1, 9, 2, "CPU", "Linux", measured_at=at)

    old, new, other, many = measured("a", "1"), measured("a", "2"), measured("b", "0"), measured("a", "1", 8)
    record = Record(latency=(new,)).with_latencies([old, other, many])
    assert sorted(record.latency, key=str) == sorted([new, other, many], key=str)
    assert str(old.setting) == "a, 2 threads of CPU"
    assert str(replace(old, threads=1).setting) == "a, 1 thread of CPU"
