"""The file behind a store: opening it, bringing it to this version, and explaining its errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from harness.errors import StoreError
from harness.printable import command
from harness.trials.migrations import VERSION, migrate, tables
from harness.trials.rows import seal

FILE_NAME = "store.sqlite"
_APPLICATION = 0x616E6F6D
_LARGEST = 256 << 20
"""Bytes of one value or row; the pixel counts and maps of a million images have less."""
_FIRST_WITH_DIGESTS = 3
"""The version of the tables before which a store has no digests."""
_WAIT_SECONDS = 60.0
"""How long a writer waits for another run on the same store."""

_TROUBLES = {
    sqlite3.SQLITE_CORRUPT: "its file is damaged; `harness merge` brings what can still be read into another store",
    sqlite3.SQLITE_TOOBIG: f"it holds a value of more than {_LARGEST >> 20} MiB, which no harness has written",
    sqlite3.SQLITE_BUSY: f"another process has kept it to itself for {_WAIT_SECONDS:.0f} s: wait for that one's end",
    sqlite3.SQLITE_FULL: "the disk is full; what was stored before is whole, and the same command goes on from there",
    sqlite3.SQLITE_READONLY: "it is readonly: expected a folder and a file in it that can be written",
    sqlite3.SQLITE_READONLY_DBMOVED: "its file was moved or removed while it was open",
    sqlite3.SQLITE_READONLY_ROLLBACK: "a killed run left it in mid-write; it mends itself where it can be written",
}
"""Explanations of errors that SQLite describes too briefly, by its code."""


class Database:
    """One SQLite file in a folder. Raises StoreError when it cannot be opened or written."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        if write:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"store {str(folder)!r} cannot be made: {error.strerror}") from error
        elif folder.is_file():
            raise StoreError(f"{str(folder)!r} is a file: expected the folder of a store, or an export called *.jsonl")
        elif not self.path.is_file():
            raise StoreError(f"no store at {str(folder)!r}: `{command('harness', 'run', '--store', folder)}` makes one")
        with self._explained():
            # Open for writing where possible, even to read: SQLite then repairs what a killed run left half written.
            self._db = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={'rwc' if write else 'rw'}",
                uri=True,
                timeout=_WAIT_SECONDS,
                isolation_level=None,
            )
            try:
                self._distrust()
                self._db.execute("PRAGMA synchronous = EXTRA" if write else "PRAGMA query_only = ON")
                self._prepare(write)
            except BaseException:
                self.close()  # nobody else can, and an open file cannot be removed on every system
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _distrust(self) -> None:
        """Let a file that came from elsewhere run nothing and fill no memory."""
        self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
        self._db.execute("PRAGMA trusted_schema = OFF")
        self._db.execute("PRAGMA cell_size_check = ON")
        if hasattr(self._db, "setconfig"):  # from Python 3.12 on
            for setting, on in (("DEFENSIVE", True), ("ENABLE_TRIGGER", False), ("ENABLE_VIEW", False)):
                self._db.setconfig(getattr(sqlite3, f"SQLITE_DBCONFIG_{setting}"), on)

    def _refuse_other_tables(self, version: int, *, write: bool) -> None:
        """See that tables are what the harness makes them. Raises StoreError.

        Others, triggers and views stay unread. Where something is to be written they are refused.
        """
        of_sqlite = "name LIKE 'sqlite!_%' ESCAPE '!'"
        found = dict(self._db.execute(f"SELECT name, sql FROM sqlite_master WHERE NOT ({of_sqlite})").fetchall())  # noqa: S608
        wanted = tables(version)
        for name, sql in wanted.items():
            if found.pop(name, None) != sql:
                raise StoreError(f"store {str(self.folder)!r}: its table {name!r} is not as a harness makes it")
        if write and found:
            raise StoreError(
                f"store {str(self.folder)!r} has {min(found)!r:.60}, which no harness has made and may change what is "
                "written: `harness merge` brings its trials into a store without it"
            )

    def _prepare(self, write: bool) -> None:
        version, application = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
        )
        if write and not version and not application and not self._has_tables():
            with self._transaction() as db:
                if not self._has_tables():  # another run may have created them meanwhile
                    migrate(db)
                    db.execute(f"PRAGMA application_id = {_APPLICATION}")
            return
        if application != _APPLICATION:
            raise StoreError(f"{str(self.path)!r} is not a store of this harness: give another --store")
        if version > VERSION:
            raise StoreError(
                f"store {str(self.folder)!r} has version {version}, this harness reads version {VERSION}: "
                "give another --store, or use the harness that wrote it"
            )
        if version < 1:
            raise StoreError(f"store {str(self.folder)!r} has version {version}, expected 1 to {VERSION}")
        self._refuse_other_tables(version, write=write)
        if version < VERSION and not write:
            self._work_on_a_copy()
        if version < VERSION or write:
            with self._transaction() as db:  # so that a store that cannot be written is noticed before the first fit
                migrate(db)
                if version < _FIRST_WITH_DIGESTS and write:
                    seal(db)

    def _work_on_a_copy(self) -> None:
        """Leave the file as it is and go on with a temporary one, which SQLite removes when it is closed."""
        file, self._db = self._db, sqlite3.connect("", isolation_level=None)
        with closing(file):
            file.backup(self._db)
        self._distrust()

    def _has_tables(self) -> bool:
        return bool(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # on a full disk, SQLite has rolled back already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _one_moment(self) -> Iterator[sqlite3.Connection]:
        """While this is active, everything is read as it was at one moment, whatever others write."""
        with self._explained():
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)  # the low byte is the kind of error; the rest says more
            trouble = _TROUBLES.get(code) or _TROUBLES.get(code & 0xFF) or str(error)
            raise StoreError(f"store {str(self.folder)!r}: {trouble}") from error
        except UnicodeError as error:  # of a message of SQLite that quotes a damaged file
            raise StoreError(f"store {str(self.folder)!r}: its file is damaged: {error}") from error
        except OSError as error:
            raise StoreError(f"store {str(self.folder)!r}: {error.strerror or error}") from error
