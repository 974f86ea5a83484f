"""What the harness counts on in a metric: a number in its range, which goes the way that it says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.api import CountMetric, Counts, Metric, Ranking, ScoreMetric
from harness.testing.parts import Check, fresh


def checks(metric: Metric) -> Iterator[Check]:
    """Those that apply to this metric."""
    yield check_says_what_it_is_made_from
    yield check_range_is_two_ascending_numbers
    if isinstance(metric, CountMetric | ScoreMetric):
        yield check_value_is_a_number_in_its_range
        yield check_a_perfect_detector_is_not_worse_than_chance
        yield check_same_input_gives_same_value
        yield check_copes_with_an_empty_class
        yield check_interval_holds_the_value
    if isinstance(metric, ScoreMetric):
        yield check_value_does_not_depend_on_the_order_of_images


def check_says_what_it_is_made_from(metric: Metric) -> None:
    """It is one of CountMetric, ScoreMetric and PixelMetric."""
    bases = [base.__name__ for base in type(metric).__mro__ if base.__module__.startswith("harness.api")]
    assert bases[0] != "Metric", "it is derived from Metric itself: expected CountMetric, ScoreMetric or PixelMetric"
    assert isinstance(metric.version, int), f"version is {metric.version!r}, expected a whole number"
    assert metric.version >= 1, f"version is {metric.version!r}, expected at least 1"


def check_range_is_two_ascending_numbers(metric: Metric) -> None:
    """`range` is the lowest and the highest value."""
    low, high = metric.range
    assert low < high, f"range is {metric.range}, expected the lowest value and then the highest"


def check_value_is_a_number_in_its_range(metric: CountMetric | ScoreMetric) -> None:
    """For detectors from hopeless to perfect."""
    low, high = metric.range
    for quality in (-3.0, 0.0, 0.7, 3.0):
        value = _value(metric, quality)
        assert low <= value <= high, f"it gave {value}, expected a number from {low:g} to {high:g}, as its range says"


def check_a_perfect_detector_is_not_worse_than_chance(metric: CountMetric | ScoreMetric) -> None:
    """Scores that part the classes have a better value than scores that know nothing: `higher_is_better` says which."""
    perfect, blind = _value(metric, 100.0), _value(metric, 0.0)
    better = perfect >= blind if metric.higher_is_better else perfect <= blind
    way = "higher" if metric.higher_is_better else "lower"
    assert better, f"a perfect detector has {perfect:.4g}, a blind one {blind:.4g}, and {way} is said to be better"


def check_same_input_gives_same_value(metric: CountMetric | ScoreMetric) -> None:
    """Neither chance nor what it saw before has a part in it."""
    first = _value(fresh(metric), 0.7)
    _value(metric, 3.0)
    assert _value(metric, 0.7) == first, f"the same scores gave {first}, then {_value(metric, 0.7)}"


def check_copes_with_an_empty_class(metric: CountMetric | ScoreMetric) -> None:
    """Without anomalous images, or without normal ones, it gives a number or nan, and raises nothing."""
    for labels in (np.zeros(5, dtype=bool), np.ones(5, dtype=bool)):
        ranking = Ranking(np.arange(5.0), labels)
        value = metric.value(ranking.counts(2.0)) if isinstance(metric, CountMetric) else metric.value(ranking)
        assert isinstance(value, float), f"it gave {value!r} of type {type(value).__name__}, expected a float"


def check_interval_holds_the_value(metric: CountMetric | ScoreMetric) -> None:
    """An interval, where there is one, lies around the value and within the range."""
    ranking = _ranking(0.7)
    if isinstance(metric, CountMetric):
        value, interval = metric.value(ranking.counts(0.35)), metric.interval(ranking.counts(0.35))
    else:
        value, interval = metric.value(ranking), metric.interval(ranking)
    if interval is not None:
        low, high = interval
        assert low <= value <= high, f"the interval is {low:.4g} to {high:.4g}, and the value {value:.4g}"


def check_value_does_not_depend_on_the_order_of_images(metric: ScoreMetric) -> None:
    """Test images come in no particular order."""
    ranking = _ranking(0.7)
    order = np.random.default_rng(1).permutation(len(ranking.scores))
    value, other = metric.value(ranking), metric.value(Ranking(ranking.scores[order], ranking.labels[order]))
    assert abs(value - other) <= 1e-12 * max(1.0, abs(value)), f"it gave {value}, and {other} in another order"


def _ranking(quality: float) -> Ranking:
    """Scores of 40 normal and 20 anomalous images, whose means are this many standard deviations apart."""
    labels = np.arange(60) >= 40
    return Ranking(np.random.default_rng(0).normal(size=60) + quality * labels, labels)


def _value(metric: CountMetric | ScoreMetric, quality: float) -> float:
    ranking = _ranking(quality)
    if isinstance(metric, CountMetric):
        counts: Counts = ranking.counts(quality / 2)
        return metric.value(counts)
    return metric.value(ranking)
