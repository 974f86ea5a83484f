"""How far scores move where a trial is fitted again otherwise: `python leaderboards/tolerances.py [ROOT WEIGHTS]`.

On drawn images and random weights, which takes two minutes of a processor; with the folders of MVTec AD and of weights
on its bottles. Each way is a process of its own: other threads, and the instructions of older processors. Prints
markdown; the first way is what the others are held against.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

LITE = "timm[name=tf_efficientnet_lite0.in1k]"
FROZEN = ("padim", "knn", "outlier[detector=one_class_svm]")
TRAINED = (("dae", "conv", 5, 64), ("cae", "conv", 5, 64))
DRAWN = "drawn"
"""Stands for both folders where there are none."""
WAYS: dict[str, tuple[int, dict[str, str]]] = {
    "1 thread": (1, {}),
    "2 threads": (2, {}),
    "AVX2 alone": (1, {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}),
}


def fit(root: str, weights: str, threads: int) -> dict[str, Any]:
    """The scores of each trial, in this process."""
    from harness.plugin.registry import Registry
    from harness.trials.grid import versions_here
    from harness.trials.observers import Observer
    from harness.trials.trial import Trial
    from harness.trials.worker import Worker, WorkerConfig

    registry = Registry.discover()
    drawn = root == DRAWN
    places = (None, None) if drawn else (Path(root), Path(weights))
    worker = Worker(WorkerConfig("cpu", *places, threads=threads), registry)
    wanted = [(model, LITE, "-", 0, 64 if drawn else 256) for model in FROZEN]
    data = "synthetic[n_train=24]" if drawn else "mvtec_ad"
    wanted += [(model, encoder, "mse", epochs, size) for model, encoder, epochs, size in TRAINED]
    found = {}
    for model, encoder, loss, epochs, size in wanted:
        batch, rate = (32, 1e-4) if epochs else (0, 0.0)
        pretrained = ("random" if drawn else "pretrained") if encoder == LITE else "-"
        trial = Trial(data, "bottle", model, encoder, loss, 0, size, epochs, batch, rate, 0.2, "bf16", pretrained)
        trial = trial._replace(versions=versions_here(trial, registry))
        outcome = worker.perform(trial, Observer())
        if outcome.evidence is None:
            raise SystemExit(f"{model}: {outcome.reason}")
        scores = outcome.evidence.test
        found[model] = {pool: [*outcome.evidence.normal[pool], *scores[pool]] for pool in scores}
    return found


def main(root: str, weights: str) -> None:
    """Fit in each way and print how far scores lie from those of the first, as a share of their range."""
    by_way = {}
    for name, (threads, environ) in WAYS.items():
        words = [sys.executable, __file__, root, weights, str(threads)]
        done = subprocess.run(words, env={**os.environ, **environ}, capture_output=True, text=True, check=True)  # noqa: S603
        by_way[name] = json.loads(done.stdout.splitlines()[-1])
    first, *others = WAYS
    print(f"| method | {' | '.join(others)} |\n|---" + "|---" * len(others) + "|")
    for method, pools in by_way[first].items():
        cells = []
        for way in others:
            apart = {
                pool: np.abs(np.subtract(scores, by_way[way][method][pool])).max() for pool, scores in pools.items()
            }
            cells.append(f"{max(apart[pool] / np.ptp(scores) for pool, scores in pools.items()):.2g}")
        print(f"| {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(fit(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
    else:
        main(*(sys.argv[1:] or (DRAWN, DRAWN)))
