"""The rule that chooses a detector, and how good its choice is on photos that did not choose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import at_most
from harness.verdicts.choosing import (
    FEWEST,
    SHARES,
    Candidate,
    Choice,
    Count,
    Promise,
    _dealt,
    _runners_up,
    cheapest_of_the_best,
    choose,
    limit_at,
    share_for,
    worth_of,
)


def drawn(name: str, cost: int, apart: float, n: int = 40, m: int = 20, seed: int = 0) -> Candidate:
    random = np.random.default_rng([seed, cost])
    return Candidate(name, random.normal(size=n), random.normal(apart, size=m), cost)


def chosen(candidates: list[Candidate], share: float = 0.05, **more: object) -> Choice:
    n, m = len(candidates[0].good), len(candidates[0].bad)
    return choose(candidates, np.arange(n), ["scratch", "dent"] * (m // 2), Promise(share), **more)


def test_the_detector_that_tells_best_is_chosen_and_ties_go_to_the_cheaper() -> None:
    far, near = drawn("far", 3, 9.0), drawn("near", 0, 0.5)
    assert chosen([near, far]).chosen == 1
    again = Candidate("dearer", far.good, far.bad, 5)
    assert chosen([again, near, far]).chosen == 2, "the same scores at a lower cost"


def test_a_choice_that_changes_between_folds_is_said() -> None:
    steady = chosen([drawn("far", 1, 9.0), drawn("near", 0, 0.5)])
    assert (steady.steady, steady.folds) == (5, 5)
    alike = [[drawn(str(cost), cost, 1.0, seed=10 * seed + cost) for cost in range(5)] for seed in range(5)]
    assert min(chosen(some).steady for some in alike) < 5


def test_what_is_found_is_counted_by_kind_and_adds_up() -> None:
    found = chosen([drawn("some", 0, 2.5)])
    assert sum(n for _, n in found.found.values()) == found.misses.of == 20
    assert sum(k for k, _ in found.found.values()) == 20 - found.misses.wrong


def test_counts_are_not_flattered_by_choosing_among_many_detectors_of_no_worth() -> None:
    """Of 20 detectors that guess one seems good; judged on photos that did not choose it is no better than chance."""
    misses, alarms, of, seeming = 0, 0, 0, []
    for seed in range(60):
        random = np.random.default_rng(seed)
        guesses = [Candidate(str(c), random.normal(size=20), random.normal(size=20), c) for c in range(20)]
        found = chosen(guesses, 0.2)
        seeming.append(guesses[found.chosen].auroc)
        misses, alarms, of = misses + found.misses.wrong, alarms + found.false_alarms.wrong, of + found.misses.of
    assert np.mean(seeming) > 0.62
    assert misses / of + alarms / of == pytest.approx(1, abs=0.05)


def test_the_bound_on_false_alarms_holds_for_the_model_that_is_kept() -> None:
    """Coverage: the true rate of the chosen limit lies above the bound in no more than 5 % of simulated lines."""
    from scipy.stats import norm

    beyond = 0
    for seed in range(400):
        found = chosen([drawn("one", 0, 3.0, n=30, seed=seed)])
        beyond += norm.sf(found.limit) > found.false_alarms.at_most
    assert beyond / 400 <= 0.05


@given(st.integers(0, 500))
def test_the_lowest_share_is_taken_that_the_good_images_suffice_for(n: int) -> None:
    share = share_for(n)
    assert (share is None) == (n < FEWEST)
    if share is not None:
        scores = np.arange(n, dtype=float)
        assert np.mean(scores > limit_at(scores, Promise(share))) <= share
        assert n < 19 or share == SHARES[0]


def test_good_photos_that_chose_nothing_are_what_alarms_are_counted_on() -> None:
    candidates = [drawn("near", 0, 0.5), drawn("far", 1, 9.0)]
    found = chosen(candidates, fresh_good=[np.zeros(7), np.full(7, 99.0)])
    assert (found.false_alarms.wrong, found.false_alarms.of) == (7, 7)


def test_without_bad_photos_the_cheapest_is_taken_and_misses_are_not_known() -> None:
    one, other = drawn("dear", 1, 1.0, m=0), drawn("cheap", 0, 1.0, m=0)
    found = choose([one, other], np.arange(40), [], Promise(0.05))
    assert (found.chosen, found.misses, found.found) == (1, None, {})
    assert found.runners_up[0].p is None


def test_copies_of_a_photo_are_never_judged_by_what_the_others_set() -> None:
    scores = np.array([0.0] * 10 + [5.0] * 10)
    group = np.array([*range(10), *[10] * 10])
    found = choose([Candidate("one", scores, np.full(4, 9.0), 0)], group, ["a"] * 4, Promise(0.2))
    assert found.false_alarms.wrong == 10


@given(st.integers(0, 5), st.integers(6, 60), st.sampled_from([0.01, 0.05, 0.2]))
def test_so_many_more_good_images_bound_the_rate_and_one_fewer_does_not(k: int, n: int, share: float) -> None:
    found = Choice(0, Promise(0.05), 0.0, Count(k, n), None, {}, (), 5, 5)
    more = found.more_good_images(share)
    if more:
        assert at_most(k, n + more) <= share < at_most(k, n + more - 1)
    else:
        assert at_most(k, n) <= share


def test_worths_within_half_a_hundredth_are_a_tie_and_what_has_none_does_not_count() -> None:
    assert cheapest_of_the_best([0.800, 0.8049, 0.79], [1, 2, 0]) == 0
    assert cheapest_of_the_best([0.800, 0.8051, 0.79], [1, 2, 0]) == 1
    assert cheapest_of_the_best([0.8, float("nan"), 0.5], [1, 0, 0]) == 0
    assert cheapest_of_the_best([float("nan")] * 3, [2, 1, 3]) == 1
    assert worth_of(1.0, 0.5) == 0.75


def test_a_promise_is_spelt_as_the_threshold_that_keeps_it_with_the_place_that_this_takes() -> None:
    assert (Promise(0.05).threshold, Promise(0.05, confident=True).threshold) == (
        "conformal[alpha=0.05]",
        "tolerance[alpha=0.05]",
    )
    assert (Promise(0.05).place(19), Promise(0.05).place(18)) == (19, None)
    assert (Promise(0.05, confident=True).place(59), Promise(0.05, confident=True).place(58)) == (59, None)
    assert limit_at(np.arange(19.0)[::-1], Promise(0.05)) == 18.0
    assert limit_at(np.arange(39.0), Promise(0.05)) == 37.0
    assert limit_at(np.arange(5.0), Promise(0.05)) == 4.0, "the highest, where they are too few"


def test_images_are_dealt_into_five_folds_groups_together_and_each_stratum_evenly() -> None:
    fold = _dealt(np.repeat(np.arange(20), 2), 3, np.repeat([0, 1], [30, 10]))
    assert np.array_equal(fold[::2], fold[1::2])
    assert np.bincount(fold).tolist() == [8] * 5
    assert np.bincount(fold[30:]).tolist() == [2] * 5
    assert not np.array_equal(fold, _dealt(np.repeat(np.arange(20), 2), 4, np.repeat([0, 1], [30, 10])))


def test_the_others_are_told_best_first_with_whether_they_are_wrong_more_often() -> None:
    good = np.arange(40.0)
    best = Candidate("best", good, np.arange(50.0, 60.0), 0)
    worse = Candidate("worse", good, np.r_[np.arange(50.0, 55.0), np.arange(5.0)], 1)
    alike = Candidate("alike", good, np.arange(70.0, 80.0), 2)
    others = _runners_up([worse, best, alike], 1, Promise(0.05))
    assert [(one.name, one.worse) for one in others] == [("alike", False), ("worse", True)]
    assert others[0].p == 1.0
    assert others[1].p == pytest.approx(2 * 0.5**5), "five images that the other finds"
    bare = [Candidate(str(cost), good, good[:0], cost) for cost in range(2)]
    assert [one.p for one in _runners_up(bare, 0, Promise(0.05))] == [None]
