"""The end of the program, which no thread of a plugin holds up."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Collection

from harness.printable import printable

WAIT_S = 5.0
"""Seconds that threads have which nobody may end."""


def leave(before: Collection[threading.Thread], code: object) -> None:
    """End the process with this code where threads that were started since hold it up, after they had their seconds.

    Python would wait for them for ever. Where there are none, this does nothing.
    """
    until = time.monotonic() + WAIT_S
    for one in _others(before):
        one.join(max(0.0, until - time.monotonic()))
    if not (left := _others(before)):
        return
    names = ", ".join(one.name for one in left[:3])
    sys.stderr.write(printable(f"harness: a plugin left threads running ({names}), which are not waited for") + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


def _others(before: Collection[threading.Thread]) -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one not in before and not one.daemon and one.is_alive()]
