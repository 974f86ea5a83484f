"""Limits from all normal images, each scored by a model that never saw it, and what so many images can promise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from harness import Images, Model, Pool, Scores, TooFewError, UsageError, at_most, images_needed, p_values
from harness.api import FloatArray
from harness.plugin.registry import Registry
from harness.trials.crossfitting import cross_fitted, folds_of
from harness.trials.fitting import Fitting
from harness.trials.observers import Observer
from harness.trials.settings import Settings
from harness.trials.trial import Trial
from harness_features.detectors import KNN
from harness_features.models import RandomMemory
from harness_timm.encoders import Conv

SEEN: list[set[int]] = []


class Remembers(Model):
    """Scores 1 what it has not been fitted on, and 0 what it has."""

    name = "remembers"

    def fit(self, normal: Images, **parts: object) -> None:
        self.seen = {int(one) for one in normal.pixels.reshape(len(normal), -1)[:, 0]}
        SEEN.append(self.seen)

    def score(self, images: Images) -> Scores:
        firsts = images.pixels.reshape(len(images), -1)[:, 0]
        return Scores(images=np.array([float(int(one) not in self.seen) for one in firsts]))


def pictures(values: Sequence[int], size: int = 8) -> Images:
    """Images of noise, of which equal values are equal."""
    pixels = np.stack([np.random.default_rng(value).integers(0, 256, (size, size, 3), np.uint8) for value in values])
    pixels[:, 0, 0, 0] = values
    return Images(pixels, tuple(f"{at}.png" for at in range(len(values))))


def fitted(images: Images) -> Model:
    model = Remembers()
    model.fit(images)
    return model


def fitted_to(images: Images) -> AbstractContextManager[Model]:
    return nullcontext(fitted(images))


@given(st.lists(st.integers(0, 20), min_size=2, max_size=60), st.integers(0, 5))
def test_folds_are_about_equal_and_keep_groups_together(numbers: list[int], seed: int) -> None:
    group = np.unique(numbers, return_inverse=True)[1]
    if group.max() == 0:
        with pytest.raises(TooFewError, match="2 normal images that are not the same"):
            folds_of(group, seed)
        return
    fold = folds_of(group, seed)
    assert all(len(set(fold[group == one])) == 1 for one in group)
    sizes = np.bincount(fold)
    assert len(sizes) == min(5, group.max() + 1)
    assert sizes.max() - sizes.min() <= np.bincount(group).max()
    assert np.array_equal(fold, folds_of(group, seed))


def test_each_image_is_scored_by_a_model_that_saw_neither_it_nor_its_like() -> None:
    SEEN.clear()
    images = pictures([1, 2, 3, 4, 5, 6, 7, 8, 1, 2])
    model = fitted(images)
    found = cross_fitted(model, fitted_to, images, {}, {}, 0)
    assert found.scores["-"].tolist() == [1.0] * 10
    assert len(SEEN) == 6, "one model of all images, and five that leave some out"
    assert min(len(seen) for seen in SEEN[1:]) >= 6


def test_one_image_alone_cannot_be_cross_fitted() -> None:
    with pytest.raises(TooFewError, match="there is 1; fit without --calibrate crossfit"):
        cross_fitted(fitted(pictures([1])), fitted_to, pictures([1]), {}, {}, 0)


class Highest(Pool):
    name = "highest"

    def score(self, maps: FloatArray) -> FloatArray:
        return maps.max(axis=(1, 2))


@pytest.mark.parametrize(
    "model", [KNN(features="pooled", k=2), KNN(k=1), RandomMemory()], ids=["pooled", "knn", "memory"]
)
def test_neighbours_leave_an_image_out_as_another_fit_would(model: Model) -> None:
    from dataclasses import replace

    from harness import Run

    run, images = Run(image_size=32), pictures([1, 2, 3, 4, 5, 2], 32)
    model.fit(images, encoder=Conv(), loss=None, run=run)
    pools = {} if model.uses == {"encoder"} else {"highest": Highest()}
    asked = {"more": Highest()} if pools else {}
    found = cross_fitted(model, lambda some: pytest.fail("it needs no other fit"), images, pools, asked, 0)
    assert [*found.scores] == ([*pools, "more"] if pools else ["-"])
    scores, *more = found.scores.values()
    assert all(np.array_equal(one, scores) for one in more)
    for at, others in ((0, [1, 2, 3, 4, 5]), (1, [0, 2, 3, 4])):  # the last is the same as the second
        again = replace(model)
        again.fit(images.take(np.array(others)), encoder=Conv(), loss=None, run=run)
        one = again.score(images.take(np.array([at])))
        expected = one.images if one.maps is None else one.maps.max(axis=(1, 2))
        assert scores[at] == pytest.approx(expected[0], rel=1e-4, abs=1e-5)
        assert scores[at] > 1e-3


def test_cross_fitting_changes_the_limit_and_no_score_of_a_test_image(dots_plugin: Path) -> None:
    from harness.trials.datasets import load, open_dataset

    registry = Registry.discover([dots_plugin])
    trial = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    split = load(open_dataset(registry, "dots", None), "large", 16)
    fitting = Fitting(registry, "cpu", None, (), None, lambda *_: None)
    both = (trial, trial._replace(calibrate="crossfit"))
    plain, crossed = (fitting.fit(one, {"large": split}, Observer()) for one in both)
    for pool, scores in plain.evidence.test.items():
        assert np.array_equal(scores, crossed.evidence.test[pool])
        assert len(crossed.evidence.normal[pool]) == len(split.train)
    assert crossed.evidence.normal["mean"].mean() > plain.evidence.normal["mean"].mean()
    assert (plain.record.calibrated_on, crossed.record.calibrated_on) == ("fitted", "crossfit")


def test_a_trial_that_is_not_cross_fitted_has_the_key_that_it_always_had() -> None:
    trial = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    assert "calibrate" not in trial.written()
    assert trial._replace(calibrate="crossfit").written()["calibrate"] == "crossfit"


def test_what_limits_are_set_on_is_asked_in_one_way() -> None:
    assert Settings.of({"calibrate": "holdout"}).holdout == 0.2
    assert Settings.of({"calibrate": "holdout", "holdout": 0.5}).holdout == 0.5
    assert Settings.of({"calibrate": "crossfit"}).calibrate == "crossfit"
    with pytest.raises(UsageError, match="calibrate crossfit holds nothing out, and --holdout is 0.2"):
        Settings.of({"calibrate": "crossfit", "holdout": 0.2}, "command line")


@pytest.mark.parametrize("asked", ["1%", "1 %", 0.01, "0.01"])
def test_a_share_of_false_alarms_is_short_for_a_tolerance(asked: str | float) -> None:
    assert Settings.of({"max_false_alarms": asked}).thresholds == ("tolerance[alpha=0.01]",)
    assert Settings.of({"max_false_alarms": asked, "thresholds": "quantile"}).thresholds[1] == "quantile"


@pytest.mark.parametrize("asked", ["0", "100%", "1", "-1%", "one", True])
def test_a_share_lies_above_none_and_below_all(asked: object) -> None:
    with pytest.raises(UsageError, match="expected a share above 0 and below 1, such as 1% or 0.01"):
        Settings.of({"max_false_alarms": asked})


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_upper_bound_of_a_rate_is_the_one_that_the_binomial_gives(k: int, n: int, confidence: float) -> None:
    if k >= n:
        assert at_most(n, n, confidence) == 1.0
        return
    assert binom.cdf(k, n, at_most(k, n, confidence)) == pytest.approx(1 - confidence, abs=1e-9)


def test_so_many_images_are_needed_as_the_page_says() -> None:
    assert [images_needed(share) for share in (0.05, 0.01, 0.1)] == [59, 299, 29]
    assert at_most(0, 59) <= 0.05 < at_most(0, 58)
    assert at_most(0, 12) == pytest.approx(0.221, abs=5e-4)


def test_p_values_of_new_normal_images_are_no_smaller_than_chance_makes_them() -> None:
    random = np.random.default_rng(0)
    found = np.concatenate([p_values(row[:-1], row[-1:]) for row in random.gamma(4.0, size=(4000, 40))])
    for share in (0.025, 0.05, 0.1, 0.5):
        assert np.mean(found <= share) == pytest.approx(share, abs=0.02)
    assert p_values(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 9.0])).tolist() == [1.0, 0.75, 0.25]
