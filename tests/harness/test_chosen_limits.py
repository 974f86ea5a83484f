"""Limits of a detector that the same good images chose: what they claim, simulated, and each piece by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from harness import conformal_place
from harness.verdicts.choosing import Candidate, Choice, Promise, choose, limit_at
from harness.verdicts.chosen_limits import Limited, _LeftOut, alpha_of, limited_by_choosing

DETECTORS, LINES = 15, 120


def alike(seed: int, n: int, common: float = 0.7, apart: float = 1.0) -> list[Candidate]:
    """Detectors that are equally good, and whose scores of one image have something in common."""
    random = np.random.default_rng([seed, n])

    def scores(m: int) -> np.ndarray:
        return common**0.5 * random.normal(size=m) + (1 - common) ** 0.5 * random.normal(size=(DETECTORS, m))

    good, bad = scores(n), scores(15) + apart
    return [Candidate(str(at), good[at], bad[at], at) for at in range(DETECTORS)]


def chosen(candidates: list[Candidate], promise: Promise) -> Choice:
    return choose(candidates, np.arange(len(candidates[0].good)), ["dent"] * 15, promise)


@pytest.mark.parametrize("n", [22, 40])
def test_false_alarms_of_the_chosen_detector_are_as_rare_as_is_said(n: int) -> None:
    """The limit of each detector alone keeps 5 %, and that of the one that is chosen by it would not."""
    rates, said, alone = [], [], []
    for seed in range(LINES):
        candidates = alike(seed, n)
        found = chosen(candidates, Promise(0.05))
        rates.append(norm.sf(found.limit))
        said.append(found.share)
        alone.append(norm.sf(limit_at(candidates[found.chosen].good, Promise(0.05))))
    error = 3 * float(np.std(rates)) / LINES**0.5
    assert np.mean(alone) > 0.062
    assert np.mean(rates) < np.mean(alone) or n == 22, "at 22 the highest score is the limit of one detector already"
    assert np.mean(rates) <= np.mean(said) + error
    assert n == 22 or np.mean(rates) <= 0.05 + error


def test_a_share_that_is_promised_with_confidence_is_kept_with_it() -> None:
    beyond = sum(norm.sf(chosen(alike(seed, 100), Promise(0.05, confident=True)).limit) > 0.05 for seed in range(LINES))
    assert beyond <= 0.05 * LINES + 3 * (LINES * 0.05 * 0.95) ** 0.5


def test_one_detector_alone_takes_the_plain_limit() -> None:
    one = alike(0, 40)[:1]
    found = chosen(one, Promise(0.05))
    assert found.limit == limit_at(one[0].good, Promise(0.05))
    assert (found.kept, found.enough) == (Promise(0.05), True)


def test_what_is_kept_sets_the_same_limit_on_the_same_scores() -> None:
    for seed in range(20):
        candidates = alike(seed, 40)
        found = chosen(candidates, Promise(0.05))
        assert found.kept is not None
        assert found.limit == limit_at(candidates[found.chosen].good, found.kept)


def test_too_few_photos_to_choose_by_are_told_apart_from_enough() -> None:
    few = [chosen(alike(seed, 9), Promise(0.1)) for seed in range(20)]
    assert not any(found.enough for found in few)
    assert all(found.share > 0.1 for found in few)


@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(2, 4))
def test_images_are_left_out_as_if_they_were_not_there(seed: int, n: int, k: int) -> None:
    random = np.random.default_rng(seed)
    good, bad = random.integers(0, 9, (k, n)).astype(float), random.integers(0, 12, (k, 5)).astype(float)
    place = int(random.integers(2, n + 1))
    alarms = 0
    for at in range(n):
        others = np.delete(good, at, axis=1)
        limit = np.sort(others, axis=1)[:, place - 2]
        above = (bad[:, :, None] > others[:, None, :]) + 0.5 * (bad[:, :, None] == others[:, None, :])
        worths = (above.mean(axis=(1, 2)) + (bad > limit[:, None]).mean(axis=1)) / 2
        best = int(worths.round(9).argmax())
        alarms += good[best, at] > limit[best]
    assert _LeftOut(good, bad).alarms(place, lambda worths: worths.round(9).argmax(axis=0)) == alarms


@given(st.integers(1, 2000), st.floats(0, 1))
def test_alpha_takes_the_place_that_it_was_made_of(n: int, how_far: float) -> None:
    place = 1 + round(how_far * (n - 1))
    assert conformal_place(n, alpha_of(place, n)) == place


def test_a_place_that_is_enough_is_looked_for_from_the_second_score_on() -> None:
    good, bad = [np.arange(6.0), np.arange(6.0)[::-1]], [np.arange(9.0), np.arange(9.0)]

    def first(worths: np.ndarray) -> np.ndarray:
        return np.zeros(worths.shape[1], dtype=np.intp)

    places = [limited_by_choosing(good, bad, least, lambda alarms: True, first).place for least in (1, 2, 3, 6)]
    assert places == [2, 2, 3, 6]
    never = limited_by_choosing(good, bad, 2, lambda alarms: False, first)
    assert (never.place, never.enough) == (6, False)
    alone = limited_by_choosing(good[:1], bad[:1], 5, lambda alarms: False, first)
    assert alone == Limited(5, pytest.approx(2 / 7), True)
