"""Verdicts as JSON lines with their scores and provenance: what leaderboards/results holds, and machines exchange.

A row that does not follow from the scores that came with it is left out and named; one without scores is marked.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StoreError, UsageError
from harness.files import plain_bytes, write_text
from harness.plugin.registry import Registry
from harness.trials.trial import KEPT_NAMES, PROTOCOL, Trial
from harness.verdicts.export_rows import DIGEST, EVIDENCE, Row, row_of, trial_of, verdict_of
from harness.verdicts.packing import unpacked
from harness.verdicts.proof import recomputed
from harness.verdicts.told import check_floor
from harness.verdicts.verdict import Verdict

__all__ = ["Export", "Row", "digest_of", "read", "row_of", "save", "trial_of", "verdict_of", "write"]


@dataclass(frozen=True)
class Export:
    """What a file of rows holds."""

    file: Path
    rows: Sequence[Row]
    """Each with its scores, if they are in the file at all."""
    verdicts: Sequence[Verdict]
    """Of these rows, worked out again where there are scores."""
    faults: Sequence[str] = ()
    """What was left out, a line each, naming row and figure."""


def digest_of(row: Row) -> str:
    """32 hexadecimal digits of all columns but the scores, of which `scores` is a hash; equal for equal rows.

    Settings at their default are left out, so that a row has the same one after a newer harness has copied it.
    """
    usual = {**Trial._field_defaults, "right": None}
    return _digest({name: value for name, value in row.items() if name not in usual or value != usual[name]})


def _digest(row: Row) -> str:
    """The same with every column that is there, as a line has it of itself."""
    told = {name: value for name, value in row.items() if name not in (EVIDENCE, DIGEST)}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write(rows: Iterable[Row]) -> str:
    """JSON lines, sorted, so that equal rows give equal text in whatever order they come; each score once."""
    return "".join(lines(rows))


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """`write` line by line, for rows of any number: they are sorted on disk. Raises StoreError where that is full."""
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as db:  # a file that SQLite removes
            db.execute("CREATE TABLE lines (place BLOB PRIMARY KEY, scored TEXT, head TEXT, tail TEXT) WITHOUT ROWID")
            db.execute("CREATE TABLE scores (scored TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID")
            db.execute("BEGIN")
            for row in rows:
                _put(db, row)
            there = set()
            for scored, head, tail in db.execute("SELECT scored, head, tail FROM lines ORDER BY place"):
                if scored is None:
                    yield head
                    continue
                asked = "SELECT text FROM scores WHERE scored = ?"
                text = "null" if scored in there else db.execute(asked, (scored,)).fetchone()[0]
                there.add(scored)
                yield f'{head}, "{EVIDENCE}": {text}, {tail}'
    except sqlite3.Error as error:
        raise StoreError(f"rows cannot be sorted on disk: {error}") from error


def _put(db: sqlite3.Connection, row: Row) -> None:
    """Keep a row where it stands among all rows, and its scores apart; an equal one is kept once."""
    digest = _digest(row)
    place = "\0".join((*_order(row), digest)).encode("utf-8", "surrogatepass")
    line = {**row, DIGEST: digest}
    if EVIDENCE not in row:
        whole = json.dumps(line, sort_keys=True, allow_nan=False)
        db.execute("INSERT OR REPLACE INTO lines VALUES (?, NULL, ?, '')", (place, f"{whole}\n"))
        return
    halves = [{name: value for name, value in line.items() if (name < EVIDENCE) is first} for first in (True, False)]
    head, tail = (
        json.dumps({name: half[name] for name in half if name != EVIDENCE}, sort_keys=True, allow_nan=False)
        for half in halves
    )
    scored = json.dumps(_scored(row))
    db.execute("INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?)", (place, scored, head[:-1], f"{tail[1:]}\n"))
    if db.execute("SELECT 1 FROM scores WHERE scored = ?", (scored,)).fetchone() is None:
        text = json.dumps(row[EVIDENCE], sort_keys=True, allow_nan=False)
        db.execute("INSERT INTO scores VALUES (?, ?)", (scored, text))


def save(rows: Iterable[Row], file: Path) -> None:
    """Write rows so that the file is at all times whole, as it was or as it will be. Raises OSError."""
    write_text(file, lines(rows))


def read(file: Path, registry: Registry | None = None) -> Export:
    """What a file of JSON lines holds; thresholds are those of a registry, or what is installed.

    Raises UsageError where the file cannot be read, and where no line of it is a verdict.
    """
    try:
        lines = plain_bytes(file).split(b"\n")
    except OSError as error:
        raise UsageError(f"results {str(file)!r} cannot be read: {error.strerror or error}") from error
    reading = _Reading(file, registry)
    parsed = [(number, row) for number, line in enumerate(lines, 1) if (row := reading.row(number, line)) is not None]
    brought = {_scored(row): row[EVIDENCE] for _, row in parsed if row.get(EVIDENCE) is not None}
    rows, verdicts = [], []
    for number, row in parsed:
        if EVIDENCE in row:
            row[EVIDENCE] = brought.get(_scored(row))
        verdict = reading.verdict(number, row)
        if verdict is not None and reading.is_first(number, row):
            rows.append(row)
            verdicts.append(verdict)
    if reading.faults and not rows:
        raise UsageError(reading.faults[0])
    return Export(file, rows, verdicts, reading.faults)


class _Reading:
    """Reads one file, line by line, and remembers what it left out."""

    def __init__(self, file: Path, registry: Registry | None) -> None:
        self._file, self._registry = file, registry
        self._evidence: dict[tuple[Any, ...], Any] = {}
        self._lines: dict[tuple[str, str, str], int] = {}
        self.faults: list[str] = []

    def row(self, number: int, line: bytes) -> Row | None:
        """The columns of a line; None where it is empty, or was left out."""
        if not line.strip():
            return None
        try:
            numbers: Any = {"parse_constant": _finite, "parse_float": _finite, "parse_int": _whole}
            row = json.loads(line.decode(), object_pairs_hook=_once_each, **numbers)
            if not isinstance(row, dict):
                raise ValueError(f"it is a {type(row).__name__}, expected an object with columns")
            said = row.pop(DIGEST, None)
            if said is not None and said != (found := _digest(row)):
                raise ValueError(f"its digest is {said!r:.60}, its columns give {found!r}: it was altered or damaged")
            row = _completed(row)
            if said is None and EVIDENCE in row:
                raise ValueError("it has scores and no digest: it was altered or damaged")
            said_bounds = {} if said else verdict_of(row).bounds()  # earlier exports have an AUROC's by bootstrap
        except (ValueError, TypeError, RecursionError) as error:
            self._leave_out(f"line {number} is not a verdict: {error}")
            return None
        return {**row, **said_bounds}

    def verdict(self, number: int, row: Row) -> Verdict | None:
        """The verdict that follows from a row; None where it was left out."""
        try:
            verdict = verdict_of(row)
            if verdict.outcome.record.floor:
                check_floor(verdict.trial, verdict.outcome.record, self._parts())
        except (ValueError, TypeError, RecursionError) as error:
            self._leave_out(f"line {number} is not a verdict: {error}")
            return None
        if EVIDENCE not in row:
            return verdict
        try:
            return self._proven(row, verdict)
        except (ValueError, TypeError, RecursionError) as error:
            at = verdict.trial.title
            at = f"{at} · pool {verdict.pool} · threshold {verdict.threshold}"
            self._leave_out(f"line {number} ({at}) does not follow from its scores: {error}")
            return None

    def is_first(self, number: int, row: Row) -> bool:
        """Whether no line before has the same verdict: who could tell one seed twice would have two."""
        key = (row["trial"], row["pool"], row["threshold"])
        first = self._lines.setdefault(key, number)
        if first != number:
            self._leave_out(f"line {number} is another verdict on what line {first} is about, and does not count")
        return first == number

    def _proven(self, row: Row, verdict: Verdict) -> Verdict:
        if row[EVIDENCE] is None:
            raise ValueError("these are not in the file, or stood in a line that is damaged")
        key = _scored(row)
        if key not in self._evidence:
            self._evidence[key] = unpacked(row[EVIDENCE], verdict.pool)
        return recomputed(row, verdict, self._evidence[key], self._parts())

    def _parts(self) -> Registry:
        if self._registry is None:
            self._registry = Registry.discover()
        return self._registry

    def _leave_out(self, why: str) -> None:
        self.faults.append(f"results {str(self._file)!r}, {why}")


def _scored(row: Row) -> tuple[Any, ...]:
    """What rows of the same scores have in common."""
    return row.get("trial"), row.get("pool"), row.get("scores")


def _completed(row: Row) -> Row:
    """A row with the columns that earlier exports lack, or have by another name."""
    renamed = {new: row[old] for new, old in KEPT_NAMES.items() if old in row and new not in row}
    rest = {name: value for name, value in row.items() if name not in KEPT_NAMES.values()}
    usual = {name: value for name, value in Trial._field_defaults.items() if name not in PROTOCOL}
    return {"right": None, **usual, **rest, **renamed}


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ: of two values of one name each reader may take another."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"it has {twice!r:.60} twice")
    return found


def _finite(text: str) -> float:
    """JSON has neither nan nor infinity, which `1e999` is too."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.60} is no finite number")
    return value


def _whole(text: str) -> int:
    """A whole number that any arithmetic with floats can take: Python's own have no end."""
    value = int(text)
    if abs(value) >= 2**63:
        raise ValueError(f"{text:.60} is no number of 64 bits")
    return value


def _order(row: Row) -> tuple[str, ...]:
    names = ("dataset", "category", "model", "encoder", "loss", "pool", "threshold")
    return (*(str(row[name]) for name in names), f"{row['image_size']:06}", f"{row['seed']:06}", str(row["trial"]))
