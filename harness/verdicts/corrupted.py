"""What another light or camera does to a method: false alarms and misses at the limit of unchanged images."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from harness.verdicts.rows import BoardRow
from harness.verdicts.verdict import Verdict


class Rates(NamedTuple):
    """Shares in [0, 1], lower is better: without a change first, then at each severity."""

    false_alarms: tuple[float, ...]
    """Of normal images."""
    misses: tuple[float, ...]
    """Of defective images."""


def rates_of(line: BoardRow) -> dict[str, Rates]:
    """By corruption, means over seeds; over categories, of corruptions that all of a row's have been tried with."""
    if line.parts:
        each = [rates_of(part) for part in line.parts]
        common = [name for name in each[0] if all(name in one for one in each)]
        return {name: _mean([one[name] for one in each]) for name in common}
    tried: dict[str, list[Rates]] = {}
    for verdict in line.verdicts:
        for name in verdict.images.corrupted():
            tried.setdefault(name, []).append(_rates(verdict, name))
    return {name: _mean(found) for name, found in sorted(tried.items())}


def _rates(verdict: Verdict, corruption: str) -> Rates:
    counts, errors = verdict.counts, verdict.images.corrupted()[corruption]
    assert counts is not None, "images are called something only where there is a limit"
    false_alarms = (counts.n_normal - counts.right_normal, *errors.false_alarms)
    misses = (counts.n_abnormal - counts.right_abnormal, *errors.misses)
    return Rates(
        tuple(k / (counts.n_normal or 1) for k in false_alarms), tuple(k / (counts.n_abnormal or 1) for k in misses)
    )


def _mean(found: Sequence[Rates]) -> Rates:
    return Rates(*(tuple(map(fmean, zip(*side, strict=True))) for side in zip(*found, strict=True)))
