"""What the harness relies on in a threshold: that it follows the scores, and sees no labels unless it says so."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from harness.api import BoolArray, FloatArray, OracleThreshold, Rankings, Threshold
from harness.errors import TooFewError
from harness.testing.parts import Check, fresh
from harness.verdicts.together import has_form_for_many

_DOUBLINGS = 12
"""How often few scores are doubled for a threshold that refuses them: from 1 to 4096."""


def checks(threshold: Threshold) -> Iterator[Check]:
    """The checks that apply to this threshold."""
    yield check_sees_labels_only_if_oracle
    yield check_limit_is_a_finite_number
    yield check_limit_does_not_depend_on_order
    yield check_limit_moves_with_the_scores
    yield check_same_scores_give_same_limit
    yield check_leaves_scores_unchanged
    yield check_copes_with_degenerate_scores
    yield check_many_trials_get_the_limits_of_each


def check_sees_labels_only_if_oracle(threshold: Threshold) -> None:
    """`oracle` and OracleThreshold go together; any other threshold takes the scores of normal images alone."""
    derived = isinstance(threshold, OracleThreshold)
    assert threshold.oracle == derived, (
        f"oracle is {threshold.oracle}, but it is {'' if derived else 'not '}derived from OracleThreshold"
    )
    if not derived:
        takes = list(inspect.signature(threshold.fit).parameters)
        assert len(takes) == 1, f"fit takes {', '.join(takes) or 'nothing'}, expected normal scores and nothing else"
        assert not hasattr(threshold, "fit_oracle"), "it has fit_oracle, which only an OracleThreshold may have"


def check_limit_is_a_finite_number(threshold: Threshold) -> None:
    """The limit is finite for scores as models give them, many and few, large and small."""
    for count in (200, 20):
        for scale in (1.0, 1e-3, 1e3):
            scores, labels = _scores(count)
            limit = _limit(threshold, scale * scores, labels)
            assert isinstance(limit, float), f"the limit is {limit!r} of type {type(limit).__name__}, expected a float"
            assert np.isfinite(limit), f"{count} scores {_range(scale * scores)} gave a limit of {limit}"


def check_limit_does_not_depend_on_order(threshold: Threshold) -> None:
    """Scores in another order give the same limit."""
    scores, labels = _scores(50)
    order = np.random.default_rng(1).permutation(len(scores))
    limit, other = _limit(threshold, scores, labels), _limit(threshold, scores[order], labels[order])
    assert _close(limit, other), f"the limit is {limit:.6g}, but {other:.6g} for the same scores in another order"


def check_limit_moves_with_the_scores(threshold: Threshold) -> None:
    """If all scores are higher, so is the limit, whatever their unit."""
    scores, labels = _scores(50)
    for unit in (1.0, 1e-3, 1e3):
        limit = _limit(threshold, unit * scores, labels)
        for what, moved in (("all raised", unit * (scores + 0.5)), ("all doubled", unit * 2 * scores)):
            higher = _limit(threshold, moved, labels)
            assert higher > limit, (
                f"scores {_range(unit * scores)} gave a limit of {limit:.6g}; {what}, to {_range(moved)}, "
                f"they gave {higher:.6g}: expected a higher one"
            )


def check_same_scores_give_same_limit(threshold: Threshold) -> None:
    """The limit depends neither on chance nor on an earlier fit."""
    scores, labels = _enough(threshold, *_scores(50))
    used = fresh(threshold)
    first = _fit(used, scores, labels)
    _fit(used, 3 * scores, labels)
    for second in (_fit(used, scores, labels), _limit(threshold, scores, labels)):
        assert first == second, f"the same scores gave a limit of {first!r}, then of {second!r}"


def check_leaves_scores_unchanged(threshold: Threshold) -> None:
    """A threshold does not write into the scores, because all thresholds are given the same array."""
    scores, labels = _enough(threshold, *_scores(50))
    given = scores if isinstance(threshold, OracleThreshold) else scores[~labels]
    before = given.copy()
    if isinstance(threshold, OracleThreshold):
        threshold.fit_oracle(given, labels)
    else:
        threshold.fit(given)
    assert np.array_equal(given, before), f"the scores began with {before[:3]}, and after fitting with {given[:3]}"


def check_copes_with_degenerate_scores(threshold: Threshold) -> None:
    """One score, equal scores or labels of one class give a finite limit, not an error."""
    cases = {"one score": [0.5], "ten equal scores": [0.5] * 10, "ten scores of 0": [0.0] * 10, "two": [0.1, 0.2]}
    for what, values in cases.items():
        scores = np.array(values)
        labellings = [np.zeros(len(scores), dtype=bool)]
        if isinstance(threshold, OracleThreshold):
            labellings += [~labellings[0], np.arange(len(scores)) == 0]
        for labels in labellings:
            limit = _limit(threshold, scores, labels)
            assert np.isfinite(limit), f"{what} ({values[0]}, ...) gave a limit of {limit}, expected a finite one"


def check_many_trials_get_the_limits_of_each(threshold: Threshold) -> None:
    """The form for many trials, where it has one, gives each the limit that `fit` gives it, to the last bit."""
    if not has_form_for_many(threshold):
        return
    scores, labels = _enough(threshold, *_scores(50))
    rows = np.stack([unit * np.roll(scores, unit) for unit in range(1, 6)])
    if isinstance(threshold, OracleThreshold):
        many = threshold.fit_oracle_many(Rankings(rows, labels))
    else:
        many = threshold.fit_many(rows[:, ~labels])
    for limit, row in zip(np.asarray(many, dtype=np.float64), rows, strict=True):
        alone = _fit(threshold, row, labels)
        assert limit == alone, f"its form for many gives a limit of {limit!r}, and fit gives {alone!r}"


def _scores(count: int) -> tuple[FloatArray, BoolArray]:
    """Scores of `count` normal images and half as many anomalous ones, which are higher but overlap, and the labels."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.gamma(4.0, 0.05, count), rng.gamma(8.0, 0.05, count // 2)])
    return scores, np.arange(len(scores)) >= count


def _limit(threshold: Threshold, scores: FloatArray, labels: BoolArray) -> float:
    """The limit of a new threshold with the same options, of as many copies of the scores as it takes."""
    return _fit(fresh(threshold), *_enough(threshold, scores, labels))


def _enough(threshold: Threshold, scores: FloatArray, labels: BoolArray) -> tuple[FloatArray, BoolArray]:
    """The scores, doubled until a threshold that refuses too few of them takes them."""
    for _ in range(_DOUBLINGS):
        with suppress(TooFewError):
            _fit(fresh(threshold), scores, labels)
            break
        scores, labels = np.repeat(scores, 2), np.repeat(labels, 2)
    return scores, labels


def _fit(threshold: Threshold, scores: FloatArray, labels: BoolArray) -> float:
    if isinstance(threshold, OracleThreshold):
        return threshold.fit_oracle(scores.copy(), labels)
    return threshold.fit(scores[~labels])


def _close(left: float, right: float) -> bool:
    return abs(left - right) <= 1e-9 * max(abs(left), abs(right))


def _range(scores: FloatArray) -> str:
    return f"from {scores.min():.3g} to {scores.max():.3g}"
