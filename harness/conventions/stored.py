"""What follows from a store, or an export, without a model: pools, limits, clamping, and what pixel counts tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.api import GOOD, FloatArray, PixelCounts, Ranking
from harness.conventions import choices
from harness.conventions.choices import AUPRO, Convention, Figures
from harness.metrics.pixel import PixelEvidence
from harness.metrics.pixel.curves import MAX_FPR, aupro, auroc, average_precision
from harness.metrics.pixel.keys import key_at_most
from harness.trials.trial import UNUSED
from harness.verdicts.verdict import METRICS, Verdict

DECIDED = METRICS[:5]
"""Figures that depend on the limit; the others of METRICS do not."""
_LARGEST = "max"  # the pool whose calibration scores tell how far error maps reach on normal images


def usual_verdict(verdicts: Sequence[Verdict], threshold: str) -> Verdict | None:
    """Of one trial's verdicts, the one by the pool that its model suits and by this threshold."""
    pools = (verdicts[0].outcome.record.default_pool, UNUSED) if verdicts else ()
    found = (one for one in verdicts if one.threshold == threshold and one.pool in pools and one.status == "done")
    return next(found, None)


def image_figures(verdict: Verdict, names: Sequence[str] = METRICS) -> Figures:
    """A verdict's own figures of images, those that are defined."""
    return {name: value for name in names if (value := verdict.metric(name)) is not None}


def of_verdicts(verdicts: Sequence[Verdict], usual: Verdict) -> Iterator[tuple[Convention, Figures]]:
    """What other pools and other limits make of one trial, from all its verdicts."""
    for one in verdicts:
        if one.status != "done":
            continue
        if one.pool != usual.pool and one.threshold == usual.threshold:
            yield choices.image_score(one.pool), image_figures(one)
        if one.pool == usual.pool and one.threshold != usual.threshold:
            yield choices.limit(one.threshold, one.oracle), image_figures(one, DECIDED)


def of_clamped_scores(usual: Verdict, normal: FloatArray, scores: FloatArray) -> Iterator[tuple[Convention, Figures]]:
    """Scores (N,) that lie outside those of the calibration images (M,) are tied with the nearest of these."""
    assert usual.limit is not None
    ranking = Ranking(np.clip(scores, normal.min(), normal.max()), usual.outcome.evidence.labels)  # type: ignore[union-attr]
    counts = ranking.counts(usual.limit)
    clamped = replace(usual, counts=counts, auroc=ranking.auroc(), average_precision=ranking.average_precision())
    yield choices.CLAMPED, image_figures(clamped)


def pixel_figures(counts: PixelCounts, max_fpr: float = MAX_FPR) -> Figures:
    """The figures of pixels, those that are defined."""
    found = {
        "pixel_auroc": auroc(counts),
        "pixel_average_precision": average_precision(counts),
        AUPRO: aupro(counts, max_fpr),
    }
    return {name: value for name, value in found.items() if value is not None}


def of_pixels(pixels: PixelEvidence, highest: float | None) -> Iterator[tuple[Convention, Figures]]:
    """Another limit of AUPRO, no normal images, and maps clamped to the highest that normal images score, if known."""
    every = pixels.counts()
    yield choices.AUPRO_05, {name: value for name, value in pixel_figures(every, 0.05).items() if name == AUPRO}
    yield choices.WITHOUT_NORMAL, pixel_figures(without_normal(pixels))
    if highest is not None:
        yield choices.CLAMPED_MAPS, pixel_figures(clamped(every, highest))


def without_normal(pixels: PixelEvidence) -> PixelCounts:
    """The counts of defective images alone."""
    kept = tuple(kind for kind in pixels.kinds if kind != GOOD)
    groups = pixels.tally.groups[[kind != GOOD for kind in pixels.kinds]]
    shape = (-1, len(pixels.tally.starts))
    return PixelEvidence(kept, pixels.tally._replace(counts=groups.reshape(shape)), pixels.origin).counts()


def clamped(counts: PixelCounts, highest: float) -> PixelCounts:
    """The same pixels, those that score above the highest tied with it.

    An interval that the highest lies in counts as above it, as its pixels cannot be told apart.
    """
    limit = key_at_most(highest - counts.origin)
    ends = counts.starts.astype(np.int64) + (np.int64(1) << counts.spread.astype(np.int64))
    first = int(np.searchsorted(ends, limit, side="right"))
    if first == len(ends):
        return counts
    normal, defective, overlap = (
        np.append(row[:first], row[first:].sum()) for row in (counts.normal, counts.defective, counts.overlap)
    )
    spread = np.append(counts.spread[:first], np.int8(0))
    return PixelCounts(counts.starts[: first + 1], spread, normal, defective, overlap, counts.origin)


def highest_of(normal: FloatArray | None) -> float | None:
    """The largest of the calibration images' worst pixels (M,)."""
    return None if normal is None or not len(normal) else float(normal.max())


def stored_conventions(verdicts: Sequence[Verdict], usual: Verdict) -> Iterator[tuple[Convention, Figures]]:
    """All that one trial's verdicts and evidence tell without a model."""
    yield from of_verdicts(verdicts, usual)
    evidence = usual.outcome.evidence
    if evidence is None:
        return
    yield from of_clamped_scores(usual, evidence.normal[usual.pool], evidence.test[usual.pool])
    if evidence.pixels is not None:
        yield from of_pixels(evidence.pixels, highest_of(evidence.normal.get(_LARGEST)))
