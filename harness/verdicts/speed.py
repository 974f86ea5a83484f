"""Which measured latencies may stand beside each other in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

from harness.trials.latencies import Latency, Setting
from harness.trials.trial import Outcome

COLUMN = "latency_ms_p50"
"""The column of the median latency for one image."""


def common_setting(outcomes: Iterable[Outcome]) -> Setting | None:
    """The setting in which most of these were measured one image at a time; None where none was."""
    distinct = {outcome.id: outcome for outcome in outcomes}.values()
    counts = Counter(one.setting for o in distinct for one in o.record.latency if one.batch == 1)
    return min(counts, key=lambda setting: (-counts[setting], setting)) if counts else None


def median_latency(outcomes: Sequence[Outcome], setting: Setting | None) -> float | None:
    """Milliseconds for one image in this setting, the mean over those outcomes that were measured; None without any."""
    found = [one.p50_ms for one in _measured(outcomes, setting)]
    return fmean(found) if found else None


def peak_memory(outcomes: Sequence[Outcome], setting: Setting | None) -> float | None:
    """MB that engine and model add to a process in this setting, the most of those measured; None without any."""
    return max((one.peak_mb for one in _measured(outcomes, setting)), default=None)


def _measured(outcomes: Sequence[Outcome], setting: Setting | None) -> list[Latency]:
    every = (one for outcome in outcomes for one in outcome.record.latency)
    return [one for one in every if one.batch == 1 and one.setting == setting]
