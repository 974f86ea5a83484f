import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, binomtest, norm

from harness.api import Ranking
from harness.metrics.intervals import (
    auroc_interval,
    average_precision_interval,
    f1_interval,
    mean_of_rates_interval,
    mean_with_interval,
    wilson,
)


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n, data, confidence):
    k = data.draw(st.integers(0, n))
    expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_stays_within_zero_and_one_where_a_normal_interval_would_not():
    for n in range(1, 200):
        assert (wilson(0, n)[0], wilson(n, n)[1]) == (0.0, 1.0)
    assert wilson(20, 20)[0] == pytest.approx(0.8389, abs=1e-4)  # 20 of 20 leaves room for one error in six


def test_wilson_knows_nothing_without_images():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_wilson_refuses_counts_that_cannot_be(k, n):
    with pytest.raises(ValueError, match=f"{k} of {n}"):
        wilson(k, n)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_in_percent_is_refused(confidence):
    with pytest.raises(ValueError, match=f"confidence {confidence}"):
        wilson(1, 2, confidence)
    with pytest.raises(ValueError, match=f"confidence {confidence}"):
        auroc_interval(0.5, 2, 2, confidence)


def by_formula(auroc, n_normal, n_abnormal):
    """Newcombe's method 5 as a root, by scipy."""
    z, half = norm.ppf(0.975), (n_normal + n_abnormal) / 2 - 1

    def beyond(value):
        of_pairs = 1 + half * ((1 - value) / (2 - value) + value / (1 + value))
        return abs(auroc - value) - z * np.sqrt(value * (1 - value) * of_pairs / (n_normal * n_abnormal))

    return (
        brentq(beyond, 0, auroc, xtol=1e-12) if auroc > 0 else 0.0,
        brentq(beyond, auroc, 1, xtol=1e-12) if auroc < 1 else 1.0,
    )


@settings(deadline=None)
@given(st.floats(1e-3, 1 - 1e-3), st.integers(1, 200), st.integers(1, 200))
def test_the_interval_of_an_auroc_is_where_newcombes_formula_has_its_roots(auroc, n_normal, n_abnormal):
    assert auroc_interval(auroc, n_normal, n_abnormal) == pytest.approx(
        by_formula(auroc, n_normal, n_abnormal), abs=1e-6
    )


def test_an_f1_and_an_average_precision_have_the_intervals_of_as_many_images():
    assert f1_interval((63, 63), (20, 20)) == pytest.approx((0.9545, 1.0), abs=0.02)
    assert f1_interval((0, 10), (5, 5))[0] == 0.0
    assert average_precision_interval(1.0, 63) == wilson(63, 63)
    draws, held = np.random.default_rng(0), []
    labels = np.arange(83) >= 20
    for _ in range(300):  # scores of two normal distributions that are two deviations apart
        ranking = Ranking(draws.normal(size=83) + 2 * labels, labels)
        counts = ranking.counts(1.0)
        bounds = [average_precision_interval(ranking.average_precision(), 63)]
        bounds.append(f1_interval((counts.right_abnormal, 63), (counts.right_normal, 20)))
        held.append([low <= true <= high for (low, high), true in zip(bounds, (0.971, 0.887), strict=True)])
    assert np.mean(held, axis=0) == pytest.approx([0.98, 0.95], abs=0.03)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 200), st.integers(1, 200))
def test_a_higher_auroc_never_has_a_lower_interval(one, other, n_normal, n_abnormal):
    lower, higher = (auroc_interval(value, n_normal, n_abnormal) for value in sorted((one, other)))
    assert lower[0] <= higher[0] + 1e-8
    assert lower[1] <= higher[1] + 1e-8
    assert 0 <= lower[0] <= min(one, other) <= lower[1] <= 1


def test_one_wrong_pair_of_many_does_not_promise_more_than_none():
    almost, all_right = auroc_interval(0.9992, 20, 63), auroc_interval(1.0, 20, 63)
    assert almost[0] < all_right[0] < 0.95
    assert auroc_interval(0.0, 20, 63) == pytest.approx(tuple(1 - bound for bound in reversed(all_right)))


def seen(auroc, n_normal, n_abnormal, spread, trials=1500):
    """What detectors of this true AUROC show on so many images; anomalous scores are `spread` times as wide."""
    draws = np.random.default_rng(0)
    normal = np.sort(draws.normal(size=(trials, n_normal)), axis=1)
    apart = norm.ppf(auroc) * np.hypot(1, spread)
    abnormal = draws.normal(size=(trials, n_abnormal)) * spread + apart
    return np.array([a.searchsorted(b).mean() / n_normal for a, b in zip(normal, abnormal, strict=True)])


@pytest.mark.parametrize("spread", [1, 2])
@pytest.mark.parametrize("auroc", [0.6, 0.8, 0.95, 0.99, 0.998])
def test_the_interval_of_an_auroc_holds_the_true_one_in_as_many_of_a_hundred_test_sets_as_it_says(auroc, spread):
    bounds = [auroc_interval(value, 20, 63) for value in seen(auroc, 20, 63, spread)]
    assert np.mean([low <= auroc <= high for low, high in bounds]) > 0.94


@pytest.mark.parametrize(("n_normal", "n_abnormal"), [(5, 5), (8, 8), (4, 12)])
def test_a_detector_at_the_bound_separates_such_a_test_set_in_fewer_than_one_of_forty_trials(n_normal, n_abnormal):
    bound = auroc_interval(1.0, n_normal, n_abnormal)[0]
    assert 0 < (seen(bound, n_normal, n_abnormal, 1, 4000) == 1).mean() < 1 / 40


@pytest.mark.parametrize(
    ("auroc", "n_normal", "n_abnormal"), [(1.1, 2, 2), (-0.1, 2, 2), (0.5, 0, 2), (0.5, 2, 0), (float("nan"), 2, 2)]
)
def test_what_is_no_auroc_is_refused(auroc, n_normal, n_abnormal):
    with pytest.raises(ValueError, match=f"an AUROC of {auroc} on {n_normal} normal and {n_abnormal} abnormal"):
        auroc_interval(auroc, n_normal, n_abnormal)


def test_the_mean_of_two_rates_has_the_bounds_that_newcombe_gives_for_a_difference():
    """His example: 56 of 70 less 48 of 80 is 0.2, from 0.0524 to 0.3339. A rate less another is their mean, halved."""
    low, high = mean_of_rates_interval((56, 70), (80 - 48, 80))
    assert 2 * low - 1 == pytest.approx(0.0524, abs=5e-5)
    assert 2 * high - 1 == pytest.approx(0.3339, abs=5e-5)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_mean_of_two_rates_is_between_its_bounds_and_does_not_depend_on_their_order(n, m, data):
    one, other = (data.draw(st.integers(0, n)), n), (data.draw(st.integers(0, m)), m)
    low, high = mean_of_rates_interval(one, other)
    assert low <= (one[0] / n + other[0] / m) / 2 <= high
    assert mean_of_rates_interval(other, one) == pytest.approx((low, high))
    assert mean_with_interval([one, other])[1:] == pytest.approx((low, high))


@pytest.mark.parametrize("rates", [[], [(0, 0)], [(1, 2), (0, 0)]])
def test_a_mean_of_no_rates_and_of_a_rate_of_no_images_is_refused(rates):
    with pytest.raises(ValueError, match="at least one, each of one image or more"):
        mean_with_interval(rates)


def test_a_number_of_numpys_is_not_kept_for_pythons():
    asked = 0.7318
    for kind in (np.float64, float):
        bounds = [*auroc_interval(kind(asked), np.int64(21), np.int64(64)), *wilson(3, 7, kind(0.9173))]
        assert {type(bound) for bound in bounds} == {float}


def test_importing_intervals_loads_neither_torch_nor_scipy():
    code = "import sys, harness.metrics.intervals; print({'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(("n_normal", "n_abnormal"), [(20, 63), (60, 12)])
def test_the_interval_of_an_f1_holds_the_true_one_in_95_of_a_hundred_test_sets(n_normal, n_abnormal):
    """Exactly, over every count that there can be: about .95 over rates, and never under .88."""
    counts = np.arange(n_abnormal + 1), np.arange(n_normal + 1)
    bounds = np.array([[f1_interval((int(k), n_abnormal), (int(m), n_normal)) for m in counts[1]] for k in counts[0]])
    held = []
    for found in (0.5, 0.7, 0.9, 0.95, 0.99):
        for alarms in (0.01, 0.05, 0.3, 0.5):
            true = 2 * found * n_abnormal / (found * n_abnormal + alarms * n_normal + n_abnormal)
            within = (bounds[:, :, 0] <= true) & (true <= bounds[:, :, 1])
            held.append(binom.pmf(counts[0], n_abnormal, found) @ within @ binom.pmf(counts[1], n_normal, 1 - alarms))
    assert 0.94 < np.mean(held) < 0.97
    assert min(held) > 0.88


def test_the_interval_of_an_average_precision_holds_the_true_one_in_nine_of_ten_test_sets_or_more():
    """With few trials of leaderboards/simulations/f1_and_average_precision.py."""
    script = Path(__file__).parents[2] / "leaderboards" / "simulations" / "f1_and_average_precision.py"
    simulated, draws = runpy.run_path(str(script))["precision_coverage"], np.random.default_rng(4)
    simulated.__globals__["TRIALS"] = 500
    for auroc, spread in ((0.7, 1.0), (0.9, 1.0), (0.95, 0.5)):
        assert simulated((20, 63), auroc, spread, draws) > 0.9


@pytest.mark.parametrize(("seeds", "by_seed"), [(3, 0.0), (3, 0.3), (10, 0.1)])
def test_plus_minus_of_a_mean_over_seeds_holds_the_true_accuracy(seeds, by_seed):
    """With few trials of leaderboards/simulations/mean_over_seeds.py."""
    script = Path(__file__).parents[2] / "leaderboards" / "simulations" / "mean_over_seeds.py"
    simulated = runpy.run_path(str(script))["of_accuracy"]
    simulated.__globals__["TRIALS"] = 400
    assert simulated(83, seeds, by_seed, np.random.default_rng(6)) > 0.9
