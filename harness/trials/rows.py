"""What a store holds of a trial as it lies there, and whether it is still what was put in."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from harness.api import FloatArray
from harness.trials.trial import Evidence, Trial

TRIAL, MAPS, PIXELS, THUMBNAILS = "trial", "maps", "pixels", "thumbnails"
"""What there are digests of."""
DAMAGE = (sqlite3.DatabaseError, UnicodeError)
"""What reading from a damaged file raises; SQLite's own messages may quote bytes that are no text."""
AT_A_TIME = 256
"""Trials that are read together."""

NO_POOL = "SELECT trial FROM scores GROUP BY trial HAVING sum(pool = '-') = 0 AND sum(pool = ?) = 0"
NO_CORRUPTED = (
    "SELECT id FROM trials WHERE status = 'done' AND id NOT IN (SELECT trial FROM corrupted WHERE corruption = ?) "
    "AND NOT coalesce(CASE WHEN json_valid(record) THEN json_extract(record, '$.floor') END, 0)"
)
NO_PIXELS = (
    "SELECT id FROM trials WHERE status = 'done' AND id NOT IN (SELECT trial FROM pixels) "
    "AND CASE WHEN json_valid(record) THEN json_extract(record, '$.pixels') END IS NOT NULL"
)
"""What finds the trials that lack a kind of evidence."""


_TEXTS = ("key", "fingerprint", "status", "reason", "record", "finished_at")


class Row(NamedTuple):
    """One trial; values are of any type, for the file may have been damaged."""

    id: Any
    key: Any = None
    fingerprint: Any = None
    status: Any = None
    reason: Any = None
    record: Any = None
    finished_at: Any = None
    test_set: tuple[Any, Any] | None = None
    """Names and defect kinds, as JSON; None where the trial has no scores."""
    scores: tuple[tuple[Any, Any, Any], ...] = ()
    """Pool, scores of normal images and of test images."""
    corrupted: tuple[tuple[Any, Any, Any], ...] = ()
    """Corruption, pool, and the scores of test images at each severity."""
    kept: str | None = None
    """The digest that was made when it was stored; None in a store of before."""
    unread: str = ""
    """Why nothing else of it could be read."""

    def digest(self) -> str:
        """32 hexadecimal digits of all that is known of it."""
        scores = [value for found in (*self.scores, *self.corrupted) for value in found]
        return digest_of((*self[1:7], *(self.test_set or ()), *scores))

    def fault(self) -> str:
        """Why it is not what was stored; empty where it is, or where nobody can tell."""
        if self.unread:
            return self.unread
        if self.kept is not None and self.digest() != self.kept:
            return "it is not what was stored: its digest is another"
        for name, value in zip(_TEXTS, self[1:7], strict=True):
            if type(value) is not str:
                return f"its {name} is {value!r:.60}, expected a text"
        try:
            expected = trial_of(self.key).identity(self.fingerprint)
        except (TypeError, ValueError, RecursionError) as error:
            return f"its settings cannot be read: {error}"
        return "" if expected == self.id else f"its settings and data give the id {expected}"


@lru_cache(maxsize=AT_A_TIME)  # a row is looked at for faults, and then read
def trial_of(key: str) -> Trial:
    """The trial of this key. Raises ValueError, TypeError, RecursionError for what is none."""
    return Trial.read(json.loads(key))


def digest_of(values: Iterable[Any]) -> str:
    """32 hexadecimal digits of texts, bytes and numbers in their order."""
    told: list[bytes] = []
    for value in values:
        kind = type(value)
        if kind is bytes:  # as nearly all are, or texts
            told += b"bytes %d " % len(value), value
        elif kind is str:
            said = value.encode("utf-8", "surrogatepass")
            told += b"str %d " % len(said), said
        else:
            said = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
            told += b"%s %d " % (kind.__name__.encode(), len(said)), said
    return hashlib.sha256(b"".join(told)).hexdigest()[:32]


def keep_digest(db: sqlite3.Connection, trial_id: str, what: str = TRIAL) -> None:
    """Remember the digest of what now lies in the tables; within the transaction that is open."""
    if what == TRIAL:
        digest = next(iter(read_rows(db, [trial_id]))).digest()
    elif what == THUMBNAILS:
        digest = digest_of(value for pair in thumbnail_rows(db, trial_id) for value in pair)
    else:
        row = picture_row(db, what, trial_id)
        if row is None:
            return
        digest = digest_of(row)
    db.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (trial_id, what, digest))


def seal(db: sqlite3.Connection) -> None:
    """Give digests to all that a store of before holds, as it now is."""
    for trial_id in [row[0] for row in db.execute("SELECT id FROM trials").fetchall()]:
        for what in (TRIAL, MAPS, PIXELS):
            keep_digest(db, trial_id, what)
    for (fingerprint,) in db.execute("SELECT DISTINCT fingerprint FROM thumbnails").fetchall():
        keep_digest(db, fingerprint, THUMBNAILS)


def thumbnail_rows(db: sqlite3.Connection, fingerprint: str) -> list[tuple[bytes, bytes]]:
    """Pictures and packed masks of the test images of some data, in their order."""
    asked = "SELECT jpeg, mask FROM thumbnails WHERE fingerprint = ? ORDER BY position"
    return db.execute(asked, (fingerprint,)).fetchall()


def picture_row(db: sqlite3.Connection, what: str, trial_id: str) -> tuple[Any, ...] | None:
    """The row of maps or of pixel counts that belongs to a trial."""
    found: tuple[Any, ...] | None = db.execute(f"SELECT * FROM {what} WHERE trial = ?", (trial_id,)).fetchone()  # noqa: S608
    return found


def picture_fault(db: sqlite3.Connection, what: str, trial_id: str, row: Sequence[Any]) -> str:
    """Why maps, pixel counts, or the thumbnails of some data are not what was stored; else, or if unknown, empty."""
    kept = db.execute("SELECT digest FROM digests WHERE trial = ? AND what = ?", (trial_id, what)).fetchone()
    same = kept is None or kept[0] == digest_of(row)
    return "" if same else f"its {what} are not what was stored: their digest is another"


def ids_in_order(db: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """The ids of all trials in the order of their keys, and why some cannot be found in a damaged file."""
    try:
        return [row[0] for row in db.execute("SELECT id FROM trials ORDER BY key, fingerprint")], []
    except DAMAGE as error:
        found, faults = [], []
        whole = str(error)
    for first in range(256):  # what lies on a page that is damaged is lost, and the others are not
        low = f"{first:02x}"
        high = f"{first + 1:02x}" if first < 255 else "g"
        try:
            found += db.execute("SELECT id, key FROM trials WHERE id >= ? AND id < ?", (low, high)).fetchall()
        except DAMAGE:
            faults.append(f"trials whose id begins with {low} cannot be read: {whole}")
    return [row[0] for row in sorted(found, key=lambda row: (str(row[1]), str(row[0])))], faults


def lost_ids(db: sqlite3.Connection) -> list[str]:
    """The ids of trials that were stored and are not there."""
    try:
        asked = "SELECT trial FROM digests WHERE what = ? EXCEPT SELECT id FROM trials"
        return [row[0] for row in db.execute(asked, (TRIAL,))]
    except DAMAGE:
        return []


def read_rows(db: sqlite3.Connection, ids: Sequence[str]) -> Iterator[Row]:
    """These trials in this order. One that lies on a damaged page says so; ids that are not there are left out."""
    try:
        yield from _read(db, ids)
    except DAMAGE:
        for one in ids:
            try:
                yield from _read(db, [one])
            except DAMAGE as error:
                yield Row(one, unread=f"it cannot be read: {error}")


def _read(db: sqlite3.Connection, ids: Sequence[str]) -> list[Row]:
    places = ", ".join("?" * len(ids))
    found = {
        row[0]: row
        for row in db.execute(
            "SELECT id, key, fingerprint, status, reason, record, finished_at FROM trials "  # noqa: S608
            f"WHERE id IN ({places})",
            ids,
        )
    }
    scores: dict[str, list[tuple[Any, Any, Any]]] = {}
    for trial, *rest in db.execute(
        f"SELECT trial, pool, normal, test FROM scores WHERE trial IN ({places}) ORDER BY trial, pool",  # noqa: S608
        ids,
    ):
        scores.setdefault(trial, []).append((rest[0], rest[1], rest[2]))
    corrupted: dict[str, list[tuple[Any, Any, Any]]] = {}
    for trial, *rest in db.execute(
        f"SELECT trial, corruption, pool, test FROM corrupted WHERE trial IN ({places}) "  # noqa: S608
        "ORDER BY trial, corruption, pool",
        ids,
    ):
        corrupted.setdefault(trial, []).append((rest[0], rest[1], rest[2]))
    prints = list({row[2] for row in found.values()})
    places_of_prints = ", ".join("?" * len(prints))
    test_sets = {
        row[0]: (row[1], row[2])
        for row in db.execute(f"SELECT * FROM test_sets WHERE fingerprint IN ({places_of_prints})", prints)  # noqa: S608
    }
    digests = dict(
        db.execute(f"SELECT trial, digest FROM digests WHERE what = ? AND trial IN ({places})", [TRIAL, *ids])  # noqa: S608
    )
    return [
        Row(*row)._replace(
            test_set=test_sets.get(row[2]) if one in scores else None,
            scores=tuple(scores.get(one, ())),
            corrupted=tuple(corrupted.get(one, ())),
            kept=digests.get(one),
        )
        for one in ids
        if (row := found.get(one)) is not None
    ]


def put_evidence(db: sqlite3.Connection, trial_id: str, fingerprint: str, evidence: Evidence) -> None:
    """Keep the scores of a trial with what lies beside them."""
    db.execute(  # the same data has the same names, so that another text is a damaged one
        "INSERT OR REPLACE INTO test_sets VALUES (?, ?, ?)",
        (fingerprint, json.dumps(evidence.paths), json.dumps(evidence.defects)),
    )
    db.executemany(
        "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)",
        [(trial_id, pool, pack(evidence.normal[pool]), pack(evidence.test[pool])) for pool in evidence.test],
    )
    put_corrupted(db, trial_id, evidence)
    if evidence.maps is not None:
        values, largest = evidence.maps
        db.execute(
            "INSERT OR REPLACE INTO maps VALUES (?, ?, ?, ?, ?)",
            (trial_id, *values.shape[1:], largest, zlib.compress(np.ascontiguousarray(values).data, 1)),
        )
        keep_digest(db, trial_id, MAPS)
    put_pixels(db, trial_id, evidence)


def put_corrupted(db: sqlite3.Connection, trial_id: str, evidence: Evidence) -> None:
    """Keep the scores of changed test images, of corruptions that the trial has none of."""
    db.executemany(
        "INSERT OR IGNORE INTO corrupted VALUES (?, ?, ?, ?)",
        [
            (trial_id, corruption, pool, pack(scores))
            for corruption, by_pool in evidence.corrupted.items()
            for pool, scores in by_pool.items()
        ],
    )


def put_pixels(db: sqlite3.Connection, trial_id: str, evidence: Evidence) -> None:
    """Keep the counts behind pixel metrics, where there are any."""
    if evidence.pixels is not None:
        db.execute("INSERT OR REPLACE INTO pixels VALUES (?, ?)", (trial_id, evidence.pixels.to_bytes()))
        keep_digest(db, trial_id, PIXELS)


def forget(db: sqlite3.Connection, trial_id: str) -> None:
    """Remove a damaged trial, which is about to be stored anew."""
    for table, column in (
        ("scores", "trial"),
        ("corrupted", "trial"),
        ("maps", "trial"),
        ("pixels", "trial"),
        ("digests", "trial"),
        ("trials", "id"),
    ):
        db.execute(f"DELETE FROM {table} WHERE {column} = ?", (trial_id,))  # noqa: S608


def pack(scores: FloatArray) -> bytes:
    """Scores as they lie in a store."""
    return np.ascontiguousarray(scores, dtype="<f8").tobytes()


def forget_other_ids(db: sqlite3.Connection, trial_id: str, key: str, fingerprint: str) -> None:
    """Remove what a trial has become whose id was altered: it was stored, and lies under no id or another one."""
    stored = db.execute("SELECT 1 FROM digests WHERE trial = ? AND what = ?", (trial_id, TRIAL)).fetchone()
    if stored and not db.execute("SELECT 1 FROM trials WHERE id = ?", (trial_id,)).fetchone():
        asked = "SELECT id FROM trials WHERE key = ? AND fingerprint = ?"
        for (other,) in db.execute(asked, (key, fingerprint)).fetchall():
            forget(db, other)
