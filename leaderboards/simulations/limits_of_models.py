"""How often fitted models keep what their limits promise, where these rest on held-out or cross-fitted images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from harness import GOOD, Images, Split, Threshold, at_most
from harness.metrics.limits import limit_of
from harness.plugin.registry import Registry
from harness.trials.datasets import load, open_dataset
from harness.trials.fitting import Fitting
from harness.trials.observers import Observer
from harness.trials.trial import Trial

TRIALS = 40
SIZE, NORMAL, FRESH, DRAWN = 32, 60, 300, 1500
"""Pixels, normal images of a draw, images that tell its true rate of false alarms, and drawn hazelnuts in all."""
MODELS = (("gaussian", "conv", "-"), ("knn", "conv", "-"), ("dae[widths=32-32-16-16]", "conv", "mse"))
"""Cross-fitted by folds, by leaving one out, and trained."""
CALIBRATIONS = ("holdout", "crossfit")
HELD_OUT = 0.5
EPOCHS = 1
LIMITS = (("conformal[alpha=0.05]", 0.05), ("conformal[alpha=0.1]", 0.1), ("tolerance[alpha=0.1]", 0.1))


class Kept(NamedTuple):
    """What one draw came to by one threshold."""

    rate: float
    """Of false alarms on fresh images."""
    bound: float
    """The upper bound of it with 95 % confidence that the calibration images give."""


def nuts(count: int) -> Images:
    """Good hazelnuts as the harness draws them: any number of parts of one kind."""
    drawn = f"synthetic[seed=17,n_train={count},n_test_good=1,n_test_defective=1]"
    return load(open_dataset(Registry.discover(), drawn, None), "hazelnut", SIZE).train


def draws(every: Images, method: tuple[str, str, str], calibrate: str, trials: int) -> Iterator[dict[str, Kept]]:
    """By threshold what each draw of normal images comes to."""
    registry = Registry.discover()
    fitting = Fitting(registry, "cpu", None, (), None, lambda *_: None)
    thresholds = {text: registry.make(Threshold, text) for text, _ in LIMITS}
    for seed in range(trials):
        order = np.random.default_rng([17, seed]).permutation(len(every))
        train, fresh = every.take(order[:NORMAL]), every.take(order[NORMAL : NORMAL + FRESH])
        fresh = dataclasses.replace(fresh, paths=tuple(map(str, range(len(fresh)))), defects=(GOOD,) * len(fresh))
        trial = Trial("synthetic", "hazelnut", *method, seed, SIZE, EPOCHS, 8, 1e-3, 0.0, "fp32", "random")
        trial = trial._replace(**({"holdout": HELD_OUT} if calibrate == "holdout" else {"calibrate": calibrate}))
        found = fitting.fit(trial, {"hazelnut": Split(train, fresh, sizes=())}, Observer())
        pool = found.record.default_pool
        normal, new = found.evidence.normal[pool], found.evidence.test[pool]
        limits = {text: limit_of(threshold, normal) for text, threshold in thresholds.items()}
        yield {
            text: Kept(float((new > limit).mean()), at_most(int((normal > limit).sum()), len(normal)))
            for text, limit in limits.items()
        }


def main() -> None:
    """Print one table in markdown."""
    every = nuts(min(DRAWN, TRIALS * (NORMAL + FRESH)))
    heading = (
        "images, limit from",
        "model",
        "threshold",
        "false alarms on average",
        "draws with more than alpha",
        "bound held",
    )
    print("|", " | ".join(heading), "|\n" + "|---" * len(heading) + "|")
    for method in MODELS:
        for calibrate in CALIBRATIONS:
            some = list(draws(every, method, calibrate, TRIALS))
            n = NORMAL if calibrate == "crossfit" else round(HELD_OUT * NORMAL)
            for text, alpha in LIMITS:
                rates, bounds = np.array([one[text] for one in some]).T
                error = rates.std(ddof=1) / len(rates) ** 0.5
                cells = [
                    f"{n}, {calibrate}",
                    " + ".join(one for one in method if one != "-"),
                    text,
                    f"{rates.mean():.3f} ± {error:.3f}",
                    f"{(rates > alpha).mean():.2f}",
                    f"{(rates <= bounds).mean():.2f}",
                ]
                print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
