"""What the row of an export says, held against the scores that it brought along, and against its own counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harness.api import Counts, Metric, OracleThreshold, Ranking, Threshold
from harness.errors import UsageError
from harness.metrics.measured import Measured
from harness.plugin.registry import Registry
from harness.trials.trial import Evidence
from harness.verdicts.judging import ScoredImages, judge
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict

_CLOSE = {"rel_tol": 1e-9, "abs_tol": 1e-12}
"""Two machines may add up the same numbers in another order."""

Row = Mapping[str, Any]


def check_stated(row: Row, verdict: Verdict) -> None:
    """Hold a row against its counts, which some of its figures follow from. Raises ValueError naming the figure."""
    counts = verdict.counts
    if counts is None:
        return
    for name in METRICS[:5]:
        _expect(name, row[name], verdict.metric(name), "its counts give")
    low, high = _bounds_of_auroc(counts)
    for name in (*METRICS[5:], *PIXEL_METRICS):
        value = row[name]
        if value is not None and not -1e-9 <= value <= 1 + 1e-9:
            raise ValueError(f"{name} is {value:g}, expected 0 to 1")
    auroc = row["auroc"]
    if auroc is not None and not low - 1e-9 <= auroc <= high + 1e-9:
        raise ValueError(f"auroc is {auroc:g}, with its counts it can be {low:.4g} to {high:.4g}")
    accuracy = verdict.interval("accuracy") or (None, None)
    for name, bound in zip(("accuracy_low", "accuracy_high"), accuracy, strict=True):
        _expect(name, row[name], bound, "its counts give")
    found, n = (sum(pair[at] for pair in verdict.images.detection().values()) for at in (0, 1))
    if (found, n) != (counts.right_abnormal, counts.n_abnormal):
        raise ValueError(f"detection is {row['detection']!r:.60}, its counts are {counts.right_abnormal} of {n}")


def _bounds_of_auroc(counts: Counts) -> tuple[float, float]:
    """Every anomalous image above the limit beats every normal one below; the worst and best cases of the others."""
    found, missed = counts.right_abnormal, counts.n_abnormal - counts.right_abnormal
    below, above = counts.right_normal, counts.n_normal - counts.right_normal
    pairs = counts.n_abnormal * counts.n_normal
    return (found * below / pairs, 1 - missed * above / pairs) if pairs else (0.0, 1.0)


def recomputed(row: Row, said: Verdict, evidence: Evidence, registry: Registry) -> Verdict:
    """The verdict that follows from the scores behind a row. Raises ValueError naming the first figure that does not.

    A limit is worked out again where its threshold is installed; else the row's is taken.
    """
    if row["scores"] != (found := evidence.hash_of(said.pool)):
        raise ValueError(f"scores is {row['scores']!r:.60}, those that came with it give {found!r}")
    stated, changed = row.get("corrupted_scores"), evidence.hash_of_corrupted(said.pool) or None
    if stated is not None and stated != changed:  # exports of before have none
        raise ValueError(f"corrupted_scores is {stated!r:.60}, those that came with it give {changed!r}")
    if said.status != "done":
        return replace(said, images=ScoredImages(evidence, said.pool, None))
    threshold = _threshold(said.threshold, registry)
    if threshold is not None:
        oracle = isinstance(threshold, OracleThreshold) or bool(threshold.oracle)
        if oracle != said.oracle:
            raise ValueError(f"oracle is {said.oracle}, and threshold {said.threshold} is {'one' * oracle or 'none'}")
        _expect("limit", said.limit, _limit(said, evidence, threshold), "its scores give")
    if said.limit is None:
        raise ValueError("limit is None, expected a number")
    ranking = Ranking(evidence.test[said.pool], evidence.labels)
    verdict = replace(
        said,
        counts=ranking.counts(said.limit),
        auroc=ranking.auroc(),
        average_precision=ranking.average_precision(),
        images=ScoredImages(evidence, said.pool, said.limit),
        measured=_measured(said, ranking, registry),
        proof="recomputed" if threshold is not None else "limit stated",
    )
    _compare(row, verdict)
    return verdict


def _threshold(spelt: str, registry: Registry) -> Threshold | None:
    with suppress(UsageError):
        return registry.make(Threshold, spelt)
    return None


def _limit(said: Verdict, evidence: Evidence, threshold: Threshold) -> float | None:
    """What a threshold makes of the scores again. Raises ValueError where it makes nothing of them."""
    record = replace(said.outcome.record, default_pool=said.pool)
    (again,) = judge(replace(said.outcome, evidence=evidence, record=record), [threshold], [said.pool])
    if again.status != "done":
        raise ValueError(f"limit is {said.limit:g}, and there is none: {again.reason}")
    return again.limit


def _measured(said: Verdict, ranking: Ranking, registry: Registry) -> Measured | None:
    """The metrics that were asked for, by the parts that are here and have the same version."""
    if said.measured is None:
        return None
    parts = []
    for name, (_, version) in said.measured.given.items():
        with suppress(UsageError):
            part = registry.make(Metric, name)
            parts += [part] if part.version == version else []
    return Measured(parts, ranking, said.measured.given)


def _compare(row: Row, verdict: Verdict) -> None:
    """Every figure of a row that follows from scores and limit. Raises ValueError naming one that does not."""
    again = verdict.row()
    counted = ("n_normal", "n_abnormal", "right_normal", "right_abnormal")
    for name in (*counted, *METRICS, *verdict.bounds(), *_asked(verdict)):
        _expect(name, row[name], again[name], "its scores give")
    if row["detection"] != again["detection"]:
        raise ValueError(f"detection is {row['detection']!r:.80}, its scores give {again['detection']!r:.80}")
    if row.get("corrupted", {}) != again.get("corrupted", {}):
        told = (row.get("corrupted"), again.get("corrupted"))
        raise ValueError(f"corrupted is {told[0]!r:.80}, its scores give {told[1]!r:.80}")
    right = verdict.images.right()
    digits = None if right is None else "".join("01"[one] for one in right.astype(int).tolist())
    if row["right"] not in (None, digits):
        raise ValueError(f"right is {row['right']!r:.60}, its scores give {digits!r:.60}")


def _asked(verdict: Verdict) -> Iterator[str]:
    measured = verdict.measured
    return (name for name in (measured.names if measured else ()) if measured and measured.follows(name))


def _expect(name: str, said: Any, found: Any, because: str) -> None:
    if said is None or found is None:
        if said is not found:
            raise ValueError(f"{name} is {said}, {because} {found}")
    elif not math.isclose(said, found, **_CLOSE):
        raise ValueError(f"{name} is {said:g}, {because} {found:g}")
