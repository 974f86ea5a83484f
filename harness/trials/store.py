"""Where finished trials are kept: one SQLite file. A record is on the disk when `put` returns."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from harness.api import FloatArray
from harness.errors import StoreError
from harness.metrics.pixel import PixelEvidence
from harness.trials.database import Database
from harness.trials.pictures import Maps, Thumbnail, pack_mask, unpack_mask
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.trials.typed import read, written


class Store(Database):
    """A folder with the trials of any number of runs. Raises StoreError when it cannot be opened or written."""

    def ids(self) -> list[str]:
        """The ids of all trials, sorted."""
        with self._explained():
            return [row[0] for row in self._db.execute("SELECT id FROM trials ORDER BY id")]

    def done(self) -> set[str]:
        """The ids of all trials that need no fit."""
        with self._explained():
            return {row[0] for row in self._db.execute("SELECT id FROM trials WHERE status = 'done'")}

    def seconds(self) -> dict[str, float]:
        """What each finished trial took to fit and to score, by its key."""
        took = "json_extract(record, '$.fit_seconds') + json_extract(record, '$.score_seconds')"
        # An older harness may have written NaN, which is no JSON.
        known = f"CASE WHEN json_valid(record) THEN {took} END"
        with self._explained():
            found = self._db.execute(f"SELECT key, {known} FROM trials WHERE status = 'done' AND {known} > 0")  # noqa: S608
            return dict(found.fetchall())

    def has_done(self, trial_id: str) -> bool:
        """Whether another run may have finished this trial in the meantime."""
        with self._explained():
            found = self._db.execute("SELECT 1 FROM trials WHERE id = ? AND status = 'done'", (trial_id,))
            return found.fetchone() is not None

    def put(self, outcome: Outcome) -> None:
        """Keep an outcome. One that is done is never replaced; one that is not is replaced by a later try."""
        row = (
            outcome.id,
            outcome.trial.key,
            outcome.fingerprint,
            outcome.status,
            outcome.reason,
            _text(outcome.record),
            outcome.record.finished_at or datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._transaction() as db:
            kept = db.execute(
                "INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " status = excluded.status, reason = excluded.reason, record = excluded.record,"
                " finished_at = excluded.finished_at WHERE trials.status != 'done'",
                row,
            )
            if outcome.evidence is None or not kept.rowcount:
                return
            evidence = outcome.evidence
            db.execute(
                "INSERT OR IGNORE INTO test_sets VALUES (?, ?, ?)",
                (outcome.fingerprint, json.dumps(evidence.paths), json.dumps(evidence.defects)),
            )
            db.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)",
                [
                    (outcome.id, pool, _pack(evidence.normal[pool]), _pack(evidence.test[pool]))
                    for pool in evidence.test
                ],
            )
            if evidence.maps is not None:
                values, largest = evidence.maps
                db.execute(
                    "INSERT OR REPLACE INTO maps VALUES (?, ?, ?, ?, ?)",
                    (outcome.id, *values.shape[1:], largest, zlib.compress(np.ascontiguousarray(values).data, 1)),
                )

            if evidence.pixels is not None:
                db.execute("INSERT OR REPLACE INTO pixels VALUES (?, ?)", (outcome.id, evidence.pixels.to_bytes()))

    def lacking(self, pools: Iterable[str]) -> set[str]:
        """The ids of finished trials of models that take a pool, without the scores of one of these."""
        without = "SELECT trial FROM scores GROUP BY trial HAVING sum(pool = '-') = 0 AND sum(pool = ?) = 0"
        with self._explained():
            return {row[0] for pool in pools for row in self._db.execute(without, (pool,))}

    def add_pools(self, outcome: Outcome) -> float:
        """Keep the scores of pools that a finished trial has none of, from another fit of it.

        How far any other score is from the stored one, as a share of the largest stored one: 0 where all are equal.
        """
        (stored,) = self.outcomes([outcome.id])
        before, now = stored.evidence, outcome.evidence
        if before is None or now is None:
            return 0.0
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)",
                [(outcome.id, pool, _pack(now.normal[pool]), _pack(now.test[pool])) for pool in now.test],
            )
        said = outcome.record
        self.amend(outcome.id, lambda record: replace(record, pools=said.pools, pool_faults=said.pool_faults))
        both = before.test.keys() & now.test.keys()
        pairs = [(old[p], new[p]) for p in both for old, new in ((before.normal, now.normal), (before.test, now.test))]
        return max((float(np.abs(a - b).max() / (np.abs(a).max() or 1.0)) for a, b in pairs if a.size), default=0.0)

    def amend(self, trial_id: str, change: Callable[[Record], Record]) -> bool:
        """Make something else of what is remembered of a trial; False where the store has no such trial."""
        with self._transaction() as db:
            found = db.execute("SELECT record FROM trials WHERE id = ?", (trial_id,)).fetchone()
            if found is not None:
                record = change(self._record(trial_id, found[0]))
                db.execute("UPDATE trials SET record = ? WHERE id = ?", (_text(record), trial_id))
        return found is not None

    def maps(self, trial_id: str) -> Maps | None:
        """The small error maps of a trial's test images; None where there are none."""
        with self._explained():
            asked = "SELECT height, width, largest, deflated FROM maps WHERE trial = ?"
            found = self._db.execute(asked, (trial_id,)).fetchone()
        if found is None:
            return None
        height, width, largest, deflated = found
        try:
            return Maps(np.frombuffer(zlib.decompress(deflated), np.uint8).reshape(-1, height, width), largest)
        except (TypeError, ValueError, zlib.error) as error:
            raise StoreError(f"store {str(self.folder)!r}: maps of trial {trial_id} are damaged: {error}") from error

    def pixels(self, trial_id: str) -> PixelEvidence | None:
        """What pixel metrics of a trial follow from; None where none was kept."""
        with self._explained():
            found = self._db.execute("SELECT packed FROM pixels WHERE trial = ?", (trial_id,)).fetchone()
        try:
            return found and PixelEvidence.from_bytes(found[0])
        except ValueError as error:
            raise StoreError(f"store {str(self.folder)!r}: trial {trial_id}: {error}") from error

    def pictured(self) -> set[str]:
        """The fingerprints of the data whose test images have thumbnails."""
        with self._explained():
            return {row[0] for row in self._db.execute("SELECT DISTINCT fingerprint FROM thumbnails")}

    def put_thumbnails(self, fingerprint: str, thumbnails: Iterable[Thumbnail]) -> None:
        """Keep thumbnails of the test images of some data, in their order; those that are there stay."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO thumbnails VALUES (?, ?, ?, ?)",
                ((fingerprint, at, small.jpeg, pack_mask(small.mask)) for at, small in enumerate(thumbnails)),
            )

    def thumbnails(self, fingerprint: str) -> list[Thumbnail]:
        """Thumbnails of the test images of some data, in their order; empty where none were kept."""
        with self._explained():
            found = self._db.execute(
                "SELECT jpeg, mask FROM thumbnails WHERE fingerprint = ? ORDER BY position", (fingerprint,)
            ).fetchall()
        return [Thumbnail(jpeg, unpack_mask(mask)) for jpeg, mask in found]

    def put_from(self, other: Store, outcome: Outcome) -> None:
        """Keep an outcome of another store with the pictures that lie beside it there."""
        evidence = outcome.evidence
        if evidence is not None:
            outcome = replace(
                outcome, evidence=replace(evidence, maps=other.maps(outcome.id), pixels=other.pixels(outcome.id))
            )
            self.put_thumbnails(outcome.fingerprint, other.thumbnails(outcome.fingerprint))
        self.put(outcome)

    def complete_from(self, other: Store, trial_id: str) -> None:
        """Keep what another store has beside the same scores of a trial, and this one lacks: maps and pixel counts."""
        with self._explained():
            lacking = [table for table in ("maps", "pixels") if not self._has(table, trial_id)]
        with other._explained():
            rows = {
                table: other._db.execute(f"SELECT * FROM {table} WHERE trial = ?", (trial_id,)).fetchall()  # noqa: S608
                for table in lacking
                if other._has(table, trial_id)
            }
        for table, found in rows.items():
            with self._transaction() as db:
                places = ", ".join("?" * len(found[0]))
                db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", found)  # noqa: S608

    def _has(self, table: str, trial_id: str) -> bool:
        return self._db.execute(f"SELECT 1 FROM {table} WHERE trial = ?", (trial_id,)).fetchone() is not None  # noqa: S608

    def outcomes(self, ids: Iterable[str] | None = None, *, with_pixels: bool = False) -> Iterator[Outcome]:
        """All outcomes, or those of these ids, in an order that does not depend on when they were made.

        Pixel evidence takes longer to read than all else, and comes where it is asked for.
        """
        wanted = None if ids is None else set(ids)
        with self._one_moment() as db:
            test_sets = {
                fingerprint: (tuple(json.loads(paths)), tuple(json.loads(defects)))
                for fingerprint, paths, defects in db.execute("SELECT * FROM test_sets")
            }
            scores: dict[str, list[tuple[str, bytes, bytes]]] = {}
            for trial, *rest in db.execute("SELECT trial, pool, normal, test FROM scores ORDER BY pool"):
                scores.setdefault(trial, []).append((rest[0], rest[1], rest[2]))
            rows = db.execute(
                "SELECT id, key, fingerprint, status, reason, record, finished_at FROM trials ORDER BY key, fingerprint"
            ).fetchall()
        for trial_id, key, fingerprint, status, reason, record, finished_at in rows:
            if wanted is not None and trial_id not in wanted:
                continue
            evidence = None
            if status == "done":
                paths, defects = test_sets[fingerprint]
                kept = scores.get(trial_id, [])
                evidence = Evidence(
                    normal={pool: self._scores(trial_id, normal) for pool, normal, _ in kept},
                    test={pool: self._scores(trial_id, test, len(paths)) for pool, _, test in kept},
                    defects=defects,
                    paths=paths,
                    pixels=self.pixels(trial_id) if with_pixels else None,
                )
            yield Outcome(
                trial=self._trial(trial_id, key),
                status=status,
                reason=reason,
                fingerprint=fingerprint,
                evidence=evidence,
                record=self._record(trial_id, record, finished_at),
            )

    def _scores(self, trial_id: str, packed: bytes, images: int | None = None) -> FloatArray:
        """Scores of so many images, or of any number. Raises StoreError."""
        try:
            scores = np.frombuffer(packed, "<f8")
        except (TypeError, ValueError) as error:
            raise StoreError(f"store {str(self.folder)!r}: scores of trial {trial_id} are damaged: {error}") from error
        if images not in (None, len(scores)):
            raise StoreError(
                f"store {str(self.folder)!r}: scores of trial {trial_id} are damaged: "
                f"there are {len(scores)} for {images} images"
            )
        return scores

    def _trial(self, trial_id: str, key: str) -> Trial:
        try:
            return Trial.read(json.loads(key))
        except ValueError as error:
            raise StoreError(f"store {str(self.folder)!r}: trial {trial_id} cannot be read: {error}") from error

    def _record(self, trial_id: str, text: str, finished_at: str = "") -> Record:
        try:
            told = json.loads(text, parse_constant=lambda _: None)
            losses = told.get("loss_history") or []
            if None in losses:  # an older harness has kept NaN; what a fit reported after that says nothing
                told["loss_history"] = losses[: losses.index(None)]
            found: Record = read({**told, "finished_at": finished_at}, Record)
        except ValueError as error:
            raise StoreError(f"store {str(self.folder)!r}: the record of trial {trial_id}: {error}") from error
        return found


def _text(record: Record) -> str:
    """A record without the time of its end, which has a column of its own."""
    return json.dumps(_finite(written(replace(record, finished_at=""))), sort_keys=True, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no number for: NaN would make the record unreadable for SQLite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _pack(scores: FloatArray) -> bytes:
    return np.ascontiguousarray(scores, dtype="<f8").tobytes()
