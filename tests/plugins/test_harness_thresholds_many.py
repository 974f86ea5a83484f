"""A threshold that judges many sets of scores at once gives each the limit that it has alone."""

from __future__ import annotations

import numpy as np
import pytest

from harness import Rankings, Threshold, TooFewError, spell
from harness_thresholds import Conformal, F1Oracle, Mean, MeanStd, MedianMad, Pot, Quantile, Tolerance
from harness_thresholds.limits import quantile
from harness_thresholds.tail import fit_pareto

SCORES = np.random.default_rng(0).gamma(2.0, 1.0, (5, 80))


@pytest.mark.parametrize(
    "threshold",
    [
        Mean(), MeanStd(), MeanStd(k=0.0), MedianMad(), MedianMad(k=1.5), Quantile(), Quantile(q=0.0), Quantile(q=1.0), Quantile(q=0.333),
        Conformal(), Conformal(alpha=0.2), Tolerance(), Tolerance(alpha=0.1, confidence=0.5),
    ],
    ids=spell,
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 2, 3, 80])
def test_many_rows_have_the_limits_that_each_has_alone(threshold: Threshold, count: int) -> None:
    rows = SCORES[:, :count]
    try:
        alone = [threshold.fit(row) for row in rows]
    except TooFewError as error:
        with pytest.raises(TooFewError, match=f"there (is|are) {count}:"):
            threshold.fit_many(rows)
        assert f"{count}:" in str(error)
        return
    assert threshold.fit_many(rows).tolist() == alone
    assert threshold.fit_many(np.asfortranarray(rows)).tolist() == alone, "however they lie in memory"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_in_any_row(bad: float) -> None:
    rows = SCORES.copy()
    rows[3, 7] = bad
    for threshold in (Mean(), MeanStd(), MedianMad(), Quantile(), Conformal(), Tolerance()):
        with pytest.raises(ValueError, match=r"^some normal scores are not finite: expected all of at least one$"):
            threshold.fit_many(rows)
        with pytest.raises(ValueError, match=r"^79 of 80 normal scores are finite: expected all of at least one$"):
            threshold.fit(rows[3])
    with pytest.raises(ValueError, match="are not finite"):
        Mean().fit_many(np.empty((3, 0)))
    with pytest.raises(ValueError, match="^0 of 0 normal scores"):
        Mean().fit(np.empty(0))


@pytest.mark.parametrize("q", [0.0, 0.1, 0.5, 0.95, 1.0])
def test_a_quantile_is_that_of_numpy(q: float) -> None:
    for count in (1, 2, 7, 80):
        row = np.sort(SCORES[0, :count])
        assert quantile(row, q) == pytest.approx(float(np.quantile(row, q)), rel=1e-12)
        assert Quantile(q=q).fit(SCORES[0, :count]) == quantile(row, q)


def test_limits_are_the_published_formulas() -> None:
    row = np.array([4.0, 1.0, 2.0, 9.0])
    assert Mean().fit(row) == 4
    assert MeanStd().fit(row) == pytest.approx(4 + 3 * row.std())
    assert MedianMad().fit(row) == pytest.approx(3 + 3 * 1.4826 * 1.5)
    assert MedianMad(k=0.0).fit(row) == 3
    scores = np.arange(1.0, 20.0)
    assert Conformal(alpha=0.05).fit(scores) == 19
    assert Conformal(alpha=0.1).fit(scores) == 18
    assert Tolerance(alpha=0.5, confidence=0.5).fit(scores) == 10


def test_too_few_scores_are_refused_with_how_many_more_and_what_they_can_promise() -> None:
    for threshold, count, said in (
        (Conformal(), 18, "conformal needs 19 normal images, and there are 18: collect 1 more, or ask for conformal[alpha=0.053]"),
        (Conformal(), 1, "conformal needs 19 normal images, and there is 1: collect 18 more, or ask for conformal[alpha=0.5]"),
        (Tolerance(), 58, "tolerance needs 59 normal images, and there are 58: collect 1 more, or ask for tolerance[alpha=0.051]"),
        (Tolerance(alpha=0.01), 58, "tolerance[alpha=0.01] needs 299 normal images, and there are 58: collect 241 more, or ask for tolerance[alpha=0.051]"),
    ):  # fmt: skip
        with pytest.raises(TooFewError) as refused:
            threshold.fit(np.arange(float(count)))
        assert str(refused.value) == said
    with pytest.raises(TooFewError, match=r"collect 58 more, or ask for tolerance\[alpha=0\.95\]$"):
        Tolerance(confidence=0.95).fit(np.array([1.0]))
    with pytest.raises(TooFewError, match=r"and there is 1: collect \d+ more$"):
        Tolerance(confidence=0.9999).fit(np.array([1.0]))  # no share below 1 can be promised by one score


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Conformal(alpha=0.0), "alpha is 0, expected a number between 0 and 1"),
        (lambda: Conformal(alpha=1.0), "alpha is 1, expected a number between 0 and 1"),
        (lambda: Tolerance(alpha=1.0), "alpha is 1, expected a number between 0 and 1"),
        (lambda: Tolerance(confidence=0.0), "confidence is 0, expected a number between 0 and 1"),
        (lambda: Tolerance(confidence=1.0), "confidence is 1, expected a number between 0 and 1"),
        (lambda: MeanStd(k=-0.1), "k is -0.1, expected a number from 0"),
        (lambda: MedianMad(k=-0.1), "k is -0.1, expected a number from 0"),
        (lambda: Quantile(q=1.1), "q is 1.1, expected a number from 0 to 1"),
        (lambda: Quantile(q=-0.1), "q is -0.1, expected a number from 0 to 1"),
        (lambda: Pot(level=1.0), "level is 1, expected a number between 0 and 1"),
        (lambda: Pot(level=0.0), "level is 0, expected a number between 0 and 1"),
        (lambda: Pot(risk=0.1), "risk is 0.1, expected a number between 0 and 0.1, 1 - level"),
        (lambda: Pot(risk=0.0), "risk is 0, expected a number between 0 and 0.1, 1 - level"),
    ],
)
def test_options_out_of_range_are_refused_with_what_was_expected(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        make()  # type: ignore[operator]


def test_the_tail_of_exponential_scores_has_no_shape_and_its_limit_is_nearly_exact() -> None:
    excesses = np.sort(np.random.default_rng(1).exponential(2.0, 4000))
    shape, scale = fit_pareto(excesses)
    assert shape == pytest.approx(0, abs=0.05)
    assert scale == pytest.approx(2, rel=0.05)
    scores = np.random.default_rng(2).exponential(1.0, 20_000)
    assert Pot(risk=0.001).fit(scores) == pytest.approx(np.log(1000), rel=0.05)
    heavy, _ = fit_pareto(np.sort(np.random.default_rng(3).pareto(2.0, 4000)))
    assert heavy == pytest.approx(0.5, abs=0.08)
    assert fit_pareto(np.sort(np.random.default_rng(3).pareto(0.3, 500)))[0] == 1, "a tail has a mean"


def test_few_excesses_have_an_exponential_tail_and_equal_scores_none() -> None:
    assert fit_pareto(np.arange(1.0, 10.0)) == (0.0, 5.0)
    assert fit_pareto(np.arange(1.0, 11.0))[0] != 0
    scores = np.arange(1.0, 21.0)
    start = quantile(scores, 0.9)
    excess = np.array([19.0, 20.0]) - start
    assert Pot().fit(scores) == pytest.approx(start + excess.mean() * np.log(2 / (0.001 * 20)))
    assert Pot().fit(np.ones(50)) == 1


def test_the_oracle_gives_many_rows_the_limits_that_each_has_alone() -> None:
    random = np.random.default_rng(5)
    for normal, abnormal in ((6, 4), (1, 5), (5, 1), (4, 0), (0, 3)):
        labels = np.array([False] * normal + [True] * abnormal)
        rows = np.round(random.normal(0, 1, (40, len(labels))) + labels, 1)
        rankings = Rankings(rows, labels)
        alone = [F1Oracle().fit_oracle(row, labels) for row in rows]
        assert F1Oracle().fit_oracle_many(rankings).tolist() == alone


def test_the_oracle_s_limit_lies_half_way_below_what_it_calls_anomalous() -> None:
    labels = np.array([False, False, True, True])
    assert F1Oracle().fit_oracle(np.array([1.0, 2.0, 4.0, 5.0]), labels) == 3
    assert F1Oracle().fit_oracle(np.array([1.0, 3.0, 2.0, 5.0]), labels) == 1.5
    assert F1Oracle().fit_oracle(np.array([1.0, 2.0]), np.array([False, False])) == 2
    lowest = F1Oracle().fit_oracle(np.array([4.0, 5.0]), np.array([True, True]))
    assert 3.999 < lowest < 4
