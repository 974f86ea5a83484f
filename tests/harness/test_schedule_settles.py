"""What becomes of each outcome that an executor gives, or does not give, on a real store and with models of a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.api import Dataset, Executor, Images, Model, Scores
from harness.errors import UnavailableError, UsageError
from harness.plugin.registry import Registry
from harness.trials.executors.serial import Serial
from harness.trials.floors import floor_beside
from harness.trials.grid import Cell
from harness.trials.observers import Observer
from harness.trials.rescoring import kept_of
from harness.trials.saved_model import ModelFolder
from harness.trials.schedule import RunSummary, carry_out, lacking_of, run_start
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

TRIAL = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
PLUGIN = Path(__file__).parent.parent / "plugin_files" / "dots.py"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover([PLUGIN])


class Gives(Executor):
    """Gives what a function makes of the trials."""

    name = "gives"

    def __init__(self, make: Callable[[Iterable[Trial], Worker], Iterable[Any]]) -> None:
        self.make = make

    def run(self, trials: Any, worker: Any, observer: Any) -> Any:
        return self.make(trials, worker)

    def side_by_side(self, device: str, trials: int) -> int:
        return 1


class Told(Observer):
    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []

    def started(self, trial: Trial) -> None:
        self.events.append(("started", trial.category, str(trial.seed)))

    def found(self, trial: Trial, trial_id: str) -> None:
        self.events.append(("found", trial.category, str(trial.seed)))

    def ended(self, outcome: Outcome) -> None:
        self.events.append((outcome.status, outcome.trial.category, str(outcome.trial.seed)))


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> Callable[..., RunSummary]:
    def call(
        trials: Iterable[Any],
        executor: Any = None,
        observer: Observer | None = None,
        config: dict[str, Any] | None = None,
        **more: Any,
    ) -> RunSummary:
        worker = Worker(WorkerConfig(**(config or {})), registry)
        cells = [one if isinstance(one, Cell) else Cell(one) for one in trials]
        with Store(tmp_path / "runs", write=True) as store:
            about = {"store": store, "worker": worker, "executor": executor or Serial()}
            return carry_out(cells, **about, observer=observer or Observer(), **more)

    return call


Run = Callable[..., RunSummary]


def test_an_executor_that_gives_something_else_or_fails_is_out_of_reach_and_named(run: Run) -> None:
    def fails(trials: Iterable[Trial], worker: Worker) -> Iterator[Any]:
        yield worker.perform(next(iter(trials)), Observer())
        raise KeyError("cluster")

    for gives, said in (
        (lambda trials, worker: [3], "executor gives gave 3, expected an outcome"),
        (lambda trials, worker: [Outcome("no trial", "done")], "executor gives gave Outcome(trial='no trial'"),
        (lambda trials, worker: None, "executor gives: TypeError: 'NoneType' object is not iterable"),
        (fails, "executor gives: KeyError: 'cluster' (test_schedule_settles.py:"),
    ):
        with pytest.raises(UnavailableError) as error:
            run([TRIAL], Gives(gives))
        assert str(error.value).startswith(said)
    assert run([TRIAL]).found == 1, "what was settled before is in the store"


def test_errors_of_ours_and_interrupts_pass_through_as_they_are(run: Run) -> None:
    for error in (UsageError("no such cluster"), KeyboardInterrupt()):

        def fails(trials: Any, worker: Any, error: BaseException = error) -> Any:
            raise error

        with pytest.raises(type(error)):
            run([TRIAL], Gives(fails))


def test_a_trial_without_an_outcome_has_failed_and_one_that_nobody_asked_for_is_left_out(run: Run) -> None:
    other = TRIAL._replace(seed=9)

    def twice(trials: Iterable[Trial], worker: Worker) -> Iterator[Outcome]:
        first = worker.perform(next(iter(trials)), Observer())
        list(trials)
        yield first
        yield first
        yield replace(first, trial=other)

    told = Told()
    summary = run([TRIAL, TRIAL._replace(seed=1)], Gives(twice), told)
    assert summary.unasked == [TRIAL, other]
    (lost,) = summary.unfinished
    assert (lost.trial.seed, lost.status) == (1, "error")
    assert lost.reason == "executor gives took it and gave no outcome of it"
    assert (summary.fitted, len(summary.ids)) == (1, 2)
    assert told.events == [
        ("started", "large", "0"), ("started", "large", "1"), ("done", "large", "0"), ("error", "large", "1"),
    ]  # fmt: skip


def test_what_does_not_fit_or_cannot_be_read_is_settled_without_an_executor(run: Run) -> None:
    told = Told()
    summary = run(
        [Cell(TRIAL, "sizes do not fit"), TRIAL._replace(category="broken"), TRIAL._replace(shots=99), TRIAL],
        observer=told,
    )
    assert [(one.status, one.reason) for one in summary.unfinished] == [
        ("skipped", "sizes do not fit"),
        ("error", "category 'broken' has no train/good: expected normal images there"),
        ("error", "99 shots of 6 training images: ask for fewer"),
    ]
    assert summary.fitted == 1
    assert [event[0] for event in told.events] == ["skipped", "error", "error", "started", "done"]
    assert summary.unfinished[1].fingerprint == ""
    assert summary.unfinished[2].fingerprint != ""


def test_data_that_fail_while_they_are_looked_at_are_told_once_for_each_way_of_reading(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.api import Split

    asked: list[str] = []

    class Odd(Split):
        @property
        def fingerprint(self) -> str:  # type: ignore[override]
            asked.append("looked")
            raise ZeroDivisionError("odd pixels")

    dots = registry.make(Dataset, "dots").load("large", 16)
    monkeypatch.setattr(Worker, "split_of", lambda self, trial: Odd(dots.train, dots.test))
    summary = run([TRIAL, TRIAL._replace(seed=1)])
    assert [one.reason.partition(" (")[0] for one in summary.unfinished] == [
        "its images cannot be read: ZeroDivisionError: odd pixels"
    ] * 2
    assert asked == ["looked"]

    def interrupted(self: Any, trial: Trial) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "split_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([TRIAL])


def test_a_run_counts_what_was_found_fitted_and_fitted_again(run: Run) -> None:
    told = Told()
    first = run([TRIAL, TRIAL._replace(seed=1)])
    assert (first.found, first.fitted, first.again, first.rescored) == (0, 2, 0, 0)
    second = run([TRIAL, TRIAL._replace(seed=2)], observer=told)
    assert (second.found, second.fitted, second.again) == (1, 1, 0)
    assert second.ids[0] == first.ids[0]
    assert told.events == [("found", "large", "0"), ("started", "large", "2"), ("done", "large", "2")]
    third = run([TRIAL, TRIAL._replace(seed=1)], config={"pools": ("topk[share=0.5]",)})
    assert (third.found, third.fitted, third.again, third.again_for) == (0, 2, 2, ["pool topk[share=0.5]"])


def test_other_scores_of_a_fit_that_was_made_for_a_pool_are_told_where_they_differ(run: Run) -> None:
    run([TRIAL])

    def moved(trials: Iterable[Trial], worker: Worker) -> Iterator[Outcome]:
        for trial in trials:
            found = worker.perform(trial, Observer())
            assert found.evidence is not None
            test = {pool: scores * (1.5 if pool == "max" else 1) for pool, scores in found.evidence.test.items()}
            yield replace(found, evidence=replace(found.evidence, test=test))

    config = {"pools": ("topk[share=0.5]",)}
    ((trial, share),) = run([TRIAL], Gives(moved), config=config).apart
    assert (trial, share) == (TRIAL, pytest.approx(0.5))
    assert run([TRIAL], config=config).found == 1
    assert run([TRIAL], config={"pools": ("topk[share=0.25]",)}).apart == []


def test_what_an_outcome_says_beside_its_scores_is_in_the_summary(run: Run) -> None:
    def odd(trials: Iterable[Trial], worker: Worker) -> Iterator[Outcome]:
        for trial in trials:
            found = worker.perform(trial, Observer())
            more = {"changed": ("the umask", "the locale"), "kept_fault": "it is cut"}
            yield replace(found, alone=trial.seed == 1, rescored=trial.seed == 2, **more)

    summary = run([TRIAL, TRIAL._replace(seed=1), TRIAL._replace(seed=2)], Gives(odd))
    assert summary.alone == [TRIAL._replace(seed=1)]
    assert summary.changed == {("mean_image", "the umask"): TRIAL, ("mean_image", "the locale"): TRIAL}
    assert summary.kept_faults == [(TRIAL._replace(seed=seed), "it is cut") for seed in range(3)]
    assert (summary.rescored, summary.fitted, summary.again) == (1, 2, -1)


def test_a_smaller_batch_settles_the_trial_that_asked_for_more(run: Run) -> None:
    trained = TRIAL._replace(
        model="trained", encoder="plain", loss="absolute", epochs=1, batch_size=8, learning_rate=0.1
    )

    def halved(trials: Iterable[Trial], worker: Worker) -> Iterator[Outcome]:
        for trial in trials:
            found = worker.perform(trial._replace(batch_size=4), Observer())
            yield replace(found, record=replace(found.record, asked_batch_size=8))

    summary = run([trained], Gives(halved))
    assert (summary.fitted, summary.unasked, summary.unfinished) == (1, [], [])
    again = run([trained], config={"smaller_batches": True})
    assert (again.found, again.ids) == (1, summary.ids), "it is found as the smaller one"
    assert run([trained]).found == 0


JOINT = TRIAL._replace(setting="joint", together="large,small")


def test_one_fit_settles_the_trials_of_all_its_categories(run: Run, registry: Registry) -> None:
    fits: list[str] = []

    def counted(trials: Iterable[Trial], worker: Worker) -> Iterator[Outcome]:
        for trial in trials:
            fits.append(trial.category)
            yield worker.perform(trial, Observer())

    plan = [
        JOINT._replace(category=name, setting=kind)
        for kind in ("joint", "joint-one-limit")
        for name in ("large", "small")
    ]
    told = Told()
    summary = run(plan, Gives(counted), told)
    assert fits == ["large"]
    assert (summary.fitted, summary.found, len(set(summary.ids))) == (4, 0, 4)
    assert sorted(told.events) == sorted(
        [("started", name, "0") for name in ("large", "small")] * 2
        + [("done", name, "0") for name in ("large", "small")] * 2
    )
    again = run(plan, Gives(counted))
    assert (again.fitted, again.found, fits) == (0, 4, ["large"])
    lacking = run(plan[:2], Gives(counted), config={"pools": ("topk[share=0.5]",)})
    assert (lacking.fitted, lacking.again, lacking.again_for) == (2, 2, ["pool topk[share=0.5]"])


def test_where_one_fit_fails_all_its_trials_have_failed(run: Run) -> None:
    fits: list[str] = []

    def fails(trials: Iterable[Trial], worker: Worker) -> Iterator[Outcome]:
        for trial in trials:
            fits.append(trial.category)
            yield Outcome(trial, "error", "no luck", "f")

    def late(trials: Iterable[Trial], worker: Worker) -> Iterator[Outcome]:
        every = list(trials)
        fits.extend(trial.category for trial in every)
        yield Outcome(every[0], "error", "no luck", "f")

    plan = [JOINT, JOINT._replace(category="small"), JOINT._replace(category="small", setting="joint-one-limit")]
    for executor in (fails, late):
        fits.clear()
        summary = run(plan, Gives(executor))
        assert fits == ["large"], "one fit is tried once"
        assert [(one.trial.category, one.trial.setting, one.reason) for one in summary.unfinished] == [
            (one.category, one.setting, "no luck") for one in summary_order(plan, executor is late)
        ]
        assert summary.fitted == 0


def summary_order(plan: list[Trial], waiting_first: bool) -> list[Trial]:
    """Trials that wait for a fit are settled before the one that was fitted."""
    return [*plan[1:], plan[0]] if waiting_first else plan


def test_a_run_begins_with_what_is_known_of_its_trials(run: Run, registry: Registry, tmp_path: Path) -> None:
    run([TRIAL])
    dataset: Any = SimpleNamespace(train_count={"large": 6, "small": None, "x": 0}.get)
    cells = [Cell(TRIAL), Cell(TRIAL._replace(category="small")), Cell(TRIAL._replace(category="x"), "odd")]
    with Store(tmp_path / "runs") as store:
        start = run_start(cells, dataset, store)
        assert (start.cells, start.store) == (3, tmp_path / "runs")
        assert start.trials == [TRIAL, TRIAL._replace(category="small")]
        assert start.train_images == {"large": 6}
        assert start.stored_seconds.keys() == {TRIAL.key}
        assert run_start(cells, dataset, store, refits=True).stored_seconds == {}


def test_what_stored_trials_lack_is_told_by_pool_corruption_and_pixels(
    run: Run, registry: Registry, tmp_path: Path
) -> None:
    (one,) = run([TRIAL]).ids

    def lacking(**config: Any) -> dict[str, str]:
        with Store(tmp_path / "runs") as store:
            return lacking_of(store, Worker(WorkerConfig(**config), registry))

    assert lacking() == {}
    assert lacking(pools=("mean",)) == {}
    assert lacking(pools=("topk[share=0.5]",), corruptions=("brightness",)) == {
        one: "pool topk[share=0.5] and corruption brightness"
    }
    assert lacking(pixels=True) == {}


def test_kept_models_are_found_by_the_ids_at_the_ends_of_their_names(tmp_path: Path) -> None:
    one, two = "0123456789abcdef", "f" * 16
    assert kept_of(tmp_path / "none", [one]) is None
    (tmp_path / f"bottle-{one}").mkdir()
    assert kept_of(tmp_path, [two]) is None
    found = kept_of(tmp_path, [one, two])
    assert found is not None
    assert (found.folder, found.ids) == (tmp_path.absolute(), {one})


# Floors.


class Flat(Model):
    name = "flat"
    uses = frozenset({"pool"})
    floor = True
    version = 2

    def fit(self, normal: Images, **how: Any) -> None: ...

    def score(self, images: Images) -> Scores:
        return Scores(maps=images.pixels.mean(axis=3, dtype=np.float64))


@pytest.mark.parametrize(
    ("more", "seed"),
    [
        ({}, 0),
        ({"holdout": 0.2}, 3),
        ({"calibrate": "crossfit"}, 3),
        ({"shots": 2}, 3),
    ],
)
def test_a_floor_is_judged_on_the_same_images_as_the_trial_that_it_stands_below(
    more: dict[str, Any], seed: int
) -> None:
    trial = Trial("dots", "large", "trained", "plain", "absolute", 3, 16, 2, 8, 0.1, 0.0, "bf16", "pretrained", "x 2")
    floor = floor_beside(trial._replace(**more), Flat())
    assert floor == Trial("dots", "large", "flat", "-", "-", seed, 16, 0, 0, 0.0, 0.0, "fp32", "-", "flat 2")._replace(
        **more
    )
    plain = type("Plain", (Flat,), {"version": 1})()
    assert floor_beside(trial, plain).versions == ""


def test_floors_are_fitted_once_beside_all_trials_on_the_same_images(
    run: Run, registry: Registry, tmp_path: Path
) -> None:
    mine = Registry.discover([PLUGIN])
    from harness.plugin.in_process import register

    register(mine, [Flat])
    trials = [TRIAL, TRIAL._replace(seed=1), TRIAL._replace(category="small")]
    told = Told()

    def floors(**config: Any) -> RunSummary:
        worker = Worker(WorkerConfig(**config), mine)
        with Store(tmp_path / "floors", write=True) as store:
            about = {"store": store, "worker": worker, "executor": Serial(), "observer": told}
            return carry_out(map(Cell, trials), **about, floors=[Flat()])

    first = floors(pools=("topk[share=0.5]",), keep=ModelFolder(tmp_path / "floors" / "models", "highest"))
    assert len(first.floors) == 2, "one for each category, whatever the seeds"
    assert (first.fitted, set(first.floors) & set(first.ids)) == (3, set())
    assert {event[0] for event in told.events} == {"started", "done"}
    assert len(told.events) == 6, "nobody is told of floors"
    with Store(tmp_path / "floors") as store:
        for outcome in store.outcomes(first.floors):
            assert outcome.record.floor
            assert isinstance(outcome.evidence, Evidence)
            assert "topk[share=0.5]" not in outcome.evidence.test
        assert len(list((tmp_path / "floors" / "models").iterdir())) == 3
        finished = {one.id: one.record.finished_at for one in store.outcomes(first.floors)}
    assert floors().floors == first.floors
    with Store(tmp_path / "floors") as store:
        assert {one.id: one.record.finished_at for one in store.outcomes(first.floors)} == finished
