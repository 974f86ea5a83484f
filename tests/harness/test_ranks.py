"""How alike two orders are, beside scipy and beside counting every pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.metrics.ranks import rank_correlation, ranks, swapped_pairs

few_values = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12))
def test_ranks_begin_at_1_and_equal_values_share_their_mean(values: list[int]) -> None:
    assert ranks(np.array(values, float)).tolist() == stats.rankdata(values).tolist()


@given(few_values)
def test_swapped_pairs_are_those_that_one_side_orders_the_other_way(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    opposite = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(pairs, 2))
    assert swapped_pairs(first, second) == opposite


@given(few_values)
def test_the_correlation_is_spearmans_where_there_is_one(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = rank_correlation(first, second)
    if len(pairs) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(first, second).statistic)


def test_what_differs_by_rounding_alone_is_not_in_another_order() -> None:
    assert swapped_pairs([0.1 + 0.2, 0.3, 1.0], [0.3, 0.1 + 0.2, 1.0]) == 0
    assert rank_correlation([0.1 + 0.2, 0.3, 1.0], [0.3, 0.1 + 0.2, 1.0]) == pytest.approx(1.0)
