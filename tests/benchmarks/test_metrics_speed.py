from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import genpareto
from sklearn.metrics import average_precision_score, roc_auc_score

from harness.api import Ranking
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.verdict import METRICS
from harness_thresholds.limits import Mean, MeanStd, MedianMad, Quantile
from harness_thresholds.oracle import F1Oracle
from harness_thresholds.tail import Pot, fit_pareto

THRESHOLDS = (Mean(), MeanStd(), Quantile(), F1Oracle(), MedianMad(), Pot())
POOLS = ("mean", "max", "topk")
N_TRAIN, N_NORMAL, N_ABNORMAL = 209, 20, 63
"""Images of MVTec AD's bottle."""


def outcome(rng: np.random.Generator, seed: int) -> Outcome:
    """One trial on bottle, whose anomalous images score somewhat higher."""
    return Outcome(
        Trial("mvtec_ad", "bottle", "dae", "conv", "mse", seed, 256, 50, 32, 1e-4, 0.0, "fp32", "-"),
        "done",
        fingerprint="f00d",
        evidence=Evidence(
            normal={pool: rng.gamma(4, 0.05, N_TRAIN) for pool in POOLS},
            test={pool: np.append(rng.gamma(4, 0.05, N_NORMAL), rng.gamma(6, 0.05, N_ABNORMAL)) for pool in POOLS},
            defects=("good",) * N_NORMAL + ("broken",) * N_ABNORMAL,
            paths=tuple(f"{i:03}.png" for i in range(N_NORMAL + N_ABNORMAL)),
        ),
        record=Record(default_pool="mean"),
    )


@pytest.mark.parametrize("n", [1, 100, 1_000])
def test_stored_trials_are_judged_by_every_threshold_and_pool(figures, tmp_path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    with Store(tmp_path, write=True) as store:
        for seed in range(n):
            store.put(outcome(rng, seed))

    def judged() -> int:
        count = 0
        with Store(tmp_path) as store:
            for stored in store.outcomes():
                for verdict in judge(stored, THRESHOLDS, POOLS):
                    count += sum(verdict.metric(name) is not None for name in METRICS) == len(METRICS)
        return count

    what = f"reading {n} stored trials and judging them by 6 thresholds and 3 pools, all metrics"
    assert figures.time(what, judged, at_most=1.0 if n == 1_000 else None) == 18 * n


def test_image_metrics_against_scikit_learn(figures) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(N_NORMAL + N_ABNORMAL) >= N_NORMAL
    trials = [np.append(rng.gamma(4, 0.05, N_NORMAL), rng.gamma(6, 0.05, N_ABNORMAL)) for _ in range(100)]

    def ours() -> list[tuple[float, float]]:
        return [(ranking.auroc(), ranking.average_precision()) for ranking in (Ranking(s, labels) for s in trials)]

    def theirs() -> list[tuple[float, float]]:
        return [(roc_auc_score(labels, s), average_precision_score(labels, s)) for s in trials]

    measured, exact = figures.race("image AUROC and average precision, against scikit-learn's", ours, theirs)
    np.testing.assert_allclose(measured, exact, atol=1e-12)


def test_pareto_fit_against_scipy(figures) -> None:
    excesses = np.sort(genpareto.rvs(0.1, size=21, random_state=0))
    (shape, _), (likeliest, _, _) = figures.race(
        "Pareto fit of 21 excesses, against scipy's",
        lambda: fit_pareto(excesses),
        lambda: genpareto.fit(excesses, floc=0),
    )
    assert shape == pytest.approx(likeliest, abs=0.2)
