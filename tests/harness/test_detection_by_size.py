"""The size at which nine in ten defects are found, and whether its interval keeps what it claims."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from harness.metrics.detection_by_size import size_found

SIZES = np.array([0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3])


def outcomes(slope: float, photos: int, seed: int, effect: float = 0.0, at: float = 0.07) -> np.ndarray:
    """Whether defects were found, where nine in ten are at `at`; each photo may be easier or harder than others."""
    random = np.random.default_rng(seed)
    logit = np.log(9) + slope * np.log(SIZES / at) + random.normal(0, effect, (photos, 1))
    return random.random((photos, len(SIZES))) < 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize(("slope", "photos"), [(3.0, 12), (8.0, 12), (20.0, 8), (3.0, 20)])
def test_the_interval_holds_the_true_size_in_nearly_95_of_100_samples(slope: float, photos: int) -> None:
    held = 0
    for seed in range(100):
        one = size_found(SIZES, outcomes(slope, photos, seed), seed)
        held += one.low <= 0.07 <= (np.inf if one.high is None else one.high)
    assert held >= 90, "95 claimed; of 100 samples at true 95 fewer than 90 come about in 1 of 90 cases"


def test_a_steep_curve_is_placed_between_the_sizes_that_it_parts() -> None:
    found = np.tile(SIZES >= 0.08, (10, 1))
    one = size_found(SIZES, found)
    assert 0.05 < one.size < 0.1
    assert one.low <= 0.05
    assert one.high >= 0.08, "ten of ten at one size say no more than that it lies between two sizes"


def test_a_size_beyond_the_ladder_is_not_named() -> None:
    nothing = size_found(SIZES, np.zeros((8, 8), bool))
    assert (nothing.size, nothing.high) == (None, None)
    never_nine_in_ten = np.zeros((10, 8), bool)
    never_nine_in_ten[:8, 4:] = True
    assert size_found(SIZES, never_nine_in_ten).size is None
    everything = size_found(SIZES, np.ones((8, 8), bool))
    assert everything.size == everything.low == 0.01


@given(photos=st.integers(1, 12), seed=st.integers(0, 10_000), slope=st.floats(-3, 20), sizes=st.integers(2, 8))
@settings(max_examples=25, deadline=None)
def test_whatever_was_found_the_size_lies_within_its_interval_and_the_ladder(
    photos: int, seed: int, slope: float, sizes: int
) -> None:
    one = size_found(SIZES[:sizes], outcomes(slope, photos, seed)[:, :sizes], seed)
    top = SIZES[sizes - 1]
    assert SIZES[0] <= one.low <= top
    if one.size is not None:
        assert SIZES[0] <= one.size <= top
        assert one.low <= one.size * (1 + 1e-9)
        assert one.high is None or one.size <= one.high * (1 + 1e-9)
    assert np.isfinite([one.intercept, one.slope]).all()
    assert one == size_found(SIZES[:sizes], outcomes(slope, photos, seed)[:, :sizes], seed)


@pytest.mark.parametrize(
    ("sizes", "shape"), [([0.1], (3, 1)), ([0.2, 0.1], (3, 2)), ([0.1, 0.2], (3, 3)), ([0.1, 0.2], (0, 2)), ([0.0, 0.2], (3, 2)), ([0.1, 0.2], (2,))]
)  # fmt: skip
def test_what_is_no_ladder_is_refused(sizes: list[float], shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        size_found(np.array(sizes), np.zeros(shape, bool))


@pytest.mark.parametrize(("slope", "photos", "seed"), [(3.0, 12, 0), (8.0, 9, 1), (1.0, 20, 2)])
def test_the_curve_is_where_firths_penalised_likelihood_is_largest(slope: float, photos: int, seed: int) -> None:
    found = outcomes(slope, photos, seed)
    x, counts = np.log(SIZES), found.sum(axis=0)

    def less(curve: np.ndarray) -> float:
        p = 1 / (1 + np.exp(-(curve[0] + curve[1] * x)))
        design = np.stack([np.ones_like(x), x])
        information = (design * (photos * p * (1 - p))) @ design.T
        log_likelihood = (counts * np.log(p) + (photos - counts) * np.log1p(-p)).sum()
        return -float(log_likelihood + 0.5 * np.linalg.slogdet(information)[1])

    one = size_found(SIZES, found)
    best = minimize(less, [one.intercept, one.slope], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert [one.intercept, one.slope] == pytest.approx(best.x, rel=1e-4)
    assert one.size == pytest.approx(np.exp((np.log(9) - best.x[0]) / best.x[1]), rel=1e-3)


def test_the_interval_reaches_from_the_last_size_missed_too_often_to_the_next() -> None:
    found = np.tile(SIZES >= 0.05, (40, 1))
    found[:6, 2] = True
    found[:5, 4] = False
    one = size_found(SIZES, found)
    assert one.high is not None
    assert one.high >= 0.12, (
        "at 0.08 fewer than nine in ten are found, so that the true size may be as large as the next"
    )
