"""How fast a trial's model decides, as it was measured, and which measurements may stand beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, NamedTuple, get_type_hints

from harness.trials.trial import Outcome

COLUMN = "latency_ms_p50"
"""Of leaderboards: the median for one image."""
_RECORDED = "latency"


class Setting(NamedTuple):
    """What must be equal for two latencies to be compared."""

    engine: str
    cpu: str
    threads: int

    def __str__(self) -> str:
        return f"{self.engine}, {self.threads} thread{'s' * (self.threads > 1)} of {self.cpu}"


@dataclass(frozen=True)
class Latency:
    """One engine's times for batches of one size, from pixels that lie in memory to the decision."""

    engine: str
    """As people call it, as in `ONNX Runtime`."""
    version: str
    batch: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    images_per_second: float
    peak_mb: float
    """What engine and model together added to the memory of a process, at most."""
    warm_up: int
    """Runs that were not counted."""
    repetitions: int
    threads: int
    cpu: str
    system: str
    beside: str = ""
    """Inputs beside pixels, as `noise`, which were ready before the clock started; empty where there are none."""
    measured_at: str = ""
    load: float = 0.0
    """How many processes wanted a processor in the minute before; above none, times are longer than they need be."""

    @property
    def setting(self) -> Setting:
        """On what it was measured."""
        return Setting(self.engine, self.cpu, self.threads)


_TYPES = get_type_hints(Latency)


def with_latencies(record: Mapping[str, Any], measured: Iterable[Latency]) -> dict[str, Any]:
    """A trial's record with these; of the same setting and batch size, the newest stays."""
    by_age = sorted((*latencies_of(record), *measured), key=lambda one: one.measured_at)
    newest = {(one.setting, one.batch): one for one in by_age}
    return {**record, _RECORDED: [asdict(one) for one in newest.values()]}


def latencies_of(record: Mapping[str, Any]) -> list[Latency]:
    """What was measured of a trial, by its record. Raises ValueError or TypeError where that is no such record."""
    found = [Latency(**one) for one in record.get(_RECORDED, ())]
    for one in found:
        for name, kind in _TYPES.items():
            value = getattr(one, name)
            if not isinstance(value, int | float if kind is float else kind) or isinstance(value, bool):
                raise ValueError(f"the {name} of its latency is {value!r:.60}")
    return found


def common_setting(outcomes: Iterable[Outcome]) -> Setting | None:
    """The setting in which most of these were measured one image at a time; None where none was."""
    distinct = {outcome.id: outcome for outcome in outcomes}.values()
    counts = Counter(one.setting for o in distinct for one in latencies_of(o.record) if one.batch == 1)
    return min(counts, key=lambda setting: (-counts[setting], setting)) if counts else None


def median_latency(outcomes: Sequence[Outcome], setting: Setting | None) -> float | None:
    """Milliseconds for one image in this setting, the mean over those outcomes that were measured; None without any."""
    found = [
        one.p50_ms
        for outcome in outcomes
        for one in latencies_of(outcome.record)
        if one.batch == 1 and one.setting == setting
    ]
    return fmean(found) if found else None
