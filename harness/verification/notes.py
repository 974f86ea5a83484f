"""Signed notes beside exported rows: who has fitted which trials again, where, with what result.

A note is JSON: `note`, and `signature` over its text with sorted names and no spaces. It is of rows as they were: a row
that was altered since is none of its.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import UnavailableError, UsageError
from harness.files import plain_bytes, write_text
from harness.trials import typed
from harness.verdicts.verdict import Checked, Verdict
from harness.verification.keys import Signer, is_signed, trusted
from harness.verification.matching import matching

FORMAT = 1
SUFFIX = ".note.json"
_LARGEST = 8 << 20
"""Bytes; a note on a thousand trials has 2 MB."""
_RESULTS = ("equal", "within tolerance", "different", "impossible")
_WORST_LAST = ("equal", "within tolerance", "different")


@dataclass(frozen=True)
class Refit:
    """One trial that was drawn."""

    trial: str
    result: str
    """equal, within tolerance, different or impossible."""
    tolerance: float
    """How far a score might lie off, as a share of the range of the stated ones."""
    measured: str
    """Where that tolerance was measured."""
    share: float | None = None
    """How far the worst score lies off; None where nothing could be compared."""
    reason: str = ""
    scores: Mapping[str, str] = field(default_factory=dict)
    """Pool to a digest of the stated scores; empty where they did not come along."""
    rows: tuple[str, ...] = ()
    """Digests of the rows of this trial."""
    compared: tuple[str, ...] = ()
    """What was held against the fit beside scores and labels, such as pixel metrics; notes of before have nothing."""
    unread: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """What a verifier has found."""

    format: int
    verifier: str
    key: str
    """Public."""
    at: str
    """UTC."""
    file: str
    """The name of the export."""
    export: str
    """A digest of all rows."""
    seed: int
    sample: int
    drawn_of: int
    """How many trials could be drawn."""
    finished: int
    """How many there are."""
    refits: tuple[Refit, ...]
    within: float | None = None
    """Only trials that say they were fitted within so many seconds were drawn."""
    device: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    isolated: bool = False
    """Whether models ran in a process that never had the labels."""
    unread: Mapping[str, Any] = field(default_factory=dict)


def text_of(note: Note, signer: Signer) -> str:
    """The content of its file."""
    told = _written(note)
    return json.dumps({"note": told, "signature": signer.sign(_canonical(told))}, indent=1, sort_keys=True) + "\n"


def save(note: Note, signer: Signer, export: Path) -> Path:
    """Write a note beside its rows, under a name of its own. Raises UsageError."""
    when = note.at.replace(":", "").replace("-", "")[:15]
    file = export.with_name(f"{export.stem}.{when}.seed{note.seed}{SUFFIX}")
    try:
        write_text(file, text_of(note, signer))
    except OSError as error:
        raise UsageError(f"the note {str(file)!r} cannot be written: {error.strerror}") from error
    return file


def beside(results: Path) -> list[Path]:
    """The files of notes on an export, or on a store: in its folder."""
    if results.is_dir():
        return sorted(results.glob(f"*{SUFFIX}"))
    return sorted(file for file in results.parent.glob(f"*{SUFFIX}") if file.name.startswith(f"{results.stem}."))


def read(file: Path, keys: Mapping[str, str]) -> Note:
    """A note that was signed by a key that is trusted. Raises UsageError that names the file and what is wrong."""
    where = f"note {str(file)!r}"
    try:
        found = json.loads(plain_bytes(file, _LARGEST).decode())
        told, signature = found["note"], found["signature"]
        note: Note = typed.read(told, Note)
        if note.format != FORMAT or any(refit.result not in _RESULTS for refit in note.refits):
            raise ValueError(f"its format is {note.format}, expected {FORMAT}")
        signed = is_signed(_canonical(told), typed.read(signature, str, "signature"), note.key)
    except UnavailableError as error:
        raise UsageError(f"{where} cannot be checked: {error}") from error
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{where} is no note: {' '.join(str(error).split())[:200]}") from error
    if not signed:
        raise UsageError(f"{where} was altered, or its signature is of another key: it does not count")
    if note.key not in keys:
        raise UsageError(
            f"{where} is signed by {note.verifier!r} with the key {note.key[:40]}..., which is not trusted: --trust "
            "FILE takes that public key, if you know whose it is"
        )
    return replace(note, verifier=keys[note.key])


@dataclass(frozen=True)
class Notes:
    """The notes beside some results: those that count, and what is wrong with the others."""

    counted: dict[Path, Note] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """A line for each note that does not count, and for each trial of which a note saw other rows."""

    @classmethod
    def beside(cls, results: Path, trust: Sequence[Path] = ()) -> Notes:
        """Those beside an export, or in the folder of a store. Raises UsageError for a place to trust that is none."""
        notes, files = cls({}, []), beside(results)
        keys = trusted(trust) if files or trust else {}
        for file in files:
            try:
                notes.counted[file] = read(file, keys)
            except UsageError as error:
                notes.faults.append(str(error))
        return notes

    @property
    def trials(self) -> frozenset[str]:
        """Ids of the trials that some note which counts is of."""
        return frozenset(refit.trial for note in self.counted.values() for refit in note.refits)

    def marked(self, verdicts: Sequence[Verdict], digests: Sequence[str] = ()) -> list[Verdict]:
        """The verdicts with what the notes say of them.

        Digests are those of the rows of an export, in the same order; of a store there are none.
        """
        places: dict[str, list[int]] = {trial: [] for trial in self.trials}
        if not places:
            return list(verdicts)
        for place, verdict in enumerate(verdicts):
            if verdict.outcome.id in places:
                places[verdict.outcome.id].append(place)
        checks: dict[int, list[Checked]] = {}
        matched: set[tuple[Path, str]] = set()
        for file, note in self.counted.items():
            for refit in note.refits:
                at = places[refit.trial]
                own = [verdicts[place] for place in at], [digests[place] if digests else "" for place in at]
                of_it = [place for place, is_of in zip(at, matching(refit, *own), strict=True) if is_of]
                matched |= {(file, refit.trial) for _ in of_it}
                for place in of_it:
                    checks.setdefault(place, []).append(Checked(refit.result, note.verifier, note.at))
        self._say_of_others(matched)
        return [
            replace(verdict, checked=_worst(checks[place])) if place in checks else verdict
            for place, verdict in enumerate(verdicts)
        ]

    def _say_of_others(self, matched: set[tuple[Path, str]]) -> None:
        for file, note in self.counted.items():
            said = [
                refit.trial for refit in note.refits if refit.result in _WORST_LAST
            ]  # of the others it says nothing
            lacking = [trial for trial in said if (file, trial) not in matched]
            if lacking:
                which = f"{len(lacking)} of its {len(said)} trials, such as {lacking[0]}, are"
                line = f"note {str(file)!r} is of other rows: {which} not here as they were when they were checked"
                if line not in self.faults:
                    self.faults.append(line)


NO_NOTES = Notes()


def _worst(checks: Iterable[Checked]) -> Checked | None:
    """What counts where several have looked; that a trial cannot be fitted again somewhere says nothing of it."""
    known = [one for one in checks if one.result in _WORST_LAST]
    return max(known, key=lambda one: _WORST_LAST.index(one.result), default=None)


def _canonical(told: Any) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _written(note: Note) -> dict[str, Any]:
    """All fields that are not at their default, with those of the trials."""
    return {**typed.written(note), "refits": [typed.written(refit) for refit in note.refits]}
