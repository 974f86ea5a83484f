"""What Ray and the writer cost a trial, and so how long trials must be for 100 workers to be worth having."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.pictures import Maps
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig
from harness_ray import fleet
from harness_ray.executor import Ray

STUB = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
WORKERS = 100
HERE = 2
"""Workers that Ray really has here."""


@pytest.fixture(scope="module")
def ray_s() -> Iterator[float]:
    """Seconds of a task of Ray that does next to nothing, its worker's and its driver's on the same few cores.

    As many are under way as 100 workers have; two really run.
    """
    from ray.cluster_utils import Cluster as Nodes

    plugin = Path(__file__).parent.parent / "plugin_files" / "dots.py"
    worker = Worker(WorkerConfig(plugin_files=(plugin,)), Registry.discover([plugin]))
    small = {"num_cpus": HERE, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    nodes = Nodes(initialize_head=True, head_node_args=small)
    under_way = fleet.room(WORKERS)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fleet, "room", lambda slots: under_way)
            trials = (STUB._replace(seed=seed) for seed in range(1500))
            ended = []
            for outcome in Ray(nodes.address, cpus=1).run(trials, worker, Observer()):
                assert outcome.status == "done", outcome.reason
                ended.append(time.perf_counter())
        yield (ended[-1] - ended[300]) / (len(ended) - 301)  # by then the workers are up and have imported all
    finally:
        nodes.shutdown()


def test_ten_thousand_trials_over_a_hundred_workers(
    figures: Any, virtual_run: Callable[..., Any], ray_s: float
) -> None:
    ran = virtual_run(10_000, workers=WORKERS, trial_s=10.0, driver_s=ray_s, pause_s=HERE * ray_s)
    figures.add("Ray, a task that does nothing", ray_s)
    each = ran.driver_busy / 10_000
    figures.add("driver and writer, a trial", each, None, f"{1 / each:.0f} trials/s")
    share, busy = ran.overhead(10_000), ran.driver_busy / ran.clock
    what = "10,000 trials of 10 s over 100 workers (virtual)"
    figures.add(what, ran.clock, 1000.0, f"{share:.1%} over", "at most 5 % over", share <= 0.05)
    figures.add("  of which the driver is busy", ran.driver_busy, None, f"{busy:.0%}", "at most 50 %", busy <= 0.5)


@pytest.mark.parametrize("trial_s", [1.0, 2.0, 5.0])
def test_shorter_trials(figures: Any, virtual_run: Callable[..., Any], ray_s: float, trial_s: float) -> None:
    ran = virtual_run(2_000, workers=WORKERS, trial_s=trial_s, driver_s=ray_s, pause_s=HERE * ray_s)
    what = f"2,000 trials of {trial_s:g} s over 100 workers (virtual)"
    figures.add(what, ran.clock, 20 * trial_s, f"{ran.overhead(2_000):.1%} over")


def test_the_writer_with_the_pictures_of_a_real_category(figures: Any, dots_plugin: Path, tmp_path: Path) -> None:
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))
    outcome = worker.perform(STUB, Observer())
    with Store(tmp_path / "runs", write=True) as store:
        seeds = iter(range(10_000))
        figures.time(
            "the writer, a trial with 83 error maps", lambda: store.put(_like_bottle(outcome, next(seeds))), rounds=50
        )
        assert len(store.done()) >= 50


def _like_bottle(outcome: Outcome, seed: int) -> Outcome:
    """With as many scores and maps as bottle of MVTec AD has: smooth noise, which is as hard to pack as they come."""
    rng = np.random.default_rng(seed)
    smooth = rng.random((83, 16, 16)).repeat(4, axis=1).repeat(4, axis=2) * 24 + rng.random((83, 64, 64)) * 7
    assert outcome.evidence is not None
    evidence = replace(
        outcome.evidence,
        normal={pool: rng.random(209) for pool in ("mean", "max", "topk")},
        test={pool: rng.random(83) for pool in ("mean", "max", "topk")},
        maps=Maps(smooth.astype(np.uint8), 1.0),
    )
    return replace(outcome, trial=outcome.trial._replace(seed=seed), evidence=evidence)
