"""The tables of a store, as the steps that make them. A new file takes all steps, an old one those that it lacks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

Step = Callable[[sqlite3.Connection], None]


def _trials_with_scores_and_pictures(db: sqlite3.Connection) -> None:
    for statement in _VERSION_1.split(";"):
        db.execute(statement)


def _pixel_evidence(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE pixels (trial TEXT PRIMARY KEY REFERENCES trials (id), packed BLOB NOT NULL) WITHOUT ROWID"
    )


def _digests(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE digests (trial TEXT NOT NULL, what TEXT NOT NULL, digest TEXT NOT NULL, "
        "PRIMARY KEY (trial, what)) WITHOUT ROWID"
    )


def _scores_of_corrupted_images(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE corrupted (trial TEXT NOT NULL REFERENCES trials (id), corruption TEXT NOT NULL, "
        "pool TEXT NOT NULL, test BLOB NOT NULL, PRIMARY KEY (trial, corruption, pool)) WITHOUT ROWID"
    )


_VERSION_1 = """
CREATE TABLE test_sets (
    fingerprint TEXT PRIMARY KEY,
    paths TEXT NOT NULL,
    defects TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE trials (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('done', 'skipped', 'error')),
    reason TEXT NOT NULL,
    record TEXT NOT NULL,
    finished_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE scores (
    trial TEXT NOT NULL REFERENCES trials (id),
    pool TEXT NOT NULL,
    normal BLOB NOT NULL,
    test BLOB NOT NULL,
    PRIMARY KEY (trial, pool)
) WITHOUT ROWID;
CREATE TABLE maps (
    trial TEXT PRIMARY KEY REFERENCES trials (id),
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    largest REAL NOT NULL,
    deflated BLOB NOT NULL
);
CREATE TABLE thumbnails (
    fingerprint TEXT NOT NULL,
    position INTEGER NOT NULL,
    jpeg BLOB NOT NULL,
    mask BLOB NOT NULL,
    PRIMARY KEY (fingerprint, position)
);
"""

STEPS: tuple[Step, ...] = (_trials_with_scores_and_pictures, _pixel_evidence, _digests, _scores_of_corrupted_images)
"""The step at n leads from version n to n + 1. None is ever changed, and tests/golden has a store of each version."""
VERSION = len(STEPS)
"""The version of the tables that this harness reads and writes."""


def tables(version: int) -> dict[str, str]:
    """The tables of a version, with the statement that makes each."""
    db = sqlite3.connect(":memory:")
    try:
        for step in STEPS[:version]:
            step(db)
        return dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    finally:
        db.close()


def migrate(db: sqlite3.Connection) -> None:
    """Bring the tables to VERSION, within the transaction that is open."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for step in STEPS[version:]:
        step(db)
    db.execute(f"PRAGMA user_version = {VERSION}")
