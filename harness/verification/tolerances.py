"""How far a score may lie from the stated one, as a share of the range of these, where a trial is fitted again.

Measured by `python leaderboards/tolerances.py`, which fits trials again with other threads and other instructions of
the processor, as other machines have them; its figures are in leaderboards/verification.md.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.trials.trial import Trial
from harness.verdicts.reproduction import TOLERANCE


class Tolerance(NamedTuple):
    """A share of the range of scores, and where it was measured."""

    share: float
    measured: str


_UNMEASURED = "nowhere: that of `harness reproduce`"
_ASKED = "nowhere: asked for"


def tolerance_of(trial: Trial, device: str, asked: float | None = None) -> Tolerance:
    """What one device and a kind of model are allowed; a value that is asked for wins."""
    if asked is not None:
        return Tolerance(asked, _ASKED)
    kind = (device.partition(":")[0], bool(trial.epochs))
    return _MEASURED.get(kind, Tolerance(TOLERANCE, _UNMEASURED))


_MEASURED = {
    ("cpu", False): Tolerance(TOLERANCE, "on AMD EPYC against Intel Xeon, 2026-11-28, leaderboards/verification.md")
}
"""By kind of device, and whether the model trains in epochs."""
