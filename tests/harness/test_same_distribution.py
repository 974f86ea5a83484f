"""Whether two samples of scores come from one distribution: right under the null, and not blind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import cramervonmises_2samp

from harness.metrics.same_distribution import same_distribution


def test_equal_distributions_are_rejected_no_more_often_than_is_claimed() -> None:
    random = np.random.default_rng(0)
    p = np.array([same_distribution(random.gamma(2, size=15), random.gamma(2, size=9), at) for at in range(150)])
    assert (p <= 0.05).mean() <= 0.1
    assert 0.4 < p.mean() < 0.62


@pytest.mark.parametrize("other", [lambda r: r.normal(1.5, 1, 20), lambda r: r.normal(0, 5, 20)])
def test_another_place_and_another_spread_are_both_seen(other) -> None:
    random = np.random.default_rng(1)
    assert np.median([same_distribution(random.normal(size=30), other(random), at) for at in range(20)]) < 0.05


def test_it_is_the_statistic_of_cramer_and_von_mises() -> None:
    random = np.random.default_rng(2)
    for shift in (0.0, 0.5, 1.0):
        a, b = random.normal(size=7), random.normal(shift, size=6)
        exact = cramervonmises_2samp(a, b, method="exact").pvalue
        assert same_distribution(a, b) == pytest.approx(exact, abs=0.02)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.floats(0.1, 9),
)
@settings(max_examples=25, deadline=None)
def test_only_the_order_counts_and_ties_belong_together(first: list[int], second: list[int], scale: float) -> None:
    p = same_distribution(np.array(first, float), np.array(second, float))
    assert 0 < p <= 1
    assert same_distribution(scale * np.array(first[::-1], float), scale * np.array(second, float)) == pytest.approx(
        p, abs=0.03
    )
    if len({*first, *second}) == 1:
        assert p == 1


def test_what_is_no_sample_is_refused() -> None:
    for first, second in (
        *(([], [1.0]), ([1.0], []), ([1.0], [float("nan")]), ([float("inf")], [1.0])),
        *(([[1.0]], [1.0]), ([1.0], [[1.0]])),
    ):
        with pytest.raises(ValueError, match="expected finite ones"):
            same_distribution(np.array(first), np.array(second))
