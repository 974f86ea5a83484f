from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from harness_thresholds.oracle import F1Oracle

score = st.one_of(st.floats(-1e6, 1e6), st.floats(-4, 4, width=32), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
images = st.lists(st.tuples(score, st.booleans()), min_size=1, max_size=30).map(
    lambda pairs: (np.array([s for s, _ in pairs]), np.array([label for _, label in pairs]))
)


@settings(deadline=None)
@given(images.filter(lambda data: bool(data[1].any())), st.sampled_from([np.float64, np.float32]))
@example((np.array([0.0, -1.4e-45, 1.0]), np.array([True, False, True])), np.float32)  # nothing lies half way
@example((np.array([0.0]), np.array([True])), np.float32)
def test_no_limit_has_a_better_f1_and_none_above_it_an_equal_one(
    data: tuple[np.ndarray, np.ndarray], precision: type[np.floating]
) -> None:
    scores, labels = data[0].astype(precision), data[1]
    limit = F1Oracle().fit_oracle(scores, labels)
    reached = f1_score(labels, scores > limit)
    others = {other: f1_score(labels, scores > other, zero_division=0.0) for other in np.unique(scores)}
    assert reached == max([*others.values(), f1_score(labels, np.ones_like(labels))])
    assert all(f1 < reached for other, f1 in others.items() if (scores > other).sum() < (scores > limit).sum())


def test_the_limit_lies_half_way_between_what_it_parts() -> None:
    scores, labels = np.array([0.1, 0.2, 0.6, 0.9]), np.array([False, False, True, True])
    assert F1Oracle().fit_oracle(scores, labels) == pytest.approx(0.4)


def test_of_equal_f1_the_highest_limit_is_taken() -> None:
    scores = np.array([1.0, 2, 3, 4, 5])
    labels = np.array([True, False, False, True, True])  # all five, F1 6/8; the upper two, 4/5
    assert F1Oracle().fit_oracle(scores, labels) == 3.5
    labels = np.array([True, False, True])  # all three, F1 4/5; the highest, 2/3
    assert F1Oracle().fit_oracle(scores[:3], labels) < 1
    labels = np.array([True, False, False, True])  # all four and the highest alone: F1 2/3
    assert F1Oracle().fit_oracle(scores[:4], labels) == 3.5


@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_a_limit_between_neighbouring_numbers_still_parts_them(precision: type[np.floating]) -> None:
    scores = [precision(1)]
    for _ in range(2):  # half way between two neighbours is rounded down, then up
        scores = [scores[-1], np.nextafter(scores[-1], precision(2))]
        limit = F1Oracle().fit_oracle(np.array(scores), np.array([False, True]))
        assert (scores > np.array(limit, dtype=precision)).tolist() == [False, True]


def test_where_nothing_is_anomalous_nothing_is_called_so() -> None:
    assert F1Oracle().fit_oracle(np.array([0.1, 0.3, 0.2]), np.zeros(3, dtype=bool)) == 0.3
