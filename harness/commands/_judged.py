"""What several commands start from: the results of a store, or those of an export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.plugin.registry import Registry
from harness.report.results import Results, opened
from harness.trials.settings import Chosen
from harness.verdicts.sweeps import has_sweeps

_FEW = 20_000
"""Verdicts whose scores fit into memory beside them."""


def judged(
    source: Path,
    thresholds: Chosen | str,
    pools: str | None,
    plugin_files: Sequence[Path] = (),
    rank_by: str | None = None,
    metrics: str | None = None,
    *,
    verified: bool = False,
    trust: Sequence[Path] = (),
    light: bool = False,
) -> Results:
    """All verdicts by these thresholds and pools, with these metrics; an export (.jsonl) has what it was written with.

    Light ones come without the scores behind them, as many as there may be; but for a sweep, whose nested choice takes
    scores, where there are few. Raises UsageError where there are none.
    """
    registry = Registry.discover(plugin_files)
    asked: Any = (source, registry, thresholds, pools, rank_by, metrics)
    found = opened(*asked, verified=verified, trust=trust, light=light)
    if light and len(found.verdicts) <= _FEW and has_sweeps({verdict.trial[2:5] for verdict in found.verdicts}):
        return opened(*asked, verified=verified, trust=trust)
    return found
