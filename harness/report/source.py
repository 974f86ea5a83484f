"""Where verdicts come from: the trials of a store, judged as often as one likes, or the rows of an export."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import Metric, PixelMetric, Pool, Threshold
from harness.errors import UsageError
from harness.metrics.pools import EVERY_POOL
from harness.plugin import in_process
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.printable import command
from harness.trials.settings import Chosen
from harness.trials.store import Store
from harness.trials.trial import UNUSED, Outcome
from harness.verdicts import exports
from harness.verdicts.asked import with_metrics
from harness.verdicts.judging import Judge
from harness.verdicts.leaderboard import nothing_collected
from harness.verdicts.summed import Summing
from harness.verdicts.verdict import Verdict
from harness.verification.notes import NO_NOTES, Notes, beside


@dataclass(frozen=True)
class StoredOutcomes(Collection[Outcome]):
    """The outcomes of a store, read from the file each time that somebody goes through them."""

    folder: Path
    trials: int

    def __len__(self) -> int:
        return self.trials

    def __iter__(self) -> Iterator[Outcome]:
        with Store(self.folder) as store:
            yield from store.outcomes()

    def __contains__(self, outcome: object) -> bool:
        return any(one == outcome for one in self)


@dataclass(frozen=True)
class Source:
    """Where verdicts come from: the trials of a store, or an export, whose thresholds and pools are fixed."""

    path: Path
    registry: Registry
    outcomes: Collection[Outcome] = ()
    exported: Sequence[Verdict] = ()
    faults: Sequence[str] = ()
    """What an export holds that does not follow from its scores or is damaged, and was left out; a line each."""
    notes: Notes = NO_NOTES
    """What those who are trusted have signed of its trials."""

    @classmethod
    def of(cls, path: Path, registry: Registry, trust: Sequence[Path] = (), *, light: bool = False) -> Source:
        """All that a store or an export (.jsonl) holds now, with the notes beside it. Raises StoreError, UsageError.

        Notes count where they were signed by a key that ships, or is in one of the files or folders to trust. A light
        one reads a store anew whenever it is judged, and its verdicts come without the scores.
        """
        if path.suffix == ".jsonl":
            export = exports.read(path, registry)
            digests = [exports.digest_of(row) for row in export.rows] if beside(path) else ()
            notes = Notes.beside(path, trust)
            verdicts = notes.marked(export.verdicts, digests)
            return cls(path, registry, exported=verdicts, faults=export.faults, notes=notes)
        with Store(path) as store:
            outcomes = StoredOutcomes(path, len(store)) if light else list(store.outcomes())
            return cls(path, registry, outcomes, notes=Notes.beside(path, trust))

    def loaded(self, ids: Collection[str] | None = None) -> Source:
        """The same with all that it knows of its trials in memory, scores too; with ids, of these trials alone."""
        if not isinstance(self.outcomes, StoredOutcomes):
            return self if ids is None else replace(self, outcomes=[one for one in self.outcomes if one.id in ids])
        with Store(self.path) as store:
            return replace(self, outcomes=list(store.outcomes(ids)))

    @property
    def is_export(self) -> bool:
        """Whether it is a file of JSON lines."""
        return self.path.suffix == ".jsonl"

    def judged(
        self, thresholds: Chosen, pools: Chosen | None, metrics: Sequence[Metric] = (), with_pixels: bool = False
    ) -> list[Verdict]:
        """All verdicts by these thresholds and pools, with these metrics. Raises UsageError.

        None takes the pool that each model suits. Pixel counts are read where a metric, or the caller, needs them.
        """
        in_process.register(self.registry, (*thresholds, *(pools or ())))
        chosen = in_process.choose(self.registry, Threshold, thresholds)
        wanted: list[str] | None = None
        if pools is not None:
            stored = pools == (EVERY_POOL,)
            wanted = [EVERY_POOL] if stored else [spell(one) for one in in_process.choose(self.registry, Pool, pools)]
        if not self.is_export:
            outcomes = self.outcomes
            if with_pixels or any(isinstance(metric, PixelMetric) for metric in metrics):
                with Store(self.path) as store:
                    outcomes = list(store.outcomes([outcome.id for outcome in outcomes], with_pixels=True))
            judge = Judge(chosen, wanted, metrics)
            # Metrics are worked out from scores, and not before they are asked for.
            light = isinstance(outcomes, StoredOutcomes) and not metrics
            with nothing_collected():
                if light:  # but notes are held to scores
                    return self.notes.marked(list(Summing(judge).all(outcomes, self.notes.trials)))
                return self.notes.marked([verdict for one in outcomes for verdict in judge.of(one)])
        spelt = {spell(threshold) for threshold in chosen}
        asked = (with_metrics(verdict, metrics) for verdict in self.exported)
        found = [one for one in asked if one.threshold in spelt and _is_of(one, wanted)]
        if not found:
            raise UsageError(
                f"{str(self.path)!r} has no verdict of {', '.join(sorted(spelt))}: expected what `harness export` wrote"
            )
        return found


def _is_of(verdict: Verdict, pools: Sequence[str] | None) -> bool:
    """Whether `judge` would have given it for these pools."""
    usual = [verdict.outcome.record.default_pool or verdict.pool]
    among = verdict.pool in (UNUSED, *(usual if pools is None else pools))
    return among or pools == [EVERY_POOL] or verdict.status != "done"


def why_empty(folder: Path) -> str:
    """What to say of a store that gives no verdict: it has no trials, or none that can be used."""
    run = command("harness", "run", "--store", folder)
    with Store(folder) as store:
        trials = len(store)
    if not trials:
        return f"the store {str(folder)!r} is empty: `{run}` fills it"
    return (
        f"the store {str(folder)!r} has {trials} trials, and all were left out, for they are not what was stored: "
        "the run that stored them fits them again"
    )
