"""The verdicts on a store, or those of an export, with which several commands begin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.api import Threshold
from harness.errors import UsageError
from harness.metrics.pools import EVERY_POOL, stored_pools
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.trials.store import Store
from harness.trials.trial import UNUSED
from harness.verdicts import exports as results
from harness.verdicts.asked import AskedMetrics, asked_metrics, with_metrics
from harness.verdicts.judging import judge
from harness.verdicts.verdict import Verdict


def judged(
    source: Path,
    thresholds: str,
    pools: str | None,
    plugin_files: Sequence[Path] = (),
    metrics: Sequence[str] = (),
) -> tuple[list[Verdict], AskedMetrics]:
    """All verdicts by these thresholds and pools, with these metrics; an export (.jsonl) has what it was written with.

    Raises UsageError where there are none.
    """
    registry = Registry.discover(plugin_files)
    chosen = registry.choose(Threshold, thresholds)
    wanted = stored_pools(registry, pools)
    asked = asked_metrics(registry, metrics)
    if source.suffix == ".jsonl":
        spelt = {spell(threshold) for threshold in chosen}
        every = (with_metrics(results.verdict_of(row), asked.parts) for row in results.read(source))
        verdicts = [verdict for verdict in every if verdict.threshold in spelt and _wanted(verdict, wanted)]
        if not verdicts:
            raise UsageError(f"{str(source)!r} has no verdict of {thresholds}: expected what `harness export` wrote")
        return verdicts, asked
    with Store(source) as opened:
        every_outcome = opened.outcomes(with_pixels=asked.of_pixels)
        verdicts = [verdict for outcome in every_outcome for verdict in judge(outcome, chosen, wanted, asked.parts)]
    if not verdicts:
        raise UsageError(f"the store {str(source)!r} is empty: `harness run --store {source}` fills it")
    return verdicts, asked


def _wanted(verdict: Verdict, pools: Sequence[str] | None) -> bool:
    """Whether `judge` would have given it for these pools."""
    default = verdict.outcome.record.default_pool or verdict.pool
    among = verdict.pool in (UNUSED, *([default] if pools is None else pools))
    return among or pools == [EVERY_POOL] or verdict.status != "done"
