import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from harness.metrics.intervals import auroc_interval, separated, wilson


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
        auroc_interval(np.array([0.0, 1.0]), np.array([False, True]), confidence)


def scored(n_normal, n_abnormal, shift, seed=0):
    draws = np.random.default_rng(seed)
    scores = np.concatenate([draws.normal(size=n_normal), draws.normal(size=n_abnormal) + shift])
    return scores, np.arange(n_normal + n_abnormal) >= n_normal


def test_each_resample_is_the_auroc_that_scikit_learn_gives_for_it():
    scores, labels = scored(7, 9, 0.5)
    scores = scores.round()  # ties
    low, high = auroc_interval(scores, labels, resamples=1, seed=3)
    draws = np.random.default_rng([3, 0])
    normal = np.sort(scores[~labels])[draws.integers(7, size=7)]
    abnormal = scores[labels][draws.integers(9, size=9)]
    expected = roc_auc_score(np.arange(16) >= 7, np.concatenate([normal, abnormal]))
    assert low == high == pytest.approx(expected)


def test_the_bootstrap_is_as_wide_as_delongs_variance_says():
    scores, labels = scored(60, 90, 1.0)
    wins = scores[labels][:, None] > scores[~labels]
    deviation = np.sqrt(wins.mean(axis=1).var(ddof=1) / 90 + wins.mean(axis=0).var(ddof=1) / 60)
    low, high = auroc_interval(scores, labels)
    assert low < wins.mean() < high
    assert (high - low) / (2 * 1.96 * deviation) == pytest.approx(1, abs=0.1)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    scores, labels = scored(20, 30, 0.5)
    assert auroc_interval(scores, labels, seed=1) == auroc_interval(scores, labels, seed=1)
    assert auroc_interval(scores, labels, seed=1) != auroc_interval(scores, labels, seed=2)


def test_more_resamples_than_fit_in_memory_at_once_give_the_same_distribution(monkeypatch):
    scores, labels = scored(20, 30, 0.5)
    whole = auroc_interval(scores, labels)
    monkeypatch.setattr("harness.metrics.intervals._AT_ONCE", 1000)
    assert auroc_interval(scores, labels) == pytest.approx(whole, abs=0.02)


def test_trials_on_one_test_set_share_their_resamples():
    scores, labels = scored(20, 30, 0.5)
    shuffled = np.random.default_rng(0).permutation(50)
    assert auroc_interval(scores, labels) == auroc_interval(2 * scores + 1, labels)
    moved = auroc_interval(scores[shuffled], labels[shuffled])
    assert moved == pytest.approx(auroc_interval(scores, labels), abs=0.02)


def test_classes_that_do_not_overlap_leave_room_for_what_so_few_images_cannot_show():
    scores, labels = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([False, False, True, True, True])
    low, high = auroc_interval(scores, labels)
    assert (low, high) == (separated(2, 3), 1.0)
    assert auroc_interval(-scores, labels) == (0.0, pytest.approx(1 - low))
    assert 0.4 < low < 0.6
    bounds = [separated(n, 3 * n) for n in (1, 2, 5, 10, 20, 100, 1000)]
    assert bounds == sorted(bounds)
    assert bounds[-1] > 0.998


@pytest.mark.parametrize(("n_normal", "n_abnormal"), [(5, 5), (8, 8), (4, 12)])
def test_a_detector_at_the_bound_separates_such_a_test_set_in_fewer_than_one_of_forty_trials(n_normal, n_abnormal):
    apart = norm.ppf(separated(n_normal, n_abnormal)) * np.sqrt(2)  # two normal distributions of that AUROC
    draws = np.random.default_rng(0)
    highest = draws.normal(size=(4000, n_normal)).max(axis=1)
    lowest = draws.normal(size=(4000, n_abnormal)).min(axis=1) + apart
    assert 0 < (lowest > highest).mean() < 1 / 40


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 3))
def test_an_auroc_interval_is_ordered_and_within_zero_and_one(n_normal, n_abnormal, decimals):
    scores, labels = scored(n_normal, n_abnormal, 0.3)
    low, high = auroc_interval(scores.round(decimals), labels, resamples=50)
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([0.1, 0.2], [True, True]), ([0.1, 0.2], [False, False]), ([0.1, np.nan], [False, True]), ([0.1], [False, True])],
)
def test_scores_that_have_no_auroc_are_refused(scores, labels):
    with pytest.raises(ValueError, match="expected both"):
        auroc_interval(np.array(scores), np.array(labels))


def test_importing_intervals_loads_neither_torch_nor_scipy():
    code = "import sys, harness.metrics.intervals; print({'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
