"""How a process that fitted a trial has ended, in words."""

from __future__ import annotations

import signal


def ending(code: int | None) -> str:
    """`was killed by SIGKILL`, or `ended with exit code 7`."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
    return f"ended with exit code {code}"


def too_late(minutes: float) -> str:
    """Why a trial was given up that took longer than this."""
    return f"it took longer than the {minutes:.3g} minutes that a trial may take (trial_minutes), and was ended"
