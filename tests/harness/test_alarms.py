"""False alarms and misses as a line counts them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Counts, wilson
from harness.metrics.intervals import mean_with_interval
from harness.report.alarms import defect_rate_of, of_a_day, percent
from harness.report.formats.terminal import to_terminal
from harness.report.table import Document, Table
from harness_metrics.decisions import Precision

counts = st.tuples(st.integers(1, 80), st.integers(1, 80)).flatmap(
    lambda n: st.builds(Counts, st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@given(counts, st.floats(0.001, 0.9))
def test_precision_on_the_line_is_bayes_rule_and_lies_in_its_interval(found: Counts, rate: float) -> None:
    value = Precision(defect_rate=rate).value(found)
    right, alarms = rate * found.abnormal_rate, (1 - rate) * (1 - found.normal_rate)
    if right + alarms == 0:
        assert math.isnan(value)
        return
    assert value == pytest.approx(right / (right + alarms))
    low, high = Precision(defect_rate=rate).interval(found)
    assert 0 <= low <= value + 1e-12
    assert value <= high + 1e-12
    assert high <= 1


def test_the_interval_of_precision_on_the_line_is_bayes_rule_at_wilsons_bounds_of_both_rates() -> None:
    found = Counts(right_normal=18, n_normal=20, right_abnormal=27, n_abnormal=30)
    (right_low, right_high), (found_low, found_high) = wilson(18, 20, 0.975), wilson(27, 30, 0.975)

    def precision(alarm_rate: float, found_rate: float) -> float:
        return 0.1 * found_rate / (0.1 * found_rate + 0.9 * alarm_rate)

    bounds = precision(1 - right_low, found_low), precision(1 - right_high, found_high)
    assert Precision(defect_rate=0.1).interval(found) == pytest.approx(bounds)


def test_few_alarms_are_right_where_defects_are_rare() -> None:
    found = Counts(95, 100, 99, 100)
    assert Precision(defect_rate=0.5).value(found) > 0.95
    assert Precision(defect_rate=0.002).value(found) == pytest.approx(0.0382, abs=1e-4)


def test_what_two_rates_mean_for_a_day_is_said_in_parts() -> None:
    assert of_a_day(0.05, 0.1, 0.002) == (
        "of 10,000 parts a day 20 are defective, 18 of which it finds; "
        "499 of the 9,980 good ones give a false alarm: 3 % of its alarms are right"
    )
    assert of_a_day(0.0, 1.0, 0.002).endswith("it gives no alarm")


@pytest.mark.parametrize(("share", "said"), [(0.0, "0"), (0.004, "0.4"), (0.12, "12"), (0.995, "99.5"), (1.0, "100")])
def test_shares_are_said_in_per_cent(share: float, said: str) -> None:
    assert percent(share) == said


@given(st.lists(st.integers(1, 50).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=6))
def test_the_mean_of_rates_lies_in_its_interval_and_one_rate_has_wilsons(rates: list[tuple[int, int]]) -> None:
    mean, low, high = mean_with_interval(rates)
    assert low <= mean <= high
    if len(rates) == 1:
        assert (low, high) == pytest.approx(wilson(*rates[0]))


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 2.0])
def test_a_defect_rate_that_leaves_no_part_of_one_kind_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=f"defect_rate is {rate:g}, expected a share between 0 and 1"):
        Precision(defect_rate=rate)


def test_a_defect_rate_is_read_from_the_metric_that_asks_for_it() -> None:
    assert defect_rate_of("precision[defect_rate=0.002]") == 0.002
    assert defect_rate_of("auroc") is None


@pytest.mark.parametrize("width", [30, 40, 60])
def test_no_terminal_is_too_narrow_for_a_column_that_is_kept(width: int) -> None:
    row = ["dae + conv + mse", "12 % (5 to 24)", "0.123456789"]
    table = Table("t", ["method", "alarms", "more"], [row], kept=frozenset({"method", "alarms"}))
    shown = to_terminal(Document(lambda: [table], lambda: []), width)
    assert "alarms" in "".join(shown.split("\n"))
    assert ("more" in shown.split("A wider")[0]) == (width > 50)
