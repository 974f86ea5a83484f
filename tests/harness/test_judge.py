from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness import Images, OracleThreshold, Threshold
from harness.metrics.intervals import auroc_interval, average_precision_interval, f1_interval, wilson
from harness.trials.holdout import hold_out
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.verdict import METRICS
from harness_pools import Largest, Mean, TopK

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


class Highest(Threshold):
    name = "highest"

    def fit(self, normal: np.ndarray) -> float:
        return float(normal.max())


class Meddler(Threshold):
    """Writes into what it is given."""

    name = "meddler"

    def fit(self, normal: np.ndarray) -> float:
        normal[:] = 99.0
        return 0.0


@dataclass
class Fixed(Threshold):
    name = "fixed"
    at: float = 2.5

    def fit(self, normal: np.ndarray) -> float:
        return self.at


class Spy(OracleThreshold):
    name = "spy"

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        assert scores.tolist() == [1.0, 2.0, 3.0, 4.0]
        assert labels.tolist() == [False, False, True, True]
        return 2.5


def outcome(**changes: object) -> Outcome:
    evidence = Evidence(
        normal={"mean": np.array([0.5, 1.5]), "max": np.array([9.0, 9.0])},
        test={"mean": np.array([1.0, 2.0, 3.0, 4.0]), "max": np.array([9.0, 9.0, 9.0, 10.0])},
        defects=("good", "good", "crack", "hole"),
        paths=("a", "b", "c", "d"),
    )
    return Outcome(TRIAL, "done", "", "f00d", evidence, Record(**{"default_pool": "mean", **changes}))


def test_a_score_above_the_limit_is_called_anomalous_and_one_at_the_limit_is_not() -> None:
    (verdict,) = judge(outcome(), [Highest()], ["max"])
    assert verdict.limit == 9.0
    counts = verdict.counts
    assert (counts.right_normal, counts.n_normal, counts.right_abnormal, counts.n_abnormal) == (2, 2, 1, 2)
    assert verdict.metric("accuracy") == 0.75
    assert verdict.images.detection() == {"crack": (0, 1), "hole": (1, 1)}


def test_without_a_wish_the_pool_is_the_one_that_the_model_suits() -> None:
    assert [verdict.pool for verdict in judge(outcome(), [Highest()])] == ["mean"]
    assert [verdict.pool for verdict in judge(outcome(default_pool="max"), [Highest()])] == ["max"]


def test_a_pool_that_a_trial_has_no_scores_of_is_a_verdict_that_says_why_and_what_helps() -> None:
    (lacking,) = judge(outcome(), [Highest()], ["low"])
    assert (lacking.status, lacking.pool, lacking.counts) == ("skipped", "low", None)
    assert lacking.reason == (
        "it was not scored by pool low, and error maps are not kept: `harness run --pools low`, with the options of "
        "this run, fits it again and scores it so"
    )
    (failed,) = judge(outcome(pool_faults={"low": "pool low: ZeroDivisionError"}), [Highest()], ["low"])
    assert (failed.status, failed.reason) == ("error", "pool low: ZeroDivisionError")


def test_only_an_oracle_is_given_test_scores_and_labels_and_it_is_marked() -> None:
    oracle, honest = judge(outcome(), [Spy(), Highest()])
    assert oracle.oracle
    assert oracle.limit == 2.5
    assert oracle.metric("f1") == 1.0
    assert not honest.oracle


def test_a_threshold_cannot_change_the_evidence_for_those_after_it() -> None:
    alone = list(judge(outcome(), [Highest()]))
    _, after = judge(outcome(), [Meddler(), Highest()])
    assert after.limit == alone[0].limit == 1.5


@pytest.mark.parametrize("limit", ["nan", "inf", "-inf"])
def test_a_limit_that_is_not_a_finite_number_is_an_error_of_that_verdict_alone(limit: str) -> None:
    bad, good = judge(outcome(), [Fixed(float(limit)), Highest()])
    assert (bad.status, bad.counts) == ("error", None)
    assert f"the limit is {limit}" in bad.reason
    assert good.status == "done"


def test_rates_have_intervals_from_their_counts_and_the_auroc_from_its_value() -> None:
    (verdict,) = judge(outcome(), [Fixed()])
    normal, abnormal = wilson(2, 2), wilson(2, 2)
    assert verdict.interval("normal_rate") == normal
    assert verdict.interval("accuracy") == wilson(4, 4)
    low, high = verdict.interval("balanced_accuracy")
    assert (low, high) == (pytest.approx(1 - np.hypot(1 - normal[0], 1 - abnormal[0]) / 2), 1.0)
    assert verdict.interval("auroc") == auroc_interval(1.0, 2, 2)
    assert verdict.interval("f1") == f1_interval((2, 2), (2, 2))
    assert verdict.interval("average_precision") == average_precision_interval(1.0, 2)
    assert verdict.interval("pixel_auroc") is None
    row = verdict.row()
    assert (row["accuracy_low"], row["accuracy_high"]) == wilson(4, 4)
    assert (row["auroc_low"], row["auroc_high"]) == auroc_interval(1.0, 2, 2)


def test_a_trial_that_was_not_done_has_no_figures_but_a_row_with_its_reason() -> None:
    skipped = Outcome(TRIAL, "skipped", "weights are out of reach")
    (verdict,) = judge(skipped, [Highest()])
    row = verdict.row()
    assert (row["status"], row["reason"]) == ("skipped", "weights are out of reach")
    assert all(row[name] is None for name in (*METRICS, "accuracy_low", "auroc_high"))
    assert verdict.images.detection() == {}


def test_a_test_set_without_defects_has_rates_where_they_are_defined_and_none_elsewhere() -> None:
    only_good = Evidence({"mean": np.array([1.0])}, {"mean": np.array([0.5, 2.0])}, ("good", "good"), ("a", "b"))
    (verdict,) = judge(Outcome(TRIAL, "done", "", "f", only_good, Record(default_pool="mean")), [Highest()])
    assert verdict.metric("normal_rate") == 0.5
    assert verdict.metric("abnormal_rate") is None
    assert verdict.metric("auroc") is None
    assert verdict.interval("auroc") is verdict.interval("balanced_accuracy") is None
    assert verdict.interval("normal_rate") == wilson(1, 2)


maps = arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)), elements=st.floats(0, 1, width=32))  # fmt: skip


@given(maps)
def test_pools_agree_with_their_definitions_by_sorting(maps: np.ndarray) -> None:
    ordered = np.sort(maps.reshape(len(maps), -1).astype(np.float64), axis=1)
    k = max(1, round(0.01 * ordered.shape[1]))
    assert np.allclose(Mean().score(maps), ordered.mean(axis=1))
    assert np.array_equal(Largest().score(maps), ordered[:, -1])
    assert np.allclose(TopK().score(maps), ordered[:, -k:].mean(axis=1))


def test_topk_takes_655_pixels_of_a_256x256_image_as_its_text_says() -> None:
    worst = np.zeros((1, 256, 256))
    worst.reshape(-1)[:656] = np.arange(656)[::-1] + 1
    assert TopK().score(worst)[0] == np.sort(worst.reshape(-1))[-655:].mean()
    assert "655" in (TopK.__doc__ or "")


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.1, 1), (0.25, 2), (0.5, 5), (0.99, 9)])
def test_held_out_images_are_not_fitted_on(share: float, kept: int) -> None:
    images = Images(np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3), tuple("abcdefghij"))
    fitted, calibration = hold_out(images, share, seed=3)
    if not kept:
        assert fitted is calibration is images
        return
    assert len(calibration) == kept
    assert set(fitted.paths) | set(calibration.paths) == set(images.paths)
    assert not set(fitted.paths) & set(calibration.paths)
    assert list(fitted.paths) == sorted(fitted.paths)
    assert hold_out(images, share, seed=3)[1].paths == calibration.paths


def test_a_threshold_that_says_it_is_an_oracle_is_marked_as_one_whatever_it_is_given() -> None:
    says_so = type("SaysSo", (Highest,), {"oracle": True})
    says_no = type("SaysNo", (Spy,), {"oracle": False})
    assert [verdict.oracle for verdict in judge(outcome(), [Highest(), says_so(), says_no()])] == [False, True, True]


def test_what_a_trial_has_without_a_limit_stays_where_its_threshold_failed_and_has_no_interval() -> None:
    class Failing(Threshold):
        name = "failing"

        def fit(self, normal: np.ndarray) -> float:
            raise ZeroDivisionError("by zero")

    (verdict,) = judge(outcome(pixels={"aupro_0.30": 0.75}), [Failing()])
    assert (verdict.status, verdict.counts) == ("error", None)
    assert verdict.metric("aupro_0.30") == 0.75
    assert verdict.interval("aupro_0.30") is None


def test_a_trial_without_test_images_is_fitted_but_has_no_verdict_and_says_so() -> None:
    evidence = Evidence({"mean": np.array([0.5, 1.5])}, {"mean": np.array([])}, (), ())
    (verdict,) = judge(Outcome(TRIAL, "done", "", "f00d", evidence, Record(default_pool="mean")), [Highest()])
    assert (verdict.status, verdict.limit) == ("skipped", None)
    assert verdict.reason == "there are no test images, so that nothing can be ranked; the model is fitted all the same"
