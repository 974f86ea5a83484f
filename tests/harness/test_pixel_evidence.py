"""What is kept of error maps says what the maps themselves say, whatever they are like, and in few bytes."""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from harness.api import Metric, PixelCounts
from harness.metrics.pixel import PixelEvidence, PixelMetrics, curves, pixel_average_precision
from harness.metrics.pixel.measuring import MOST_KINDS, OTHER
from harness.metrics.pixel.tally import Tally
from harness.plugin.registry import Registry

TOLERANCE = 1e-4
KINDS = ("good", "crack", "good", "spot", "spot", "crack", "dent", "dent")


def plain_aupro(maps: np.ndarray, masks: np.ndarray, limit: float) -> float:
    """By sorting all pixels."""
    share, regions = np.zeros(maps.shape), 0
    for mask, shared in zip(masks, share, strict=True):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += count
        shared[labels > 0] = 1 / np.bincount(labels.ravel())[labels[labels > 0]]
    order = np.argsort(-maps.ravel(), kind="stable")
    scores, normal = maps.ravel()[order], masks.ravel()[order] == 0
    last = np.append(scores[1:] != scores[:-1], True)
    fpr = np.append(0, (np.cumsum(normal) / normal.sum())[last])
    found = np.append(0, (np.cumsum(share.ravel()[order]) / regions)[last])
    within = np.searchsorted(fpr, limit, side="right")
    end = np.interp(limit, fpr[within - 1 : within + 1], found[within - 1 : within + 1])
    return float(np.trapezoid(np.append(found[:within], end), np.append(fpr[:within], limit)) / limit)


def exact(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    truth, scores = masks.ravel() > 0, maps.ravel()
    precision, recall, _ = precision_recall_curve(truth, scores)
    f1 = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    return {
        "auroc": float(roc_auc_score(truth, scores)),
        "average_precision": float(average_precision_score(truth, scores)),
        "f1": float(f1),
        **{f"aupro {limit}": plain_aupro(maps, masks, limit) for limit in (0.3, 0.05, 0.01, 1.0)},
    }


def derived(evidence: PixelEvidence, kind: str | None = None) -> dict[str, float | None]:
    counts = evidence.counts(kind)
    best = curves.best_f1(counts)
    return {
        "auroc": curves.auroc(counts),
        "average_precision": curves.average_precision(counts),
        "f1": best and best.f1,
        **{f"aupro {limit}": curves.aupro(counts, limit) for limit in (0.3, 0.05, 0.01, 1.0)},
    }


def kept(maps: np.ndarray, masks: np.ndarray, kinds: tuple[str, ...] | None = None) -> PixelEvidence:
    """After it was written and read, as from a store."""
    metrics = PixelMetrics()
    metrics.update(maps, masks, kinds)
    evidence = metrics.evidence()
    read = PixelEvidence.from_bytes(evidence.to_bytes())
    assert read.to_bytes() == evidence.to_bytes()
    return read


def discs(rng: np.random.Generator, size: int, kinds: tuple[str, ...] = KINDS) -> np.ndarray:
    masks = np.zeros((len(kinds), size, size), np.uint8)
    y, x = np.ogrid[:size, :size]
    for mask, kind in zip(masks, kinds, strict=True):
        for _ in range(rng.integers(1, 4) if kind != "good" else 0):
            at = rng.integers(0, size, 2)
            mask[(y - at[0]) ** 2 + (x - at[1]) ** 2 < rng.integers(2, size // 5) ** 2] = 1
    return masks


def maps_like(style: str, rng: np.random.Generator, masks: np.ndarray) -> np.ndarray:
    defective, shape = masks > 0, masks.shape
    smooth = rng.gamma(2, 0.1, shape) + defective * rng.gamma(2, 0.1, shape)
    ramp = np.arange(masks.size).reshape(shape) / masks.size
    maps = {
        "smooth": smooth,
        "defects in one gap between normal scores": np.where(defective, 0.9 + 1e-3 * ramp, np.round(ramp, 3)),
        "defects in gaps all over": np.round(200 * ramp) + np.where(defective, 0.5 + 0.1 * ramp, 0),
        "defects just below the normal ones of each step": np.round(500 * ramp) - 0.25 * defective + 0.1 * ramp,
        "of 20,000 values": np.round(20_000 * np.minimum(smooth, 1)) / 20_000,
        "far from 0": -100 + smooth,
        "another scale for each map": smooth * 10.0 ** np.arange(len(masks))[:, None, None],
        "no use": rng.random(shape),
    }[style]
    return maps.astype(np.float32)


STYLES = (
    "smooth",
    "defects in one gap between normal scores",
    "defects in gaps all over",
    "defects just below the normal ones of each step",
    "of 20,000 values",
    "far from 0",
    "another scale for each map",
    "no use",
)


@pytest.mark.parametrize("style", STYLES)
def test_what_is_kept_tells_every_metric_of_all_images_and_of_each_defect_kind(style: str) -> None:
    rng = np.random.default_rng(5)
    masks = discs(rng, 184)  # so many pixels that they are counted by intervals, of which many are then made one
    maps = maps_like(style, rng, masks)
    evidence = kept(maps, masks, KINDS)
    assert evidence.defect_kinds == ("crack", "dent", "spot")
    assert len(evidence.tally.starts) < 50_000
    for kind in (None, *evidence.defect_kinds):
        chosen = [kind is None or name in ("good", kind) for name in KINDS]
        assert derived(evidence, kind) == pytest.approx(exact(maps[chosen], masks[chosen]), abs=TOLERANCE), kind


def test_average_precision_of_defective_pixels_between_two_normal_scores_is_scikit_learns() -> None:
    """Of 40,000 normal pixels 3,000 score above all defective ones, which once counted as tied: .1429 for .0752."""
    scores = np.concatenate([np.linspace(0, 1, 37_000), np.linspace(3, 4, 3_000), np.linspace(1.5, 1.5001, 500)])
    truth = np.concatenate([np.zeros(40_000), np.ones(500)])
    maps, masks = (array.reshape(1, 150, 270) for array in (scores.astype(np.float32), truth.astype(np.uint8)))
    for repeated in (1, 8):  # few enough to be sorted, and too many
        many = np.concatenate([maps + np.float32(1e-6) * i for i in range(repeated)])
        marked = np.repeat(masks, repeated, axis=0)
        theirs = average_precision_score(marked.ravel(), many.ravel())
        assert theirs == pytest.approx(0.0752, abs=5e-4)
        assert pixel_average_precision(many, marked) == pytest.approx(theirs, abs=TOLERANCE)
        assert curves.average_precision(kept(many, marked).counts()) == pytest.approx(theirs, abs=TOLERANCE)


@given(
    share=st.floats(0.001, 0.4),
    gaps=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    levels=st.sampled_from([0, 40, 900, 30_000]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_average_precision_is_scikit_learns_wherever_defective_pixels_lie(
    share: float, gaps: list[float], levels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (4, 190, 200)  # more than are sorted
    masks = (rng.random(shape) < share).astype(np.uint8)
    normal = rng.random(shape)
    normal = np.round(normal * 300) / 300  # between these scores is room
    within = rng.choice(gaps, shape) + rng.random(shape) / 310
    within = np.round(within * levels) / levels if levels else within
    maps = np.where(masks > 0, within, normal).astype(np.float32)
    theirs = average_precision_score(masks.ravel(), maps.ravel())
    assert pixel_average_precision(maps, masks) == pytest.approx(theirs, abs=TOLERANCE)
    assert curves.average_precision(kept(maps, masks).counts()) == pytest.approx(theirs, abs=TOLERANCE)


few_maps = st.tuples(
    arrays.arrays(np.float32, (3, 5, 4), elements=st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, -3.0, 1e-30])),
    arrays.arrays(np.uint8, (3, 5, 4), elements=st.integers(0, 1)),
)


@given(few_maps)
@settings(max_examples=150, deadline=None)
def test_of_few_pixels_nothing_is_lost(data: tuple[np.ndarray, np.ndarray]) -> None:
    maps, masks = data
    evidence = kept(maps, masks)
    if masks.any() and not masks.all():
        assert derived(evidence) == pytest.approx(exact(maps, masks), abs=2e-5)
    else:
        assert derived(evidence)["auroc"] is None


@given(few_maps, st.one_of(st.floats(-4, 2), st.sampled_from([0.0, 0.25, 1.0, -3.0, 1e-30, -1e9, 1e9])))
@example((np.zeros((3, 5, 4), np.float32), np.ones((3, 5, 4), np.uint8)), 0.0)
@settings(max_examples=150, deadline=None)
def test_iou_is_that_of_the_pixels_above_the_limit(data: tuple[np.ndarray, np.ndarray], limit: float) -> None:
    maps, masks = data
    above, defective = maps.astype(np.float64) > limit, masks > 0
    union = (above | defective).sum()
    expected = (above & defective).sum() / union if union else None
    assert curves.iou(kept(maps, masks).counts(), limit) == pytest.approx(expected)


def test_iou_within_an_interval_is_close() -> None:
    rng = np.random.default_rng(1)
    masks = discs(rng, 184)
    maps = maps_like("smooth", rng, masks)
    counts = kept(maps, masks).counts()
    for limit in rng.uniform(maps.min(), maps.max(), 50):
        above = maps > limit
        expected = (above & (masks > 0)).sum() / (above | (masks > 0)).sum()
        assert curves.iou(counts, float(limit)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("style", ["smooth", "of 20,000 values", "far from 0"])
def test_f1_has_a_limit_at_which_it_and_the_iou_are_what_is_said(style: str) -> None:
    rng = np.random.default_rng(2)
    masks = discs(rng, 160)
    maps = maps_like(style, rng, masks)
    best = curves.best_f1(kept(maps, masks).counts())
    assert best is not None
    above, defective = maps.astype(np.float64) > best.limit, masks > 0
    assert best.f1 == pytest.approx(2 * (above & defective).sum() / (above.sum() + defective.sum()))
    assert best.iou == pytest.approx((above & defective).sum() / (above | defective).sum())


def test_maps_in_float64_that_differ_beyond_float32_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    masks = discs(rng, 48)
    close = rng.normal(size=masks.shape) + 1.2 * (masks > 0)
    maps = 1e4 + 1e-3 * close
    assert len(np.unique(maps.astype(np.float32))) < 20
    evidence = kept(maps, masks)
    assert derived(evidence) == pytest.approx(exact(maps, masks), abs=TOLERANCE)
    best = curves.best_f1(evidence.counts())
    assert best is not None
    assert 1e4 - 0.01 < best.limit < 1e4 + 0.01


def test_none_is_said_where_a_metric_is_not_defined() -> None:
    nothing = PixelMetrics().evidence()
    assert set(derived(nothing).values()) == {None}
    assert curves.iou(nothing.counts(), 0.5) is None
    assert PixelEvidence.from_bytes(nothing.to_bytes()).defect_kinds == ()
    with pytest.raises(KeyError):
        nothing.counts("crack")


def test_more_kinds_than_can_be_told_apart_are_counted_together() -> None:
    n = MOST_KINDS + 5
    maps, masks = np.arange(n * 4.0).reshape(n, 2, 2), np.tile(np.eye(2, dtype=np.uint8), (n, 1, 1))
    evidence = kept(maps, masks, tuple(f"kind {i}" for i in range(n)))
    assert len(evidence.kinds) == MOST_KINDS + 1
    assert evidence.counts(OTHER).defective.sum() == 2 * 5
    assert evidence.counts().defective.sum() == 2 * n
    again = kept(np.tile(maps, (2, 1, 1)), np.tile(masks, (2, 1, 1)), tuple(f"kind {i}" for i in range(n)) * 2)
    assert again.counts("kind 3").defective.sum() == 2 * 2, "a kind that was there before the limit stays itself"


@given(st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_bytes_that_were_changed_are_refused_or_read_as_evidence(at: int, value: int) -> None:
    maps = np.arange(32.0).reshape(2, 4, 4)
    data = bytearray(kept(maps, (maps > 20).astype(np.uint8), ("good", "crack")).to_bytes())
    data[at % len(data)] = value
    for damaged in (bytes(data), bytes(data[:at])):
        try:
            PixelEvidence.from_bytes(damaged)
        except ValueError as error:
            assert "pixel evidence" in str(error)


def test_evidence_of_another_format_is_refused_with_its_number() -> None:
    data = PixelMetrics().evidence().to_bytes()
    with pytest.raises(ValueError, match="has format 9, this harness reads format 1"):
        PixelEvidence.from_bytes(data[:4] + b"\x09" + data[5:])


def test_pixels_within_an_interval_count_for_average_precision_as_in_a_random_order() -> None:
    labels = np.repeat([1, 0], [40, 60])
    shuffles = (np.random.default_rng(seed).permutation(100) for seed in range(100))
    expected = np.mean([average_precision_score(labels, order) for order in shuffles])
    starts, overlap = np.zeros(1, np.int32), np.ones(1)
    counts = PixelCounts(starts, np.ones(1, np.int8), np.array([60.0]), np.array([40.0]), overlap)
    assert curves.average_precision(counts) == pytest.approx(expected, abs=0.03)
    tied = counts._replace(spread=np.zeros(1, np.int8))
    assert curves.average_precision(tied) == pytest.approx(0.4), "of one score all are found at once"


def described_as(**changed: object) -> bytes:
    """Evidence of two images whose description says something else."""
    maps = np.arange(32.0).reshape(2, 4, 4)
    data = kept(maps, (maps > 20).astype(np.uint8), ("good", "crack")).to_bytes()
    body = zlib.decompress(data[5:])
    size = 4 + struct.unpack_from("<I", body)[0]
    head = json.dumps(json.loads(body[4:size]) | changed).encode()
    return data[:5] + zlib.compress(struct.pack("<I", len(head)) + head + body[size:])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("kinds", value) for value in ("ab", None, ["good", 3], ["crack", "crack"], ["good"], ["a", "b", "c"])),
        *(("regions", value) for value in ("12", None, [1], [1, -1], [1, 2.0], [1, 1 << 53])),
        *(("bytes", value) for value in ("11111111", None, [1] * 7, [1] * 9, [0] * 8, [9] * 8, [1.0] * 8)),
        *(("intervals", value) for value in (None, -1, 1.0, "1", True)),
        *(("origin", value) for value in (None, "0", float("inf"), float("nan"))),
    ],
)
def test_a_description_that_no_evidence_has_is_quoted(field: str, value: object) -> None:
    PixelEvidence.from_bytes(described_as())
    with pytest.raises(ValueError, match="pixel evidence is described as"):
        PixelEvidence.from_bytes(described_as(**{field: value}))


@pytest.mark.parametrize("intervals", [0, 1, 1000])
def test_as_many_counts_as_are_described_are_expected(intervals: int) -> None:
    with pytest.raises(ValueError, match="bytes of counts, expected"):
        PixelEvidence.from_bytes(described_as(intervals=intervals))


@pytest.mark.parametrize(
    ("starts", "spread", "wrong"),
    [([5, 5], [0, 0], "do not ascend"), ([5, 4], [0, 0], "do not ascend"), ([4, 5], [0, 33], "more than all scores")],
)
def test_intervals_that_overlap_or_are_wider_than_all_scores_are_refused(
    starts: list[int], spread: list[int], wrong: str
) -> None:
    def read(starts: list[int], spread: list[int]) -> PixelEvidence:
        tally = Tally(np.array(starts, np.int32), np.array(spread, np.int8), np.ones((3, 2)))
        return PixelEvidence.from_bytes(PixelEvidence(("good",), tally).to_bytes())

    assert read([4, 5], [0, 32]).tally.starts.tolist() == [4, 5]
    with pytest.raises(ValueError, match=wrong):
        read(starts, spread)


def test_a_hundred_thousand_different_scores_are_kept_in_a_twelfth_as_many_intervals() -> None:
    rng = np.random.default_rng(0)
    masks = np.zeros((40, 50, 50), np.uint8)
    masks[20:, 20:30, 20:30] = 1
    maps = rng.normal(size=masks.shape) + masks
    evidence = kept(maps, masks, ("good",) * 20 + ("crack",) * 20)
    assert len(evidence.tally.starts) < len(np.unique(maps)) / 12
    assert len(evidence.to_bytes()) < 32_000, "about four bytes an interval"


def test_metrics_of_pixels_that_are_asked_for_by_name_alone_are_those_that_every_trial_remembers() -> None:
    rng = np.random.default_rng(3)
    masks = discs(rng, 32)
    counts = kept(rng.normal(size=masks.shape) + masks, masks, KINDS).counts()
    registry = Registry.discover()
    found = {name: registry.make(Metric, name) for name in ("aupro", "pixel_auroc", "pixel_average_precision")}
    assert {name: part.value(counts) for name, part in found.items()} == {
        name.removesuffix("_0.30"): value for name, value in curves.summary(counts).items()
    }
    assert {part.title for part in found.values()} == {"AUPRO", "pixel AUROC", "pixel AP"}


def test_of_maps_that_all_score_alike_every_pixel_is_found_at_once() -> None:
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[1, :2] = 1
    evidence = kept(np.full((2, 4, 4), 0.25), masks, ("good", "crack"))
    best = curves.best_f1(evidence.counts())
    assert best is not None
    assert (best.f1, best.iou) == (pytest.approx(2 * 8 / (8 + 32)), pytest.approx(8 / 32))
    assert best.limit < 0.25, "a pixel that scores above it is called defective"
    assert curves.iou(evidence.counts(), best.limit) == pytest.approx(best.iou)
    assert curves.average_precision(evidence.counts()) == pytest.approx(8 / 32)
    assert curves.auroc(evidence.counts()) == 0.5


def test_a_batch_without_maps_adds_nothing_and_may_come_first() -> None:
    maps = np.arange(32.0).reshape(2, 4, 4) + 1e6
    masks = (maps > 1e6 + 20).astype(np.uint8)
    metrics = PixelMetrics()
    for start, end in ((0, 0), (0, 1), (1, 1), (1, 2)):
        metrics.update(maps[start:end], masks[start:end])
    whole = PixelMetrics()
    whole.update(maps, masks)
    assert metrics.result() == whole.result()
    assert metrics.evidence().to_bytes() == whole.evidence().to_bytes()
