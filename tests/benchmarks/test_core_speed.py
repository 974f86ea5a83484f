"""What a person waits for around the fits: a plan, a resumed run, a leaderboard, and the command line itself."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.api import Counts, Dataset, Encoder, Loss, Model
from harness.plugin.registry import Registry
from harness.trials.grid import Axes, plan
from harness.trials.observers import Observer
from harness.trials.protocols.axes import crossed
from harness.trials.record import Record
from harness.trials.schedule import carry_out
from harness.trials.settings import Settings
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig
from harness.verdicts.leaderboard import Board, boards
from harness.verdicts.verdict import Verdict

SEEDS = 10


def axes(dots_plugin: Path, methods: int, seeds: int) -> Axes:
    """A grid of two categories and so many methods and seeds."""
    registry = Registry.discover([dots_plugin])
    return Axes(
        dataset=registry.make(Dataset, "dots"),
        categories=["large", "small"],
        models=[registry.make(Model, f"trained[diary=book_{i}]") for i in range(methods)],
        encoders=registry.choose(Encoder, "plain,deep"),
        losses=registry.choose(Loss, "absolute"),
        seeds=range(seeds),
        image_size=16,
        epochs=2,
        batch_size=32,
        learning_rate=1e-4,
        holdout=0.0,
        precision="fp32",
        weights="random",
    )


class Unneeded:
    """An executor for a run that has nothing to fit."""

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        for trial in trials:
            raise AssertionError(f"{trial} was to be found in the store")
        yield from ()


@pytest.mark.parametrize("n", [1_000, 100_000])
def test_planning(figures, dots_plugin: Path, n: int) -> None:
    crossed = axes(dots_plugin, methods=n // 40, seeds=SEEDS)
    cells = figures.time(f"planning {n:,} cells", lambda: list(plan(crossed)), at_most=1.0 if n == 100_000 else None)
    assert len({cell.trial for cell in cells}) == n


def test_planning_over_protocols(figures, dots_plugin: Path) -> None:
    protocols = crossed(Settings(shots="1,2,4,8,all", contaminate="0,0.02,0.05,0.1,0.2"))
    asked = replace(axes(dots_plugin, methods=100, seeds=SEEDS), protocols=protocols)
    cells = figures.time("planning 100,000 cells over 25 protocols", lambda: list(plan(asked)), at_most=1.0)
    assert len({cell.trial for cell in cells}) == 100_000


@pytest.mark.parametrize("n", [100, 10_000])
def test_resuming_a_run_whose_trials_are_done(figures, dots_plugin: Path, memory: Path, n: int) -> None:
    crossed = axes(dots_plugin, methods=n // 4 // SEEDS or 1, seeds=min(SEEDS, n // 4))
    cells = list(plan(crossed))
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))
    scores = {pool: np.arange(7.0) for pool in ("mean", "max", "topk")}
    with Store(memory, write=True) as store:
        for trial, _ in cells:
            split = worker.split(trial.dataset, trial.category, trial.image_size)
            evidence = Evidence(scores, scores, split.test.defects, split.test.paths)
            store.put(Outcome(trial, "done", "", split.fingerprint, evidence, Record(default_pool="mean")))

    def resume() -> int:
        with Store(memory, write=True) as store:
            tally = carry_out(plan(crossed), store=store, worker=worker, executor=Unneeded(), observer=Observer())
        return tally.found

    what = f"resuming a run whose {len(cells):,} trials are done"
    assert figures.time(what, resume, at_most=1.0 if n == 10_000 else None) == len(cells)


def verdicts(categories: int, methods: int, seeds: int) -> list[Verdict]:
    draws = np.random.default_rng(0)
    found = []
    for c in range(categories):
        for m in range(methods):
            for seed in range(seeds):
                trial = Trial("mvtec_ad", f"c{c}", f"dae[level={m}]", "conv", "mse", seed, 256, 50, 32, 1e-4, 0.0, "fp32", "-")  # fmt: skip
                right = draws.integers(0, [21, 64])
                counts = Counts(int(right[0]), 20, int(right[1]), 63)
                outcome = Outcome(trial, "done", "", "f00d")
                found.append(Verdict(outcome, "mean", "mean", False, 0.5, counts, 0.5, 0.5))
    return found


@pytest.mark.parametrize(
    ("categories", "methods", "seeds", "at_most"),
    [(5, 100, 1, None), (5, 100, 20, None), (10, 1_000, 10, 2.0), (20, 5_000, 1, 2.0)],
)
def test_a_leaderboard(figures, categories: int, methods: int, seeds: int, at_most: float | None) -> None:
    every = verdicts(categories, methods, seeds)
    what = f"leaderboard of {len(every):,} verdicts: {methods:,} methods, {categories} categories, {seeds} seeds"
    found = figures.time(what, lambda: boards(every), at_most=at_most, rounds=3)
    assert {len(board.lines) for board in found} == {methods}
    assert len(found) == categories + (categories > 1)


def test_a_million_verdicts_are_ranked(figures) -> None:
    every = verdicts(10, 10_000, 10)
    spent: list[float] = []

    def rank() -> list[Board]:
        began = time.process_time()
        found = boards(every)
        spent.append(time.process_time() - began)
        return found

    found = figures.time("leaderboard of 1,000,000 verdicts", rank, at_most=10.0, rounds=1)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n1,000,000 verdicts ranked in {min(spent):.1f} s of processor, {megabytes:.0f} MB at most")
    assert {len(board.lines) for board in found} == {10_000}


@pytest.mark.parametrize("words", [["--help"], ["leaderboard", "--help"], ["compare", "--help"], ["validate", "kumar_2025"]])  # fmt: skip
def test_the_command_line_starts(figures, words: list[str]) -> None:
    def start() -> int:
        command = [sys.executable, "-m", "harness", *words]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode

    at_most = 0.4 if words == ["--help"] else None
    assert figures.time(f"harness {' '.join(words)}", start, at_most=at_most) == (words[0] == "validate")


def test_the_first_line_of_a_cold_run(figures, tmp_path: Path) -> None:
    words = ["run", "--models", "patchcore", "--dataset", "synthetic", "--categories", "hazelnut", "--device", "cpu"]
    command = [sys.executable, "-m", "harness", *words, "--store", str(tmp_path / "runs")]

    def first() -> str:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            line = next(said for said in run.stderr if said.startswith("["))
            run.kill()
        return line

    said = figures.time("`harness run --models patchcore`, one category: the first line", first, at_most=2.0, rounds=3)
    assert said.startswith("[0/1] reading the images of hazelnut")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: ten thousand records, each made durable, take a disk minutes."""
    import tempfile

    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else tmp_path) as folder:
        yield Path(folder) / "runs"
