"""DeLong's test and the paired bootstrap: against the example that SAS publishes, by hand, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, brunnermunzel, mannwhitneyu, t

from harness.api import Ranking
from harness.metrics.delong import Placements, better_placed, delong, image_variance, placements
from harness.metrics.paired_bootstrap import bootstrapped, paired_bootstrap
from harness.metrics.significance import compare_aurocs, compare_bootstrapped

# Ovarian cancer (DeLong, DeLong and Clarke-Pearson 1988), as SAS prints it in example 8 of PROC LOGISTIC: albumin, total
# protein, K-G score, and whether surgery was of use
OVARIAN = np.array(
    [
        "3.0",
        "5.8",
        "10",
        "0",
        "3.2",
        "6.3",
        "5",
        "1",
        "3.9",
        "6.8",
        "3",
        "1",
        "2.8",
        "4.8",
        "6",
        "0",
        "3.2",
        "5.8",
        "3",
        "1",
        "0.9",
        "4.0",
        "5",
        "0",
        "2.5",
        "5.7",
        "8",
        "0",
        "1.6",
        "5.6",
        "5",
        "1",
        "3.8",
        "5.7",
        "5",
        "1",
        "3.7",
        "6.7",
        "6",
        "1",
        "3.2",
        "5.4",
        "4",
        "1",
        "3.8",
        "6.6",
        "6",
        "1",
        "4.1",
        "6.6",
        "5",
        "1",
        "3.6",
        "5.7",
        "5",
        "1",
        "4.3",
        "7.0",
        "4",
        "1",
        "3.6",
        "6.7",
        "4",
        "0",
        "2.3",
        "4.4",
        "6",
        "1",
        "4.2",
        "7.6",
        "4",
        "0",
        "4.0",
        "6.6",
        "6",
        "0",
        "3.5",
        "5.8",
        "6",
        "1",
        "3.8",
        "6.8",
        "7",
        "1",
        "3.0",
        "4.7",
        "8",
        "0",
        "4.5",
        "7.4",
        "5",
        "1",
        "3.7",
        "7.4",
        "5",
        "1",
        "3.1",
        "6.6",
        "6",
        "1",
        "4.1",
        "8.2",
        "6",
        "1",
        "4.3",
        "7.0",
        "5",
        "1",
        "4.3",
        "6.5",
        "4",
        "1",
        "3.2",
        "5.1",
        "5",
        "1",
        "2.6",
        "4.7",
        "6",
        "1",
        "3.3",
        "6.8",
        "6",
        "0",
        "1.7",
        "4.0",
        "7",
        "0",
        "3.7",
        "6.1",
        "5",
        "1",
        "3.3",
        "6.3",
        "7",
        "1",
        "4.2",
        "7.7",
        "6",
        "1",
        "3.5",
        "6.2",
        "5",
        "1",
        "2.9",
        "5.7",
        "9",
        "0",
        "2.1",
        "4.8",
        "7",
        "1",
        "2.8",
        "6.2",
        "8",
        "0",
        "4.0",
        "7.0",
        "7",
        "1",
        "3.3",
        "5.7",
        "6",
        "1",
        "3.7",
        "6.9",
        "5",
        "1",
        "3.6",
        "6.6",
        "5",
        "1",
    ],
    dtype=float,
).reshape(-1, 4)
USEFUL = OVARIAN[:, 3] == 1


def average_precision(scores, labels):
    return Ranking(scores, labels).average_precision()


def drawn(scores, labels, times=199):
    def one_fit(fit):
        return bootstrapped(lambda chosen: average_precision(fit[chosen], labels[chosen]), labels, times)

    return np.array([one_fit(fit) for fit in scores])


def equal_methods(trials, seeds, by_seed, n_normal=20, n_abnormal=63, shift=0.0, separation=1.0):
    """Scores (trials, 2, seeds, images): images and methods differ, and so do fits of one method."""
    draws, images = np.random.default_rng(0), n_normal + n_abnormal
    labels = np.arange(images) >= n_normal
    scores = draws.normal(size=(trials, 1, 1, images)) + separation * labels
    scores = scores + 0.7 * draws.normal(size=(trials, 2, 1, images)) + np.array([shift, 0.0])[:, None, None] * labels
    of_fit = by_seed * draws.normal(size=(trials, 2, seeds, 1)) * labels
    return scores + of_fit + 0.3 * draws.normal(size=(trials, 2, seeds, images)), labels


def test_delongs_test_gives_what_sas_prints_for_its_example():
    albumin, protein = (placements(OVARIAN[:, column], USEFUL) for column in (0, 1))
    kg_score = placements(10 - OVARIAN[:, 2], USEFUL)
    found = [float(one.aurocs[0]) for one in (kg_score, albumin, protein)]
    assert found == pytest.approx([0.7258, 0.7366, 0.6478], abs=5e-5)
    errors = [np.sqrt(image_variance(one.abnormal[0], one.normal[0]).variance) for one in (kg_score, albumin, protein)]
    assert errors == pytest.approx([0.1028, 0.0927, 0.1000], abs=5e-5)
    assert [delong(one, kg_score) for one in (albumin, protein)] == pytest.approx([0.9102, 0.4561], abs=5e-5)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=12), st.lists(st.integers(0, 4), min_size=2, max_size=12))
def test_an_auroc_and_its_variance_are_those_of_scipy(normal, abnormal):
    found = placements(np.array([*normal, *abnormal]), np.repeat([False, True], [len(normal), len(abnormal)]))
    expected = mannwhitneyu(abnormal, normal).statistic / (len(normal) * len(abnormal))
    assert found.aurocs[0] == pytest.approx(expected)
    assert 1 - found.normal[0].mean() == pytest.approx(1 - expected)
    variance = image_variance(found.abnormal[0], found.normal[0]).variance
    if variance:
        theirs = brunnermunzel(abnormal, normal).statistic  # the AUROC less one half, over the same standard error
        assert abs(expected - 0.5) / np.sqrt(variance) == pytest.approx(abs(theirs))


@pytest.mark.parametrize("labels", [[True, True], [False, False], [True]])
def test_placements_need_images_of_both_classes(labels):
    with pytest.raises(ValueError, match="images of both classes"):
        placements([0.1, 0.2], labels)


def test_with_several_fits_placements_are_means_and_the_spread_of_fits_is_added():
    scores, labels = equal_methods(1, 3, 0.3)
    a, b = (placements(one, labels) for one in scores[0])
    apart = [(one - other).mean(axis=0) for one, other in zip(a, b, strict=True)]
    parts = [np.var(apart[0], ddof=1) / 63, np.var(apart[1], ddof=1) / 20, *(x.aurocs.var(ddof=1) / 3 for x in (a, b))]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 62 + parts[1] ** 2 / 19 + (parts[2] ** 2 + parts[3] ** 2) / 2)
    # the two parts by image count as one, whose own freedom is theirs by Satterthwaite
    expected = 2 * t.sf(abs(apart[0].mean()) / np.sqrt(sum(parts)), freedom)
    assert delong(a, b) == delong(b, a) == pytest.approx(expected)


@pytest.mark.parametrize(("seeds", "by_seed"), [(1, 0.0), (2, 0.0), (2, 0.3), (3, 0.3), (5, 0.6)])
def test_equal_methods_have_other_aurocs_in_one_of_twenty_test_sets_however_far_a_seed_moves_them(seeds, by_seed):
    sets, labels = equal_methods(400, seeds, by_seed)
    found = [delong(*(placements(one, labels) for one in scores)) < 0.05 for scores in sets]
    assert 0.01 < np.mean(found) < 0.075


def test_one_fit_of_each_would_take_the_luck_of_seeds_for_a_difference():
    sets, labels = equal_methods(200, 1, 0.6)
    assert np.mean([delong(*(placements(one, labels) for one in scores)) < 0.05 for scores in sets]) > 0.2


def test_methods_that_rank_perfectly_or_alike_do_not_differ_and_constant_ones_are_told_apart_no_better_than_images_can():
    labels = np.repeat([False, True], [4, 5])
    perfect, constant = (placements(one, labels) for one in (labels.astype(float), np.zeros(9)))
    assert delong(perfect, placements(labels * 3.0, labels)) == 1.0
    assert delong(perfect, constant) == 2**-8
    assert better_placed(perfect, constant) == (9, 0)


def test_the_paired_bootstrap_has_the_standard_error_of_scipys():
    scores, labels = equal_methods(1, 1, 0.0, 40, 60)
    a, b = (drawn(one, labels, 999) for one in scores[0])
    ours = (a - b)[0, 1:].std(ddof=1)

    def apart(normal, abnormal):
        chosen = np.concatenate([normal, abnormal])
        return np.subtract(*(average_precision(one[0][chosen], labels[chosen]) for one in scores[0]))

    theirs = bootstrap(
        [np.flatnonzero(~labels), np.flatnonzero(labels)], apart, n_resamples=999, vectorized=False, method="basic",
        rng=np.random.default_rng(1),
    ).standard_error  # fmt: skip
    assert ours == pytest.approx(theirs, rel=0.1)


@pytest.mark.parametrize(("seeds", "by_seed"), [(1, 0.0), (3, 0.3)])
def test_equal_methods_are_told_apart_by_the_bootstrap_in_one_of_twenty_test_sets(seeds, by_seed):
    sets, labels = equal_methods(60, seeds, by_seed)
    found = [paired_bootstrap(*(drawn(one, labels, 99) for one in scores), len(labels)) < 0.05 for scores in sets]
    assert np.mean(found) <= 0.1


def test_a_difference_that_is_there_is_found_by_either_test():
    sets, labels = equal_methods(40, 3, 0.1, shift=0.8)
    assert np.mean([delong(*(placements(one, labels) for one in scores)) < 0.05 for scores in sets]) > 0.6
    few = [paired_bootstrap(*(drawn(one, labels, 99) for one in scores), len(labels)) < 0.05 for scores in sets]
    assert np.mean(few) > 0.5


def test_aurocs_and_bootstrapped_figures_are_compared_on_the_seeds_that_both_have():
    sets, labels = equal_methods(1, 3, 0.3)
    a, b = ({seed: placements(one, labels) for seed, one in enumerate(fits)} for fits in sets[0])
    del a[0]
    (pair,) = compare_aurocs({"a": a, "b": b})
    both = [Placements(*(np.concatenate([one[s][side] for s in (1, 2)]) for side in (0, 1))) for one in (a, b)]
    assert (pair.seeds, pair.p) == (2, delong(*both))
    assert pair.difference == pytest.approx(both[0].aurocs.mean() - both[1].aurocs.mean())
    figures = {name: dict(enumerate(drawn(fits, labels, 99))) for name, fits in zip("ab", sets[0], strict=True)}
    del figures["b"][2]
    (pair,) = compare_bootstrapped(figures, len(labels))
    assert (pair.seeds, pair.wins + pair.losses) == (2, 2)
    assert compare_aurocs({"a": {0: b[0]}, "b": {1: b[1]}}) == []
