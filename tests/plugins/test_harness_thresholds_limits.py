from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import gamma, genpareto, median_abs_deviation

import harness_thresholds
from harness import Threshold, TooFewError, UsageError, spell
from harness.plugin.registry import Registry
from harness_thresholds.guarantees import Conformal, Tolerance
from harness_thresholds.limits import Mean, MeanStd, MedianMad, Quantile
from harness_thresholds.tail import Pot, fit_pareto

scores = arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))
NORMAL_ONLY = [Mean(), MeanStd(), MedianMad(), Quantile(), Pot()]


@pytest.fixture(scope="module")
def registry() -> Registry:
    registry = Registry()
    registry.register(harness_thresholds, "thresholds", "anomaly-harness")
    return registry


@given(scores)
def test_mean_is_the_papers(normal: np.ndarray) -> None:
    assert Mean().fit(normal) == pytest.approx(np.mean(normal))


@given(scores, st.floats(0, 10))
def test_mean_std_lies_k_standard_deviations_above_the_mean(normal: np.ndarray, k: float) -> None:
    assert MeanStd(k=k).fit(normal) == pytest.approx(np.mean(normal) + k * np.std(normal))


@given(scores, st.floats(0, 1))
def test_quantile_is_numpys(normal: np.ndarray, q: float) -> None:
    assert Quantile(q=q).fit(normal) == pytest.approx(np.quantile(normal, q), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("alpha", "n", "place"), [(0.05, 42, 41), (0.05, 19, 19), (0.05, 39, 38), (0.5, 3, 2), (0.01, 99, 99)]
)
def test_conformal_is_the_order_statistic_that_counts_the_new_image_too(alpha: float, n: int, place: int) -> None:
    assert Conformal(alpha=alpha).fit(np.arange(1, n + 1)[::-1]) == place


@pytest.mark.parametrize("n", [19, 42, 99])
def test_conformal_keeps_false_alarms_at_its_share_where_the_quantile_does_not(n: int) -> None:
    drawn = np.random.default_rng(0).gamma(4.0, size=(3000, n + 1))
    alarms = {
        spell(threshold): np.mean([row[-1] > threshold.fit(row[:-1]) for row in drawn])
        for threshold in (Conformal(), Quantile())
    }
    assert 0.03 < alarms["conformal"] < 0.058
    assert alarms["quantile"] > alarms["conformal"]
    assert n > 42 or alarms["quantile"] > 0.06


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 59), (0.05, 100), (0.05, 299), (0.01, 299), (0.2, 30)])
def test_tolerance_bounds_the_rate_itself_with_its_confidence(alpha: float, n: int) -> None:
    drawn = np.random.default_rng(0).gamma(4.0, size=(3000, n))
    rates = gamma(4.0).sf([Tolerance(alpha=alpha).fit(row) for row in drawn])
    assert np.mean(rates <= alpha) > 0.94
    place = int(np.searchsorted(np.sort(drawn[0]), Tolerance(alpha=alpha).fit(drawn[0])))
    lower = np.sort(drawn, axis=1)[:, place - 1]
    assert np.mean(gamma(4.0).sf(lower) <= alpha) < 0.95, "the next lower score does not promise it"


@pytest.mark.parametrize("levels", [1, 2, 5, 40])
def test_conformal_and_tolerance_promise_no_less_where_scores_are_few_values_and_tie(levels: int) -> None:
    """An image at the limit is no alarm, so that ties can only make alarms rarer."""
    random = np.random.default_rng(levels)
    chances = random.dirichlet(np.ones(levels))
    drawn = random.choice(levels, p=chances, size=(3000, 100)).astype(float)
    beyond = 1 - np.cumsum(chances)  # the rate of alarms at each value as limit
    for threshold in (Conformal(), Tolerance()):
        rates = np.maximum(beyond[[int(threshold.fit(row)) for row in drawn]], 0)
        assert np.mean(rates) < 0.055
        assert isinstance(threshold, Conformal) or np.mean(rates <= 0.05 + 1e-12) > 0.94


@pytest.mark.parametrize(
    ("threshold", "n", "needed"),
    [(Tolerance(), 58, 59), (Tolerance(alpha=0.01), 298, 299), (Conformal(), 18, 19), (Conformal(alpha=0.01), 98, 99)],
)
def test_too_few_images_are_refused_with_the_number_that_is_needed(threshold: Threshold, n: int, needed: int) -> None:
    scores = np.random.default_rng(0).gamma(4.0, size=needed)
    assert threshold.fit(scores) == scores.max()
    with pytest.raises(TooFewError, match=f"needs {needed} normal images, and there are {n}: collect 1 more"):
        threshold.fit(scores[:n])


def test_what_is_suggested_for_too_few_images_can_be_kept() -> None:
    for kind in (Tolerance, Conformal):
        for n in (2, 5, 12, 40):
            with pytest.raises(TooFewError) as refused:
                kind(alpha=0.001).fit(np.arange(n))
            alpha = float(str(refused.value).rpartition("alpha=")[2].rstrip("]"))
            assert kind(alpha=alpha).fit(np.arange(n)) == n - 1


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_a_share_of_false_alarms_lies_between_none_and_all(alpha: float) -> None:
    with pytest.raises(ValueError, match="expected a number between 0 and 1"):
        Conformal(alpha=alpha)


@given(scores, st.floats(0, 10))
def test_median_mad_is_scipys(normal: np.ndarray, k: float) -> None:
    deviation = median_abs_deviation(normal, scale=1 / 1.4826)
    assert MedianMad(k=k).fit(normal) == pytest.approx(np.median(normal) + k * deviation, rel=1e-9, abs=1e-9)


def test_one_outlier_moves_mean_std_and_not_median_mad() -> None:
    normal = np.append(np.linspace(0.9, 1.1, 99), 50.0)
    assert MeanStd().fit(normal) > 15
    assert MedianMad().fit(normal) < 1.3


@pytest.mark.parametrize("threshold", NORMAL_ONLY, ids=spell)
@given(normal=scores)
def test_order_and_precision_of_the_scores_do_not_matter(threshold: Threshold, normal: np.ndarray) -> None:
    single = normal.astype(np.float32)
    assert threshold.fit(single[::-1]) == threshold.fit(single) == threshold.fit(single.astype(np.float64))


@pytest.mark.parametrize("threshold", NORMAL_ONLY, ids=spell)
@given(normal=scores, shift=st.floats(-1e3, 1e3), unit=st.floats(1e-3, 1e3))
def test_a_limit_moves_with_its_scores(threshold: Threshold, normal: np.ndarray, shift: float, unit: float) -> None:
    normal = np.round(normal, 3)  # so that rounding separates no ties
    span = np.ptp(normal) + np.abs(normal).max() + abs(shift) + 1
    limit = threshold.fit(normal)
    assert np.isfinite(limit)
    assert threshold.fit(unit * normal) == pytest.approx(unit * limit, abs=1e-6 * unit * span * max(1, abs(limit)))


@pytest.mark.parametrize("threshold", NORMAL_ONLY, ids=spell)
@pytest.mark.parametrize(("normal", "finite"), [([], 0), ([0.1, np.nan], 1), ([-np.inf, 0.5, 0.6], 2), ([np.inf], 0)])
def test_scores_that_give_no_limit_are_refused(threshold: Threshold, normal: list[float], finite: int) -> None:
    with pytest.raises(ValueError, match=f"{finite} of {len(normal)} normal scores are finite"):
        threshold.fit(np.array(normal))


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("mean_std[k=-1]", "k is -1, expected a number from 0"),
        ("median_mad[k=-0.5]", "k is -0.5, expected a number from 0"),
        ("quantile[q=-0.5]", "q is -0.5, expected a number from 0 to 1"),
        ("quantile[q=1.5]", "q is 1.5, expected a number from 0 to 1"),
        ("pot[level=1]", "level is 1, expected a number between 0 and 1"),
        ("pot[risk=0.2]", "risk is 0.2, expected a number between 0 and 0.1, 1 - level"),
        ("pot[risk=0]", "risk is 0, expected a number between 0 and 0.1, 1 - level"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(registry: Registry, spelling: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected.replace(".", r"\.")):
        registry.make(Threshold, spelling)


def test_all_are_offered(registry: Registry) -> None:
    assert list(registry.offers(Threshold)) == [
        "conformal", "f1_oracle", "mean", "mean_std", "median_mad", "pot", "quantile", "tolerance"
    ]  # fmt: skip


def test_listing_them_loads_neither_scipy_nor_torch() -> None:
    code = (
        "import sys, harness_thresholds; harness_thresholds.harness_thresholds();"
        "print(sorted({'scipy', 'torch', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_a_pareto_tail_is_found_as_well_as_by_maximum_likelihood(shape: float) -> None:
    ours, theirs = [], []
    for seed in range(40):
        excesses = np.sort(genpareto.rvs(shape, scale=0.3, size=40, random_state=seed))
        ours.append(fit_pareto(excesses))
        fitted_shape, _, fitted_scale = genpareto.fit(excesses, floc=0)
        theirs.append((fitted_shape, fitted_scale))
    truth = np.array([shape, 0.3])
    errors = [np.sqrt(np.mean((np.array(fits) - truth) ** 2, axis=0)) for fits in (ours, theirs)]
    assert (errors[0] <= errors[1]).all()


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_a_long_tail_is_found_closely(shape: float) -> None:
    excesses = np.sort(genpareto.rvs(shape, scale=2.0, size=20_000, random_state=0))
    assert fit_pareto(excesses) == pytest.approx((shape, 2.0), abs=0.05)


@pytest.mark.parametrize("risk", [0.01, 0.001])
def test_pot_lets_the_risk_through(risk: float) -> None:
    rng = np.random.default_rng(0)
    limit = Pot(risk=risk).fit(rng.gamma(4, 0.05, 20_000))
    assert (rng.gamma(4, 0.05, 1_000_000) > limit).mean() == pytest.approx(risk, rel=0.2)


@pytest.mark.parametrize("normal", [[0.5], [0.5] * 50, [0.0] + [0.5] * 50], ids=["one", "equal", "equal at the top"])
def test_pot_of_scores_without_a_tail_is_where_it_would_begin(normal: list[float]) -> None:
    assert Pot().fit(np.array(normal)) == 0.5


def test_pot_of_a_tail_that_holds_less_than_the_risk_is_where_it_begins() -> None:
    normal = np.append(np.full(97, 0.5), [0.6, 0.7, 0.8])
    assert Pot(risk=0.05).fit(normal) == 0.5


def test_pot_takes_few_excesses_for_an_exponential_tail() -> None:
    normal = np.append(np.zeros(45), [1.0, 2, 3, 4, 5])
    start = np.quantile(normal, 0.9)
    assert Pot(risk=0.01).fit(normal) == pytest.approx(start + (3 - start) * np.log(5 / 50 / 0.01))


@pytest.mark.parametrize(
    "excesses",
    [np.ones(16), np.full(20, 1e-300), np.geomspace(1e-300, 1e300, 60), np.append(np.full(30, 1e-9), 1.0)],
    ids=["equal", "equal and tiny", "of all sizes", "with an outlier"],
)
def test_odd_tails_have_a_finite_limit(excesses: np.ndarray) -> None:
    shape, scale = fit_pareto(excesses)
    assert shape <= 1
    assert 0 < scale < np.inf
