"""Who extracts features first is waited for by whoever needs the same ones, so that two workers do it once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

AT_MOST = 900.0
"""Seconds after which nobody waits any longer: an owner may have been stopped, and twice is better than never."""
_PAUSE = 0.1


@contextmanager
def waited_for(folder: Path, files: Sequence[Path], at_most: float = AT_MOST) -> Iterator[None]:
    """Within it no other process extracts these very files, as far as the system can tell.

    The lock is the system's, which ends with the process that holds it, however it ends. Where there are no such locks,
    as on Windows and on some network drives, nobody waits.
    """
    try:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.blake2b(repr([file.name for file in files]).encode(), digest_size=8).hexdigest()
        opened = (folder / f".{name}.lock").open("ab")
    except (ImportError, OSError):
        yield
        return
    with opened:
        until = time.monotonic() + at_most
        while time.monotonic() < until:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE)
            except OSError:
                break
        yield
