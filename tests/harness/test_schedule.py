"""What is still to be fitted, on a store that other runs write as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.plugin.registry import Registry
from harness.trials.executors.serial import Serial
from harness.trials.grid import Cell
from harness.trials.observers import Observer
from harness.trials.schedule import carry_out
from harness.trials.store import Store
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig


def test_a_trial_that_another_run_finishes_in_the_meantime_is_not_fitted_again(
    tmp_path: Path, dots_plugin: Path
) -> None:
    diary = tmp_path / "diary"
    diary.touch()
    model = f"trained[diary={diary}]"
    trial = Trial("dots", "large", model, "plain", "absolute", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))

    def plan() -> Iterator[Cell]:
        yield Cell(trial)
        with Store(tmp_path / "runs", write=True) as other:
            other.put(worker.perform(trial._replace(seed=1), Observer()))
        yield Cell(trial._replace(seed=1))

    with Store(tmp_path / "runs", write=True) as store:
        executor = Serial()
        summary = carry_out(plan(), store=store, worker=worker, executor=executor, observer=Observer())
        assert len(store.done()) == 2
    assert (summary.fitted, summary.found) == (1, 1)
    fits = diary.read_text().splitlines()
    assert fits == ["plain absolute 0", "plain absolute 1"], "the second is the other run's"
