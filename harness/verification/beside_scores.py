"""What a trial states beside its scores, held against what it remembers when it is fitted again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from harness.metrics.pixel.curves import VERSIONS
from harness.trials.record import Record
from harness.trials.trial import Evidence

PIXELS, CHANGED = "pixel metrics", "scores of changed images"
_SAME = ("n_train", "default_pool", "calibrated_on", "floor")
"""Of a record: what any machine has to come to. Times, the machine and the day are the verified one's own."""


def other_record(stated: Record, found: Record) -> str:
    """What a record states otherwise than the fit here; empty where it does not. What it does not state is left out."""
    for name in _SAME:
        said, here = getattr(stated, name), getattr(found, name)
        if said and said != here:
            return f"its {name} is {said!r:.60}, here it is {here!r:.60}"
    return ""


def beside_scores(
    stated: Record, found: Record, evidence: Mapping[str, Evidence], again: Evidence
) -> tuple[list[float | None], tuple[str, ...]]:
    """How far pixel metrics lie off, scores of changed images as a share of their range, and which there were.

    None stands for what is stated and does not come about here.
    """
    by_name = {PIXELS: list(_pixels(stated, found)), CHANGED: list(_changed(evidence, again))}
    return [one for shares in by_name.values() for one in shares], tuple(name for name in by_name if by_name[name])


def _pixels(stated: Record, found: Record) -> Iterator[float | None]:
    """Metrics of an earlier definition are shown in a row, and compared with nothing."""
    for name, value in (stated.pixels or {}).items():
        if value is not None and stated.pixel_versions.get(name, 1) == VERSIONS.get(name):
            other = (found.pixels or {}).get(name)
            yield None if other is None else abs(value - other)


def _changed(stated: Mapping[str, Evidence], found: Evidence) -> Iterator[float | None]:
    for pool, evidence in sorted(stated.items()):
        for name, scores in sorted(evidence.corrupted.items()):
            was, became = scores[pool], found.corrupted.get(name, {}).get(pool)
            if became is None or became.shape != was.shape:
                yield None
                continue
            largest, extent = float(np.abs(became - was).max()), float(np.ptp(was))
            yield largest / extent if extent else float(largest > 0)
