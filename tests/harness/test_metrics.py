from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from harness.api import Counts, Ranking

score = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0]))  # many ties
images = st.lists(st.tuples(score, st.booleans()), min_size=1, max_size=40).map(
    lambda pairs: (np.array([s for s, _ in pairs]), np.array([label for _, label in pairs]))
)
both_kinds = images.filter(lambda data: bool(data[1].any() and not data[1].all()))


@given(both_kinds)
def test_ranking_metrics_are_those_of_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = data
    ranking = Ranking(scores, labels)
    assert ranking.auroc() == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-12)
    assert ranking.average_precision() == pytest.approx(sklearn.average_precision_score(labels, scores), abs=1e-12)


@given(both_kinds, score)
def test_metrics_of_decisions_are_those_of_scikit_learn(data: tuple[np.ndarray, np.ndarray], limit: float) -> None:
    scores, labels = data
    called = scores > limit
    counts = Ranking(scores, labels).counts(limit)
    right_normal, false_alarms, missed, found = sklearn.confusion_matrix(labels, called).ravel()
    assert counts == Counts(right_normal, right_normal + false_alarms, found, found + missed)
    assert counts.accuracy == pytest.approx(sklearn.accuracy_score(labels, called))
    assert counts.balanced_accuracy == pytest.approx(sklearn.balanced_accuracy_score(labels, called))
    assert counts.f1 == pytest.approx(sklearn.f1_score(labels, called))
    assert counts.abnormal_rate == pytest.approx(sklearn.recall_score(labels, called))
    assert counts.normal_rate == pytest.approx(sklearn.recall_score(labels, called, pos_label=0))


@given(images, score)
def test_counts_add_up_and_those_of_a_limit_among_the_scores_too(
    data: tuple[np.ndarray, np.ndarray], limit: float
) -> None:
    scores, labels = data
    ranking = Ranking(scores, labels)
    for at in (limit, scores[0], scores.max()):
        counts = ranking.counts(at)
        assert (counts.n_normal, counts.n_abnormal) == ((~labels).sum(), labels.sum())
        assert counts.right_normal == ((scores <= at) & ~labels).sum()
        assert counts.right_abnormal == ((scores > at) & labels).sum()


def test_all_and_nothing_can_be_called_anomalous() -> None:
    ranking = Ranking(np.array([0.1, 0.2, 0.3]), np.array([False, True, True]))
    assert ranking.counts(-math.inf) == Counts(0, 1, 2, 2)
    assert ranking.counts(math.inf) == Counts(1, 1, 0, 2)


def test_a_single_precision_score_is_compared_with_the_limit_as_it_is() -> None:
    scores = np.array([0.1], dtype=np.float32)  # 0.10000000149
    assert Ranking(scores, np.array([True])).counts(0.1) == Counts(0, 0, 1, 1)


@given(images)
def test_what_is_asked_of_one_kind_alone_is_not_a_number(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, _ = data
    normal = Ranking(scores, np.zeros(len(scores), dtype=bool))
    assert math.isnan(normal.auroc())
    assert math.isnan(normal.average_precision())
    counts = normal.counts(0)
    assert math.isnan(counts.abnormal_rate)
    assert math.isnan(counts.balanced_accuracy)
    assert math.isnan(counts.f1)
    assert counts.accuracy == counts.normal_rate
    abnormal = Ranking(scores, np.ones(len(scores), dtype=bool))
    assert math.isnan(abnormal.auroc())
    assert abnormal.average_precision() == 1
    assert math.isnan(abnormal.counts(0).normal_rate)


def test_without_images_nothing_is_a_number() -> None:
    assert math.isnan(Counts(0, 0, 0, 0).accuracy)


def test_labels_may_be_0_and_1() -> None:
    scores, labels = np.array([0.1, 0.9]), np.array([0, 1])
    assert Ranking(scores, labels).counts(0.5) == Counts(1, 1, 1, 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        Ranking(np.array([0.1, bad, 0.2]), np.array([False, True, True]))


@pytest.mark.parametrize(("scores", "labels"), [((3,), (2,)), ((3, 1), (3, 1)), ((), ())])
def test_scores_and_labels_that_do_not_fit_are_refused(scores: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"scores are \(.*\) and labels \(.*\): expected \(N,\) of both"):
        Ranking(np.zeros(scores), np.zeros(labels, dtype=bool))


def test_a_limit_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="the limit is nan"):
        Ranking(np.array([0.1]), np.array([True])).counts(math.nan)
