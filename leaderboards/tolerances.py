"""How far scores move where a trial is fitted again otherwise: `python leaderboards/tolerances.py [ROOT WEIGHTS]`.

On drawn images and random weights, which takes two minutes of a processor; with the folders of MVTec AD and of weights
on its bottles. Each way is a process of its own: other threads, and the instructions of older processors. Says each fit
as it ends, and prints markdown; the first way is what the others are held against. `--kept FILE` keeps the scores of
each fit there, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LITE = "timm[name=tf_efficientnet_lite0.in1k]"
FROZEN = ("padim", "knn", "outlier[detector=one_class_svm]")
TRAINED = {"dae": "conv", "cae": "conv"}
EPOCHS = 5
METHODS = (*FROZEN, *TRAINED)
DRAWN = "drawn"
"""Stands for both folders where there are none."""
WAYS: dict[str, tuple[int, dict[str, str]]] = {
    "1 thread": (1, {}),
    "2 threads": (2, {}),
    "AVX2 alone": (1, {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}),
}
Scores = dict[str, list[float]]
"""Pool to the scores of calibration and test images."""


def fit(root: str, weights: str, threads: int, size: int, category: str, methods: list[str]) -> Iterator[Scores]:
    """The scores of each method's trial, in this process."""
    from harness.plugin.registry import Registry
    from harness.trials.grid import versions_here
    from harness.trials.observers import Observer
    from harness.trials.trial import Trial
    from harness.trials.worker import Worker, WorkerConfig

    registry, drawn = Registry.discover(), root == DRAWN
    places = (None, None) if drawn else (Path(root), Path(weights))
    worker = Worker(WorkerConfig("cpu", *places, threads=threads), registry)
    data = "synthetic[n_train=24]" if drawn else "mvtec_ad"
    for model in methods:
        encoder, epochs = (TRAINED[model], EPOCHS) if model in TRAINED else (LITE, 0)
        loss, batch, rate = ("mse", 32, 1e-4) if epochs else ("-", 0, 0.0)
        pretrained = ("random" if drawn else "pretrained") if encoder == LITE else "-"
        trial = Trial(data, category, model, encoder, loss, 0, size, epochs, batch, rate, 0.2, "bf16", pretrained)
        trial = trial._replace(versions=versions_here(trial, registry))
        outcome = worker.perform(trial, Observer())
        if outcome.evidence is None:
            raise SystemExit(f"{model}: {outcome.reason}")
        scores = outcome.evidence.test
        yield {pool: [*outcome.evidence.normal[pool], *scores[pool]] for pool in scores}


def in_a_process(place: dict[str, Any], way: str, methods: list[str]) -> Iterator[tuple[str, Scores]]:
    """Method and scores, each as its fit ends in a process that is set up in this way."""
    threads, environ = WAYS[way]
    words = [sys.executable, __file__, "--fit", json.dumps({**place, "threads": threads, "methods": methods})]
    process = subprocess.Popen(words, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True)  # noqa: S603
    with process:
        assert process.stdout is not None
        lines = (line for line in process.stdout if line.startswith("{"))
        yield from zip(methods, map(json.loads, lines), strict=False)
    if process.returncode:
        raise SystemExit(process.returncode)


def fitted(place: dict[str, Any], methods: list[str], kept: Path | None) -> dict[tuple[str, str], Scores]:
    """Method and way to scores, of what was kept and of what is fitted now."""
    found = {}
    if kept is not None and kept.exists():
        for line in kept.read_text().splitlines():
            one = json.loads(line)
            if one["place"] == place:
                found[one["method"], one["way"]] = one["scores"]
    for way in WAYS:
        lacking = [method for method in methods if (method, way) not in found]
        began = time.perf_counter()
        for method, scores in in_a_process(place, way, lacking) if lacking else ():
            found[method, way] = scores
            if kept is not None:
                with kept.open("a") as file:
                    file.write(json.dumps({"place": place, "method": method, "way": way, "scores": scores}) + "\n")
            seconds, began = time.perf_counter() - began, time.perf_counter()
            print(f"{place['category']}, {way}: {method} in {seconds:.0f} s", file=sys.stderr, flush=True)
    return found


def main(root: str, weights: str, size: int, categories: list[str], methods: list[str], kept: Path | None) -> None:
    """Fit in each way and print how far scores lie from those of the first, as a share of their range."""
    first, *others = WAYS
    print(f"| category | method | {' | '.join(others)} |\n|---|---" + "|---" * len(others) + "|", flush=True)
    for category in categories:
        found = fitted({"root": root, "weights": weights, "size": size, "category": category}, methods, kept)
        for method in methods:
            cells = []
            for way in others:
                pools = found[method, first]
                off = {pool: np.abs(np.subtract(pools[pool], found[method, way][pool])).max() for pool in pools}
                cells.append(f"{max(off[pool] / np.ptp(pools[pool]) for pool in pools):.2g}")
            print(f"| {category} | {method} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("root", nargs="?", default=DRAWN, help="folder of MVTec AD")
    asked.add_argument("weights", nargs="?", default=DRAWN, help="folder of weights")
    asked.add_argument("--size", type=int, default=64, help="of images, in pixels; 64 unless said otherwise")
    asked.add_argument("--categories", default="bottle", help="such as bottle,screw; bottle unless said otherwise")
    asked.add_argument("--methods", default=",".join(METHODS), help="all unless said otherwise")
    asked.add_argument("--kept", type=Path, help="file of the scores of each fit, from which a stopped run goes on")
    asked.add_argument("--fit", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.fit:
        for scores in fit(**json.loads(given.fit)):
            print(json.dumps(scores), flush=True)
    else:
        categories, methods = given.categories.split(","), given.methods.split(",")
        main(given.root, given.weights, given.size, categories, methods, given.kept)
