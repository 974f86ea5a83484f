"""Makes a store of as many trials as one likes, whose scores are drawn: `python large_store.py FOLDER TRIALS`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from harness.trials.record import Record
from harness.trials.rows import keep_digest, put_evidence
from harness.trials.store import Store
from harness.trials.stored import record_text
from harness.trials.trial import Evidence, Trial

CATEGORIES, SEEDS, IMAGES = 10, 5, 60
POOLS = ("mean", "max", "topk")
_INSERT = "INSERT INTO trials VALUES (?, ?, ?, 'done', '', ?, '2026-11-28T05:00:00+00:00')"


def fill(folder: Path, trials: int) -> None:
    """Store so many trials of 10 categories and 5 seeds, each with three pools' scores of 60 test images."""
    random = np.random.default_rng(0)
    defects = ("good",) * (IMAGES // 3) + ("crack",) * (IMAGES - IMAGES // 3)
    paths = tuple(f"test/{kind}/{at:03}.png" for at, kind in enumerate(defects))
    record = Record(
        fit_seconds=12.5, score_seconds=0.5, n_train=200, n_calibration=200, calibrated_on="fitted", threads=1,
        default_pool="mean", loss_history=tuple(1 / epoch for epoch in range(1, 21)),
        plugins={"dataset": "anomaly-harness 0.1.0", "model": "anomaly-harness 0.1.0"},
        code={"harness": "01234567", "harness_autoencoders": "89abcdef"},
        versions={"numpy": "2.4.6", "torch": "2.14.1", "python": "3.11.8"},
        machine={"system": "Linux", "cpu": "a processor", "cores": 2, "device": "cpu"},
        pixels={"aupro": 0.8, "pixel_auroc": 0.9, "pixel_average_precision": 0.5},
    )  # fmt: skip
    said = record_text(record)
    with Store(folder, write=True) as store, store._transaction() as db:
        for at in range(trials):
            category, seed, method = at % CATEGORIES, at // CATEGORIES % SEEDS, at // (CATEGORIES * SEEDS)
            model = f"dae[level={method / 100_000:.5f}]"
            trial = Trial(
                "mvtec_ad", f"category{category}", model, "conv", "mse", seed, 256, 50, 32, 1e-4, 0.0, "fp32", "-"
            )
            fingerprint = f"{category:016x}"
            scores = random.normal(size=(len(POOLS), IMAGES + 40)).astype(np.float32).astype(np.float64)
            scores[:, IMAGES // 3 : IMAGES] += 1 + method % 7 / 7
            normal = {pool: scores[row, IMAGES:] for row, pool in enumerate(POOLS)}
            test = {pool: scores[row, :IMAGES] for row, pool in enumerate(POOLS)}
            trial_id = trial.identity(fingerprint)
            db.execute(_INSERT, (trial_id, trial.key, fingerprint, said))
            put_evidence(db, trial_id, fingerprint, Evidence(normal, test, defects, paths))
            keep_digest(db, trial_id)


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
