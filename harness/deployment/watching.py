"""A folder into which a camera writes: each image is judged as soon as it is whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.deployment.births import born
from harness.deployment.detector import Detector
from harness.deployment.image_files import Found, below
from harness.deployment.predicting import BATCH, Prediction, Read, judge, read
from harness.images.walk import PassedOver
from harness.trials import hardware

POLL_S = 0.02
"""Seconds between looks at the folder. Polling also works on network drives, which send no events."""
_AT_WORK = 0.2
"""The largest share of the time spent on looking: a folder of very many files is looked at less often."""
PATIENCE_S = 2.0
"""Seconds for which an unreadable file must have stayed unchanged before it is reported."""

State = tuple[int, int, int, int]
"""What tells that a file has changed: inode, size, and the times of its content and of its entry."""

Identity = tuple[int, tuple[int, int] | None]
"""What tells a file from the one that had its name before: inode, which may be used again at once, and birth."""


@dataclass
class _Seen:
    state: State
    since: float
    """When this state was first seen."""
    identity: Identity
    judged: bytes = b""
    """A digest of the pixels that were judged last."""
    problem: str = ""
    """Why this state could not be read."""
    settled: bool = False
    """Whether this state was judged or reported."""


@dataclass
class Watch:
    """What is known about the files below a folder."""

    folder: Path
    detector: Detector
    leave_out: Path | None = None
    """A folder that is skipped."""
    _files: dict[Path, _Seen] = field(default_factory=dict)
    _faults: set[Path] = field(default_factory=set)

    def arrivals(self, pool: ThreadPoolExecutor) -> list[Read]:
        """Files that are complete since the last look, or unreadable for long enough, in the order of their arrival.

        A file that is written again counts as new, unless its pixels are the same and it was not replaced.
        """
        now, found = self._look()
        waiting = {file: seen for file, seen in self._files.items() if not seen.settled and seen.since < now}
        given_up = [file for file, seen in waiting.items() if seen.problem and now - seen.since >= PATIENCE_S]
        tried = [file for file, seen in waiting.items() if not seen.problem]
        tried.sort(key=lambda file: (waiting[file].since, file))
        for one in pool.map(lambda file: read(self.detector, self._found(file)), tried[:BATCH]):
            seen = waiting[one.file]
            if _state(one.file) != seen.state:  # changed or gone while it was read: the next look will tell
                continue
            if one.pixels is None:
                seen.problem = one.problem
                continue
            seen.settled = True
            digest = hashlib.blake2b(one.pixels.tobytes(), digest_size=16).digest()
            if digest != seen.judged:
                seen.judged = digest
                found.append(one)
        for file in given_up:
            waiting[file].settled = True
            found.append(self._unreadable(file, waiting[file].problem))
        return found

    def _look(self) -> tuple[float, list[Read]]:
        """Note what has changed. Returns the time of the look, and each folder that cannot be listed, once."""
        states: dict[Path, State] = {}
        faults = {}
        for one in below(self.folder, Path(), self.leave_out):
            if isinstance(one, PassedOver):
                continue
            if one.problem:
                faults[one.file] = one.problem
            elif state := _state(one.file):
                states[one.file] = state
        now = time.monotonic()
        for file in self._files.keys() - states.keys():
            del self._files[file]
        for file, state in states.items():
            seen = self._files.get(file)
            if seen is not None and seen.state == state:
                continue
            identity = (state[0], born(file))
            judged = seen.judged if seen is not None and seen.identity == identity else b""
            self._files[file] = _Seen(state, now, identity, judged)
        new = [self._unreadable(file, problem) for file, problem in faults.items() if file not in self._faults]
        self._faults = set(faults)
        return now, new

    def _found(self, file: Path) -> Found:
        return Found(file, file.relative_to(self.folder))

    def _unreadable(self, file: Path, problem: str) -> Read:
        return Read(file, file.relative_to(self.folder), None, problem)


def watch(detector: Detector, folder: Path, leave_out: Path | None = None) -> Iterator[Prediction]:
    """Predictions for the images below a folder as they arrive, without end; those already there come first."""
    known = Watch(folder, detector, leave_out)
    with ThreadPoolExecutor(hardware.cores()) as pool:
        while True:
            started = time.monotonic()
            found = known.arrivals(pool)
            took = time.monotonic() - started
            yield from judge(detector.decide_at_once, found)
            if not found:
                time.sleep(max(POLL_S, took * (1 / _AT_WORK - 1)))


def _state(file: Path) -> State | None:
    """None for a file that is gone."""
    with suppress(OSError):
        found = file.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return None
