"""The store of finished trials, which is one SQLite file. When `put` returns, the record is on the disk."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from harness.errors import HarnessWarning, LeftOutWarning, StoreError
from harness.metrics.pixel import PixelEvidence
from harness.trials.database import Database
from harness.trials.pictures import Maps, Thumbnail, pack_mask, unpack_mask
from harness.trials.record import Record
from harness.trials.rows import (
    AT_A_TIME,
    MAPS,
    NO_CORRUPTED,
    NO_PIXELS,
    NO_POOL,
    PIXELS,
    THUMBNAILS,
    Row,
    forget,
    forget_other_ids,
    ids_in_order,
    keep_digest,
    lost_ids,
    pack,
    picture_fault,
    picture_row,
    put_corrupted,
    put_evidence,
    put_pixels,
    read_rows,
    thumbnail_rows,
)
from harness.trials.stored import Reader, record_of, record_text
from harness.trials.trial import Outcome

_MOST_OF_MAPS = 256 << 20
"""Bytes of all small maps of a trial, far above what the harness keeps: a few bytes may claim to be many."""


class Store(Database):
    """A folder with the trials of any number of runs. Raises StoreError when it cannot be opened or written."""

    def __len__(self) -> int:
        """How many trials it holds, whether they can be read or not."""
        with self._explained():
            return int(self._db.execute("SELECT count(*) FROM trials").fetchone()[0])

    def __bool__(self) -> bool:
        return True

    def ids(self) -> list[str]:
        """The ids of all trials, sorted."""
        with self._explained():
            return sorted(str(one) for one in ids_in_order(self._db)[0])

    def done(self) -> set[str]:
        """The ids of all trials that need no fit: they are done, and what lies here of them is what was stored."""
        return {row.id for row in self._rows() if row.status == "done" and not row.fault()}

    def damaged(self) -> dict[str, str]:
        """Why a trial is not what was stored, by its id."""
        lost = dict.fromkeys(self._lost(), "it is gone")
        return {**lost, **{str(row.id): fault for row in self._rows() if (fault := row.fault())}}

    def seconds(self) -> dict[str, float]:
        """The seconds that each finished trial took to fit and to score, by its key."""
        took = "json_extract(record, '$.fit_seconds') + json_extract(record, '$.score_seconds')"
        # An older harness may have written NaN, which is no JSON.
        known = f"CASE WHEN json_valid(record) THEN {took} END"
        with self._explained():
            found = self._db.execute(f"SELECT key, {known} FROM trials WHERE status = 'done' AND {known} > 0")  # noqa: S608
            return dict(found.fetchall())

    def has_done(self, trial_id: str) -> bool:
        """Whether another run may have finished this trial in the meantime."""
        with self._explained():
            return any(row.status == "done" and not row.fault() for row in read_rows(self._db, [trial_id]))

    def record(self, trial_id: str) -> Record | None:
        """How a stored trial came about; None where it is not there, or damaged. Raises StoreError."""
        with self._explained():
            found = next(iter(read_rows(self._db, [trial_id])), None)
        return None if found is None or found.fault() else self._record(found)

    def put(self, outcome: Outcome, *, anew: bool = False) -> None:
        """Keep an outcome. One that is not done, or is damaged, is replaced by a later try.

        One that is done is replaced only by one that is done, and where it was fitted `anew` on purpose.
        """
        row = (
            outcome.id,
            outcome.trial.key,
            outcome.fingerprint,
            outcome.status,
            outcome.reason,
            record_text(outcome.record),
            outcome.record.finished_at or datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._transaction() as db:
            for found in read_rows(db, [outcome.id]):
                if found.fault() or (anew and outcome.status == "done"):
                    forget(db, outcome.id)
            forget_other_ids(db, outcome.id, outcome.trial.key, outcome.fingerprint)
            kept = db.execute(
                "INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " status = excluded.status, reason = excluded.reason, record = excluded.record,"
                " finished_at = excluded.finished_at WHERE trials.status != 'done'",
                row,
            )
            if not kept.rowcount:
                return
            if outcome.evidence is not None:
                put_evidence(db, outcome.id, outcome.fingerprint, outcome.evidence)
            keep_digest(db, outcome.id)

    def lacking(self, pools: Iterable[str], corruptions: Iterable[str] = (), *, pixels: bool = False) -> dict[str, str]:
        """The ids of finished trials without some of this evidence, and what they lack, in words.

        Pools are those of models that take one; pixels are the counts behind pixel metrics that a trial has.
        """
        asked: list[tuple[str, str, tuple[str, ...]]] = [(f"pool {pool}", NO_POOL, (pool,)) for pool in pools]
        asked += [(f"corruption {one}", NO_CORRUPTED, (one,)) for one in corruptions]
        asked += [("the counts of pixels", NO_PIXELS, ())] * pixels
        found: dict[str, list[str]] = {}
        with self._explained():
            for said, without, values in asked:
                for (trial_id,) in self._db.execute(without, values):
                    found.setdefault(trial_id, []).append(said)
        return {trial_id: " and ".join(said) for trial_id, said in found.items()}

    def add_evidence(self, outcome: Outcome) -> float:
        """Keep scores of pools and of corrupted images, and counts of pixels, that a finished trial has none of.

        They are from another fit of it. Gives how far any other score is from the stored one, as a share of the largest
        stored one: 0 where all are equal.
        """
        (stored,) = self.outcomes([outcome.id])
        before, now = stored.evidence, outcome.evidence
        if before is None or now is None:
            return 0.0
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)",
                [(outcome.id, pool, pack(now.normal[pool]), pack(now.test[pool])) for pool in now.test],
            )
            put_corrupted(db, outcome.id, now)
            keep_digest(db, outcome.id)
            if not self._has(PIXELS, outcome.id):
                put_pixels(db, outcome.id, now)
        self.amend(outcome.id, partial(_with_what_was_tried, tried=outcome.record))
        both = before.test.keys() & now.test.keys()
        pairs = [(old[p], new[p]) for p in both for old, new in ((before.normal, now.normal), (before.test, now.test))]
        return max((float(np.abs(a - b).max() / (np.abs(a).max() or 1.0)) for a, b in pairs if a.size), default=0.0)

    def amend(self, trial_id: str, change: Callable[[Record], Record]) -> bool:
        """Change the record of a trial. Returns False if the store has no such trial."""
        with self._transaction() as db:
            found = next(iter(read_rows(db, [trial_id])), None)
            if found is not None:
                if fault := found.fault():
                    raise StoreError(f"store {str(self.folder)!r}: trial {trial_id}: {fault}")
                record = change(self._record(found))
                db.execute("UPDATE trials SET record = ? WHERE id = ?", (record_text(record), trial_id))
                keep_digest(db, trial_id)
        return found is not None

    def maps(self, trial_id: str) -> Maps | None:
        """The small error maps of a trial's test images; None where there are none, or they are damaged."""
        try:
            found = self._picture(MAPS, trial_id)
            if found is None:
                return None
            _, height, width, largest, deflated = found
            inflate = zlib.decompressobj()
            values = inflate.decompress(deflated, _MOST_OF_MAPS)
            if not inflate.eof:
                raise ValueError(f"they are cut, or have more than {_MOST_OF_MAPS >> 20} MiB")
            return Maps(np.frombuffer(values, np.uint8).reshape(-1, height, width), largest)
        except (StoreError, TypeError, ValueError, zlib.error) as error:
            self._left_out(f"the maps of trial {trial_id}: {error}")
            return None

    def pixels(self, trial_id: str) -> PixelEvidence | None:
        """The counts behind the pixel metrics of a trial; None if they were not kept."""
        found = self._picture(PIXELS, trial_id)
        try:
            return None if found is None else PixelEvidence.from_bytes(found[1])
        except (TypeError, ValueError) as error:
            raise StoreError(f"store {str(self.folder)!r}: trial {trial_id}: {error}") from error

    def _picture(self, what: str, trial_id: str) -> tuple[Any, ...] | None:
        with self._explained():
            row = picture_row(self._db, what, trial_id)
            if row is not None and (fault := picture_fault(self._db, what, trial_id, row)):
                raise StoreError(f"store {str(self.folder)!r}: trial {trial_id}: {fault}")
        return row

    def pictured(self) -> set[str]:
        """The fingerprints of the data whose test images have thumbnails."""
        with self._explained():
            return {row[0] for row in self._db.execute("SELECT DISTINCT fingerprint FROM thumbnails")}

    def put_thumbnails(self, fingerprint: str, thumbnails: Iterable[Thumbnail]) -> None:
        """Keep thumbnails of the test images of some data, in their order. Existing ones are not replaced."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO thumbnails VALUES (?, ?, ?, ?)",
                ((fingerprint, at, small.jpeg, pack_mask(small.mask)) for at, small in enumerate(thumbnails)),
            )
            keep_digest(db, fingerprint, THUMBNAILS)

    def thumbnails(self, fingerprint: str) -> list[Thumbnail]:
        """Thumbnails of the test images of some data, in their order; none where they are damaged."""
        try:
            with self._explained():
                found = thumbnail_rows(self._db, fingerprint)
                fault = picture_fault(self._db, THUMBNAILS, fingerprint, [value for pair in found for value in pair])
            if fault:
                raise ValueError(fault)
            return [Thumbnail(jpeg, unpack_mask(mask)) for jpeg, mask in found]
        except (StoreError, OSError, SyntaxError, TypeError, ValueError) as error:
            self._left_out(f"the pictures of the data {fingerprint}: {error}")
            return []

    def put_from(self, other: Store, outcome: Outcome) -> None:
        """Copy an outcome from another store, with its pictures."""
        evidence = outcome.evidence
        if evidence is not None:
            try:
                pixels = other.pixels(outcome.id)
            except StoreError as error:
                other._left_out(str(error))
                pixels = None
            outcome = replace(outcome, evidence=replace(evidence, maps=other.maps(outcome.id), pixels=pixels))
            self.put_thumbnails(outcome.fingerprint, other.thumbnails(outcome.fingerprint))
        self.put(outcome)

    def complete_from(self, other: Store, trial_id: str) -> None:
        """Copy evidence beside its scores of a trial, if missing here, from another store that has the same scores."""
        with self._explained():
            lacking = [table for table in ("maps", "pixels") if not self._has(table, trial_id)]
        with other._explained():
            rows = {
                table: other._db.execute(f"SELECT * FROM {table} WHERE trial = ?", (trial_id,)).fetchall()  # noqa: S608
                for table in lacking
                if other._picture(table, trial_id) is not None
            }
        for table, found in rows.items():
            with self._transaction() as db:
                places = ", ".join("?" * len(found[0]))
                db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", found)  # noqa: S608
                keep_digest(db, trial_id, table)
        for outcome in other.outcomes([trial_id]):
            if outcome.evidence is not None and outcome.evidence.corrupted:
                with self._transaction() as db:
                    put_corrupted(db, trial_id, outcome.evidence)
                    keep_digest(db, trial_id)

    def _has(self, table: str, trial_id: str) -> bool:
        return self._db.execute(f"SELECT 1 FROM {table} WHERE trial = ?", (trial_id,)).fetchone() is not None  # noqa: S608

    def outcomes(self, ids: Iterable[str] | None = None, *, with_pixels: bool = False) -> Iterator[Outcome]:
        """All outcomes, or those of these ids, in an order that does not depend on when they were made.

        Pixel evidence takes longer to read than all else, and comes where it is asked for.
        """
        unsealed, reader = 0, Reader()
        for row in self._rows(ids):
            unsealed += row.kept is None
            try:
                if fault := row.fault():
                    raise StoreError(f"store {str(self.folder)!r}: trial {row.id}: {fault}")
                outcome = self._outcome(row, reader, with_pixels=with_pixels)
            except StoreError as error:
                self._left_out(str(error))
                continue
            yield outcome
        for lost in self._lost() if ids is None else ():
            self._left_out(f"trial {lost}: it was stored and is gone")
        if unsealed:
            where = f"store {str(self.folder)!r} was written before trials had digests"
            warnings.warn(f"{where}: whether it was altered cannot be told", HarnessWarning, stacklevel=2)

    def _rows(self, ids: Iterable[str] | None = None) -> Iterator[Row]:
        """Trials as they lie here, some at a time, each lot as it was at one moment whatever others write."""
        with self._explained():
            every, faults = ids_in_order(self._db)
        for fault in faults:
            self._left_out(fault)
        wanted = None if ids is None else set(ids)
        chosen = [one for one in every if wanted is None or one in wanted]
        for start in range(0, len(chosen), AT_A_TIME):
            with self._one_moment() as db:
                lot = list(read_rows(db, chosen[start : start + AT_A_TIME]))
            yield from lot

    def _left_out(self, what: str) -> None:
        where = f"store {str(self.folder)!r}: "
        warnings.warn(f"left out: {where * (where not in what)}{what}", LeftOutWarning, stacklevel=3)

    def _lost(self) -> list[str]:
        with self._explained():
            return lost_ids(self._db)

    def _record(self, row: Row) -> Record:
        try:
            return record_of(row)
        except ValueError as error:
            raise StoreError(f"store {str(self.folder)!r}: {error}") from error

    def _outcome(self, row: Row, reader: Reader, *, with_pixels: bool) -> Outcome:
        """What a sound row says. Raises StoreError."""
        try:
            outcome = reader.outcome(row)
        except ValueError as error:
            raise StoreError(f"store {str(self.folder)!r}: {error}") from error
        if with_pixels and outcome.evidence is not None:
            return replace(outcome, evidence=replace(outcome.evidence, pixels=self.pixels(row.id)))
        return outcome


def _with_what_was_tried(record: Record, tried: Record) -> Record:
    """A record with what a later fit, for more evidence, found out about it; what it did not try stays."""
    return replace(
        record,
        pools={**record.pools, **tried.pools},
        pool_faults={**record.pool_faults, **tried.pool_faults},
        corruption_faults=tried.corruption_faults or record.corruption_faults,
    )
