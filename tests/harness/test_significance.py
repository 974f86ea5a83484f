import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from harness.metrics.significance import (
    compare_categories,
    compare_decisions,
    critical_difference,
    holm,
    mcnemar,
    wilcoxon,
)

# Demsar (2006), table 6: AUC of C4.5 with and without two options on 14 data sets, by the ranks printed there
DEMSAR = {
    "C4.5": [4, 1, 4, 4, 4, 1, 3, 2.5, 4, 2.5, 4, 3, 4, 3],
    "C4.5+m": [3, 2, 1, 1, 2, 2.5, 2, 2.5, 3, 2.5, 2.5, 2, 1, 1],
    "C4.5+cf": [2, 3, 2, 3, 3, 4, 4, 4, 2, 2.5, 1, 4, 2, 4],
    "C4.5+m+cf": [1, 4, 3, 2, 1, 2.5, 1, 1, 1, 2.5, 2.5, 1, 3, 2],
}


def decisions(both, first, second, neither):
    pattern = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    return np.array(pattern, dtype=bool).reshape(-1, 2).T


@given(*[st.integers(0, 30)] * 4)
def test_mcnemar_is_twice_the_tail_of_as_many_coins_as_there_are_differences(both, first, second, neither):
    assume(both + first + second + neither)
    tail = sum(math.comb(first + second, k) for k in range(min(first, second) + 1))
    expected = min(1.0, 2 * tail / 2 ** (first + second))
    assert mcnemar(*decisions(both, first, second, neither)) == pytest.approx(expected)


def test_mcnemar_counts_only_images_on_which_the_two_differ():
    assert mcnemar(*decisions(50, 9, 1, 50)) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(*decisions(0, 9, 1, 0)) == mcnemar(*decisions(50, 9, 1, 50))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=9))
def test_the_signed_rank_test_agrees_with_trying_all_signs(pairs):
    a, b = np.array(pairs).T / 20
    differences = np.array(pairs) @ [1, -1]
    ranks = np.where(differences == 0, 0, rankdata(np.abs(differences)))
    signs = np.array(list(itertools.product([1, -1], repeat=len(pairs))))
    expected = (np.abs(signs @ ranks) >= abs(np.sign(differences) @ ranks)).mean()
    assert wilcoxon(a, b) == pytest.approx(expected)


def test_five_categories_are_too_few_for_any_difference_to_show():
    better = np.array([0.9, 0.91, 0.92, 0.93, 0.94])
    assert wilcoxon(better, better - [0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(2 / 2**5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_holm_rejects_what_bonferroni_rejects_in_every_set_of_tests_that_holds_it(p_values):
    tests = range(len(p_values))
    sets = [chosen for size in tests for chosen in itertools.combinations(tests, size + 1)]
    expected = [max(min(1, len(s) * min(p_values[i] for i in s)) for s in sets if test in s) for test in tests]
    assert holm(p_values) == pytest.approx(expected)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_every_two_methods_are_compared_with_wins_losses_and_the_correction():
    a, b = decisions(50, 9, 1, 5)
    c = ~a
    first, second, third = compare_decisions({"a": a, "b": b, "c": c})
    assert (first.first, first.second, first.wins, first.losses) == ("a", "b", 9, 1)
    assert first.difference == pytest.approx(8 / 65)
    assert (second.second, third.first) == ("c", "b")
    assert [pair.p_holm for pair in (first, second, third)] == holm([mcnemar(a, b), mcnemar(a, c), mcnemar(b, c)])
    (pair,) = compare_categories({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.9, 0.7]})
    assert (pair.wins, pair.losses, pair.p) == (1, 1, 1.0)


def test_equal_methods_do_not_differ():
    same = {"a": [0.5, 0.7], "b": [0.5, 0.7], "c": [0.5, 0.7]}
    assert [pair.p for pair in compare_categories(same)] == [1.0] * 3
    assert mcnemar([True, False], [True, False]) == 1.0
    found = critical_difference(same)
    assert (found.p, set(found.ranks.values()), found.groups) == (1.0, {2.0}, (("a", "b", "c"),))


def test_the_critical_difference_is_the_one_that_demsar_works_out():
    found = critical_difference({name: -np.array(ranks) for name, ranks in DEMSAR.items()})
    assert {name: round(rank, 3) for name, rank in found.ranks.items()} == {
        "C4.5+m+cf": 1.964,
        "C4.5+m": 2.0,
        "C4.5+cf": 2.893,
        "C4.5": 3.143,
    }
    assert list(found.ranks) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"], "best first"
    assert found.distance == pytest.approx(1.25, abs=0.005)
    assert critical_difference(DEMSAR, alpha=0.10).distance == pytest.approx(1.12, abs=0.005)
    assert found.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),), "1.18 apart at most"
    assert found.p < 0.05


def test_groups_overlap_and_a_method_apart_from_all_stands_alone():
    draws = np.random.default_rng(0)
    base = {"best": 9.0, "second": 3.0, "third": 2.0, "fourth": 1.0}
    values = {name: level + 1.5 * draws.normal(size=40) for name, level in base.items()}
    found = critical_difference(values)
    names = list(found.ranks)
    for a, b in itertools.combinations(names, 2):
        together = any(a in group and b in group for group in found.groups)
        assert together == (found.ranks[b] - found.ranks[a] < found.distance)
    assert ("best",) in found.groups
    assert sum(len(group) for group in found.groups) > 4, "some method is in two groups"


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([[1.0]], [[1.0]]), ([1.0], [np.inf])]
)
def test_values_that_are_not_paired_are_refused(first, second):
    for test in (mcnemar, wilcoxon):
        with pytest.raises(ValueError, match="one finite value each"):
            test(first, second)
    with pytest.raises(ValueError, match="one finite value each"):
        critical_difference({"a": first, "b": second, "c": second})


@pytest.mark.parametrize("values", [{}, {"a": [1, 2], "b": [2, 1]}, {"a": [1], "b": [2], "c": [3]}])
def test_a_critical_difference_needs_three_methods_and_two_categories(values):
    with pytest.raises(ValueError, match="expected at least 3 on 2"):
        critical_difference(values)


def test_importing_significance_loads_no_scipy():
    code = "import sys, harness.metrics.significance; print({'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
