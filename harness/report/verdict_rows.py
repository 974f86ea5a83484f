"""Verdicts as rows for programs: what csv, json and frames have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from harness.report import verified
from harness.report.table import Row
from harness.trials.trial import named
from harness.verdicts.methods import RANDOM_FEATURES
from harness.verdicts.speed import COLUMN as LATENCY
from harness.verdicts.speed import common_setting, median_latency
from harness.verdicts.verdict import PIXEL_METRICS, Verdict


class VerdictRows(Collection[Row]):
    """One row for each verdict, with grave findings on its images, how far an export's was worked out, and its latency.

    They are made anew each time that somebody goes through them, since a million of them would fill the memory.
    """

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self._verdicts = verdicts
        self._setting = common_setting(verdict.outcome for verdict in verdicts)
        self._grave = any(verdict.outcome.record.grave for verdict in verdicts)
        self._proof = any(verdict.proof for verdict in verdicts)
        self._checked = self._proof or any(verdict.checked for verdict in verdicts)

    def __len__(self) -> int:
        return len(self._verdicts)

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, self._verdicts)

    def __contains__(self, row: object) -> bool:
        return any(one == row for one in self)

    @property
    def columns(self) -> list[str]:
        """The columns of all rows. They follow from a verdict's metrics, their versions, protocol and corruptions."""
        of_each_shape: dict[tuple[object, ...], Verdict] = {}
        for verdict in self._verdicts:
            names = verdict.measured.names if verdict.measured else ()
            changed = bool(verdict.images.corrupted())
            shape = (names, changed, *map(verdict.earlier, PIXEL_METRICS), *named(verdict.trial.protocol))
            of_each_shape.setdefault(shape, verdict)
        most_first = sorted(of_each_shape.values(), key=lambda verdict: -len(named(verdict.trial.protocol)))
        return list(dict.fromkeys(name for verdict in most_first for name in self._row(verdict)))

    def _row(self, verdict: Verdict) -> Row:
        called = {"weights": RANDOM_FEATURES} if verdict.trial.random_features else {}
        row = {**verdict.row(), **called, "floor": verdict.outcome.record.floor}
        if self._grave:
            row["grave"] = " ".join(f"{name}: {said}" for name, said in verdict.outcome.record.grave.items())
        if self._proof:
            row["proof"] = verdict.proof
        if self._checked:
            row[verified.HEADING] = verified.cell(verdict)
        if self._setting is not None:
            measured = median_latency([verdict.outcome], self._setting)
            row |= {LATENCY: measured, "latency_setting": "" if measured is None else str(self._setting)}
        return row
