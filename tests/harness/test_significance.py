import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import f, friedmanchisquare, rankdata, t

from harness.metrics.significance import (
    compare_categories,
    compare_decisions,
    critical_difference,
    holm,
    mcnemar,
    seeds_by_images,
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


def fits(seeds, images, shift, by_seed, trials, seed=0):
    """Whether each fit (trials, 2, seeds, images) is right: images and methods differ, and so do fits of one method."""
    draws = np.random.default_rng(seed)
    ease = 0.8 + draws.normal(size=(trials, 1, 1, images)) + np.array([shift, 0.0])[:, None, None]
    of_method = 0.5 * draws.normal(size=(trials, 2, 1, images))
    of_fit = by_seed * draws.normal(size=(trials, 2, seeds, 1)) + 0.3 * draws.normal(size=(trials, 2, seeds, images))
    return ease + of_method + of_fit > 0


def test_with_one_fit_each_seeds_by_images_is_mcnemars_test():
    for one, other in (decisions(50, 9, 1, 5), fits(1, 30, 0.5, 0.3, 1)[0, :, 0]):
        assert seeds_by_images(one, other) == seeds_by_images([one], [other]) == mcnemar(one, other)


@pytest.mark.parametrize(("one", "other", "p"), [([[1], [1]], [[0], [0]], 0.5), ([[1], [0]], [[0], [1]], 1.0)])
def test_of_a_single_image_no_variance_is_known_and_the_fits_are_counted(one, other, p):
    assert seeds_by_images(one, other) == pytest.approx(p)


def test_seeds_by_images_by_hand():
    a = np.array([[1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0]])
    b = np.array([[1, 0, 0, 0, 1, 1], [0, 0, 1, 0, 1, 0]])
    parts = [6 * 0.0, 6 * np.var([3 / 6, 2 / 6], ddof=1), 2 * np.var([0.5, 1, 0.5, 0.5, 0, 0], ddof=1)]
    freedom = sum(parts) ** 2 / (parts[1] ** 2 / 1 + parts[2] ** 2 / 5)
    expected = 2 * t.sf((5 / 12) / np.sqrt(sum(parts) / 12), freedom)
    assert seeds_by_images(a, b) == seeds_by_images(b, a) == pytest.approx(expected)


def test_fits_that_never_vary_are_told_apart_no_better_than_mcnemars_test_can():
    right, wrong = np.ones((3, 8)), np.zeros((3, 8))
    assert seeds_by_images(right, wrong) == mcnemar(right[0], wrong[0]) == 2**-7
    assert seeds_by_images(right, right) == 1.0


@pytest.mark.parametrize(("seeds", "at_most"), [(2, 0.10), (3, 0.075), (5, 0.065)])
@pytest.mark.parametrize("by_seed", [0, 0.1, 0.3, 0.6])
def test_equal_methods_are_told_apart_in_one_of_twenty_test_sets_however_far_a_seed_moves_them(seeds, by_seed, at_most):
    found = [seeds_by_images(*right) < 0.05 for right in fits(seeds, 83, 0, by_seed, 600)]
    assert np.mean(found) < at_most


def test_to_permute_within_images_alone_would_take_the_luck_of_seeds_for_a_difference():
    wrong = [mcnemar(*right[:, 0]) < 0.05 for right in fits(3, 167, 0, 0.6, 300)]
    assert np.mean(wrong) > 0.5


def test_more_seeds_find_a_difference_that_is_there():
    power = [np.mean([seeds_by_images(*right) < 0.05 for right in fits(n, 83, 0.8, 0.3, 200)]) for n in (2, 3, 5)]
    assert power == sorted(power)
    assert power[-1] > 0.75


def test_methods_are_compared_on_the_seeds_that_both_have():
    a, b = decisions(50, 9, 1, 5)
    first, second = compare_decisions({"a": {0: a, 1: b}, "b": {1: a, 2: b}, "c": {0: b, 1: b}})[:2]
    assert (first.second, first.seeds, first.wins, first.losses) == ("b", 1, 1, 9)
    assert first.p == mcnemar(b, a)
    assert (second.second, second.seeds) == ("c", 2)
    assert second.p == seeds_by_images([a, b], [b, b])
    assert compare_decisions({"a": {0: a}, "b": {1: b}}) == []


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_every_two_methods_are_compared_with_wins_losses_and_the_correction():
    a, b = decisions(50, 9, 1, 5)
    c = ~a
    first, second, third = compare_decisions({"a": {0: a}, "b": {0: b}, "c": {0: c}})
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


def test_friedmans_p_is_that_of_all_permutations_within_categories():
    values = np.array([[3, 1, 2], [1, 2, 3], [2, 3, 1], [4, 4, 4]])  # methods on categories
    ranks = rankdata(-values, axis=0)
    every = list(itertools.permutations(range(4)))
    totals = [
        np.square(sum(ranks[list(order), i] for i, order in enumerate((range(4), *orders))) - 7.5).sum()
        for orders in itertools.product(every, repeat=2)
    ]
    seen = np.square(ranks.sum(axis=1) - 7.5).sum()
    found = critical_difference(dict(zip("abcd", values, strict=True)))
    assert found.p == pytest.approx(np.mean(np.array(totals) >= seen), abs=0.005)


def test_iman_and_davenports_f_follows_from_friedmans_chi_square():
    found = critical_difference({name: -np.array(ranks) for name, ranks in DEMSAR.items()})
    square = friedmanchisquare(*(np.array(ranks) for ranks in DEMSAR.values())).statistic
    assert found.iman_davenport == pytest.approx(f.sf(13 * square / (14 * 3 - square), 3, 39))


def test_of_equal_methods_on_two_categories_one_of_twenty_sets_differs_which_chi_square_does_not_see(monkeypatch):
    monkeypatch.setattr("harness.metrics.significance._DRAWN", 0)  # so the least number of permutations
    draws = np.random.default_rng(0)
    sets = [{str(i): draws.normal(size=2) for i in range(14)} for _ in range(400)]
    found = [critical_difference(values) for values in sets]
    chi_square = [friedmanchisquare(*values.values()).pvalue for values in sets]
    assert 0.03 < np.mean([one.p <= 0.05 for one in found]) < 0.07
    assert 0.03 < np.mean([one.iman_davenport <= 0.05 for one in found]) < 0.08
    assert np.mean(np.array(chi_square) <= 0.05) < 0.01


def test_methods_in_the_same_order_everywhere_are_not_equal():
    found = critical_difference({name: [level] * 6 for level, name in enumerate("abcd")})
    assert (found.p, found.iman_davenport) == (1 / 100_000, 0.0)


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


def test_many_fits_on_two_images_are_no_stronger_than_two_images_can_be():
    assert seeds_by_images(np.ones((10, 2)), np.zeros((10, 2))) >= 0.5
    assert seeds_by_images(np.ones((10, 8)), np.zeros((10, 8))) == pytest.approx(2 * 0.5**8)
