"""Many trials judged at once have the verdicts that each has alone, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import OracleThreshold, Ranking, Rankings, Threshold
from harness.metrics.pools import EVERY_POOL
from harness.plugin.spec import spell
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts import together
from harness.verdicts.judging import Judge
from harness.verdicts.summed import Summing
from harness.verdicts.verdict import Verdict
from harness_thresholds.guarantees import Conformal, Tolerance
from harness_thresholds.limits import Mean, MeanStd, MedianMad, Quantile
from harness_thresholds.oracle import F1Oracle
from harness_thresholds.tail import Pot

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
THRESHOLDS = (
    *(Conformal(), Conformal(alpha=0.3), Tolerance(alpha=0.5), Mean(), MeanStd(), MedianMad(k=2.5)),
    *(Quantile(), Quantile(q=1.0), Pot(), F1Oracle()),
)


@st.composite
def outcomes(draw: st.DrawFn) -> list[Outcome]:
    """Of a few test sets and pools; some that are not done, and some without scores of a pool."""
    sizes = draw(st.lists(st.tuples(*[st.integers(0, 8)] * 3), min_size=1, max_size=2))
    sets = [("good",) * good + ("crack",) * cracks + ("hole",) * holes for good, cracks, holes in sizes]
    found = []
    for seed in range(draw(st.integers(1, 6))):
        trial = TRIAL._replace(seed=seed)
        if draw(st.integers(0, 5)) == 0:
            found.append(Outcome(trial, "error", "it broke", "f"))
            continue
        defects = draw(st.sampled_from(sets))
        pools = draw(st.sampled_from([("mean", "max"), ("mean",), ("-",)]))
        of = {pool: [_scores(draw, n) for n in (draw(st.integers(1, 12)), len(defects))] for pool in pools}
        normal, test = ({pool: pair[at] for pool, pair in of.items()} for at in range(2))
        evidence = Evidence(normal, test, defects, tuple(map(str, range(len(defects)))))
        found.append(Outcome(trial, "done", "", "f", evidence, Record(default_pool="mean")))
    return found


def _scores(draw: st.DrawFn, count: int) -> np.ndarray:
    """With ties, with other digits, or with what overflows."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    kind = draw(st.sampled_from(["ties", "digits", "large"]))
    if kind == "ties":
        return random.integers(-2, 3, count) / 2
    return random.normal(size=count) * (1e300 if kind == "large" else 1)


def alone(judge: Judge, several: list[Outcome]) -> list[tuple[object, ...]]:
    return [told(verdict) for one in several for verdict in judge.of(one)]


def at_once(judge: Judge, several: list[Outcome]) -> list[tuple[object, ...]]:
    return [told(verdict) for verdict in Summing(judge).all(several)]


def told(verdict: Verdict) -> tuple[object, ...]:
    """All that a verdict says; nan is equal to nan here."""
    figures = (verdict.limit, verdict.counts, verdict.auroc, verdict.average_precision)
    about = (verdict.trial, verdict.pool, verdict.threshold, verdict.oracle, verdict.status, verdict.reason)
    return *about, *map(repr, figures), verdict.images.detection()


@settings(max_examples=60, deadline=None)
@given(outcomes(), st.sampled_from([None, [EVERY_POOL], ["max"], ["mean", "max"]]))
def test_every_verdict_is_that_of_a_trial_alone(several: list[Outcome], pools: list[str] | None) -> None:
    judge = Judge(THRESHOLDS, pools)
    assert at_once(judge, several) == alone(judge, several)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 5), st.integers(0, 9), st.integers(0, 9))
def test_rankings_are_rankings_of_each_row(data: st.DataObject, rows: int, normal: int, abnormal: int) -> None:
    scores = np.array([_scores(data.draw, normal + abnormal) for _ in range(rows)]).reshape(rows, normal + abnormal)
    labels = np.array(data.draw(st.permutations([False] * normal + [True] * abnormal)), dtype=bool)
    limits = _scores(data.draw, rows)
    every, each = Rankings(scores, labels), [Ranking(row, labels) for row in scores]
    assert repr(every.auroc().tolist()) == repr([one.auroc() for one in each])
    assert repr(every.average_precision().tolist()) == repr([one.average_precision() for one in each])
    counts = [one.counts(limit) for one, limit in zip(each, limits, strict=True)]
    for ours, name in zip(every.right(limits), ("right_normal", "right_abnormal"), strict=True):
        assert ours.tolist() == [getattr(one, name) for one in counts]


def some(count: int = 3) -> list[Outcome]:
    random = np.random.default_rng(0)
    found = []
    for seed in range(count):
        evidence = Evidence({"mean": random.random(20)}, {"mean": random.random(6)}, ("good", "crack") * 3, ("",) * 6)
        found.append(Outcome(TRIAL._replace(seed=seed), "done", "", "f", evidence, Record(default_pool="mean")))
    return found


class Halves(Mean):
    """Its own form for one trial, and the inherited one for many, which is another threshold's."""

    name = "halves"

    def fit(self, normal: np.ndarray) -> float:
        return super().fit(normal) / 2


class Moody(Threshold):
    """Refuses one trial of several."""

    name = "moody"

    def fit(self, normal: np.ndarray) -> float:
        if normal.max() > 0.99:
            raise ValueError("too high")
        return float(normal.max())

    def fit_many(self, normal: np.ndarray) -> np.ndarray:
        normal[:, 0] = 2.0  # nor may it write into scores
        return np.array([self.fit(row) for row in normal])


class Peeking(OracleThreshold):
    """Has no form for many."""

    name = "peeking"

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        return float(scores[labels].mean())


@pytest.mark.parametrize("threshold", [Halves(), Moody(), Peeking()], ids=lambda one: one.name)
def test_a_threshold_without_a_form_for_many_that_fits_is_asked_about_each_trial(threshold: Threshold) -> None:
    judge = Judge([threshold, Mean()])
    assert at_once(judge, some()) == alone(judge, some())


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=spell)
def test_built_in_thresholds_are_not_asked_one_by_one(threshold: Threshold, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the one whose fit is a search."""
    asked = Judge.by
    monkeypatch.setattr(Judge, "by", lambda *given: pytest.fail("alone") if threshold.name != "pot" else asked(*given))
    assert at_once(Judge([threshold]), some())


def test_more_trials_than_are_judged_together_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.verdicts.summed.AT_ONCE", 4)
    judge = Judge(THRESHOLDS)
    assert at_once(judge, some(10)) == alone(judge, some(10))
    assert together.AT_ONCE > 4


def test_scores_of_trials_that_notes_are_held_to_stay() -> None:
    several = some()
    found = list(Summing(Judge([Mean()])).all(several, {several[1].id}))
    assert [verdict.images.scores() is not None for verdict in found] == [False, True, False]


def test_changed_images_are_judged_as_well() -> None:
    changed = {"fog": {"mean": np.random.default_rng(1).random((5, 6))}}
    several = [replace(one, evidence=replace(one.evidence, corrupted=changed)) for one in some() if one.evidence]
    found = list(Summing(Judge([Mean()])).all(several))
    assert [one.images.corrupted() for one in found] == [
        verdict.images.corrupted() for one in several for verdict in Judge([Mean()]).of(one)
    ]
