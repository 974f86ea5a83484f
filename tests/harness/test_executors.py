from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from harness.commands import main
from harness.plugin.registry import Registry
from harness.trials.executors import processes
from harness.trials.executors.local import Local
from harness.trials.executors.processes import PATIENCE_S, Processes
from harness.trials.observers import Observer
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

TRIAL = Trial("dots", "large", "trained", "plain", "absolute", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def worker_with(plugin: Path) -> Worker:
    return Worker(WorkerConfig(plugin_files=(plugin,)), Registry())


def carry_out(plugin: Path, trials: list[Trial], jobs: int = 2) -> tuple[list[Outcome], list[Trial]]:
    reported: list[Trial] = []
    observer = Mock(progressed=lambda trial, progress: reported.append(trial))
    return list(Processes(jobs).run(trials, worker_with(plugin), observer)), reported


def test_every_trial_comes_back_once_with_its_progress(dots_plugin: Path) -> None:
    trials = [TRIAL._replace(seed=seed) for seed in range(5)]
    outcomes, reported = carry_out(dots_plugin, trials)
    assert sorted(outcome.trial for outcome in outcomes) == trials
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert sorted(reported) == sorted(trials * 2), "two epochs each"


def test_a_process_that_is_killed_costs_its_own_trial_and_the_others_go_on(dots_plugin: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "fragile.py"
    source = dots_plugin.read_text()
    killing = (
        "if run.seed == 1: import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n        assert encoder is not None"
    )
    plugin.write_text(source.replace("assert encoder is not None", killing))
    outcomes, _ = carry_out(plugin, [TRIAL._replace(seed=seed) for seed in range(4)])
    by_seed = {outcome.trial.seed: outcome for outcome in outcomes}
    assert [by_seed[seed].status for seed in range(4)] == ["done", "error", "done", "done"]
    assert by_seed[1].reason == "its process was killed by SIGKILL, perhaps for want of memory"


def test_an_interrupt_costs_at_most_the_trial_that_raised_it_and_prints_no_traceback(
    dots_plugin: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "interrupting.py"
    raising = "if run.seed == 1: raise KeyboardInterrupt('mine')\n        assert encoder is not None"
    plugin.write_text(dots_plugin.read_text().replace("assert encoder is not None", raising))
    hand = processes._hire(worker_with(plugin).config)
    assert hand.process.pid is not None
    os.kill(hand.process.pid, signal.SIGINT)  # as Ctrl-C, which reaches the whole group while it is still starting
    outcomes = []
    for seed in (1, 2):
        hand.trial = TRIAL._replace(seed=seed)
        hand.line.send((hand.trial, False))
        while (outcome := processes._listen(hand, Mock(), None)) is None:
            pass
        outcomes.append(outcome)
    processes._end([hand.process])
    assert [(outcome.status, outcome.reason.partition(" (")[0]) for outcome in outcomes] == [
        ("error", "KeyboardInterrupt: mine"),
        ("done", ""),
    ]
    assert "Traceback" not in capfd.readouterr().err
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_process_that_exits_is_an_error_with_its_code(dots_plugin: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "leaving.py"
    plugin.write_text(
        dots_plugin.read_text().replace("assert encoder is not None", "import ctypes; ctypes.CDLL(None)._exit(7)")
    )
    outcomes, _ = carry_out(plugin, [TRIAL])
    assert outcomes[0].reason == "its process ended with exit code 7"


def test_a_process_that_is_killed_while_it_waits_costs_no_trial(dots_plugin: Path) -> None:
    statuses = []
    trials = (TRIAL._replace(seed=seed) for seed in range(3))
    for outcome in Processes(1).run(trials, worker_with(dots_plugin), Observer()):
        statuses.append(outcome.status)
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
    assert statuses == ["done"] * 3


def test_a_process_that_dies_in_mid_word_costs_its_own_trial(dots_plugin: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "stammering.py"
    stammering = """if run.seed == 1:
            import gc, multiprocessing.connection as pipes, os, struct
            for line in [found for found in gc.get_objects() if type(found) is pipes.Connection and found.writable]:
                os.write(line.fileno(), struct.pack("!i", 1000) + b"the first of a thousand bytes")
            __import__("ctypes").CDLL(None)._exit(9)
        assert encoder is not None"""
    plugin.write_text(dots_plugin.read_text().replace("assert encoder is not None", stammering))
    outcomes, _ = carry_out(plugin, [TRIAL._replace(seed=seed) for seed in range(4)])
    by_seed = {outcome.trial.seed: outcome for outcome in outcomes}
    assert [by_seed[seed].status for seed in range(4)] == ["done", "error", "done", "done"]
    assert by_seed[1].reason == "its process ended with exit code 9"


@pytest.mark.parametrize("hanging", ["time.sleep(600)", "run.report(Progress(1, 2, 1.0, 1))"])
def test_a_trial_that_hangs_is_ended_when_its_time_is_over_also_with_one_job(
    dots_plugin: Path, tmp_path: Path, hanging: str
) -> None:
    plugin = tmp_path / "hanging.py"
    words = f"import time\n        while run.seed == 1: {hanging}\n        assert encoder is not None"
    plugin.write_text(dots_plugin.read_text().replace("assert encoder is not None", words))
    worker = Worker(WorkerConfig(plugin_files=(plugin,), trial_minutes=0.05), Registry.discover([plugin]))
    started = time.monotonic()
    trials = [TRIAL._replace(seed=seed) for seed in range(3)]
    outcomes = list(Local().run(trials, worker, Observer()))
    assert [outcome.status for outcome in outcomes] == ["done", "error", "done"]
    assert outcomes[1].reason == (
        "it took longer than the 0.05 minutes that a trial may take (trial_minutes), and was ended"
    )
    assert time.monotonic() - started < 40
    assert not multiprocessing.active_children()


def test_an_executor_that_cannot_end_a_trial_is_refused_with_a_limit(tmp_path: Path) -> None:
    words = ["run", "--no-floors", "--executor", "ray", "--trial-minutes", "5", "--store", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "executor 'ray' cannot end a trial that is late: give --isolate as well" in result.output


def test_processes_that_do_not_heed_the_request_to_end_are_killed(dots_plugin: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "deaf.py"
    deaf = """if run.seed == 1:
            import signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            run.report(Progress(1, 2, 1.0, 1))
            time.sleep(600)
        assert encoder is not None"""
    plugin.write_text(dots_plugin.read_text().replace("assert encoder is not None", deaf))
    observer = Mock(progressed=Mock(side_effect=[None, None, KeyboardInterrupt]))
    ending = Processes(1).run((TRIAL._replace(seed=seed) for seed in range(2)), worker_with(plugin), observer)
    assert next(ending).status == "done"
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(ending)
    assert PATIENCE_S <= time.monotonic() - started < PATIENCE_S + 3
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("asked", [None, "active"])
def test_threads_that_wait_leave_their_core_to_others_unless_a_person_wants_otherwise(
    dots_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if asked:
        monkeypatch.setenv("OMP_WAIT_POLICY", asked)
    plugin = tmp_path / "telling.py"
    telling = "import os; raise ValueError(os.environ['OMP_WAIT_POLICY'])"
    plugin.write_text(dots_plugin.read_text().replace("assert encoder is not None", telling))
    outcomes, _ = carry_out(plugin, [TRIAL])
    assert outcomes[0].reason.startswith(f"ValueError: {asked or 'passive'}")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_numbers_of_other_libraries_in_what_a_model_tells_do_not_stop_a_run(
    dots_plugin: Path, tmp_path: Path, jobs: str
) -> None:
    plugin = tmp_path / "numeric.py"
    source = dots_plugin.read_text().replace("1 / epoch, len(normal)", "np.float32(1 / epoch), np.int64(len(normal))")
    telling = '    def resolved(self, encoder):\n        return {"depth": np.int32(3)}\n\n'
    anchor = "    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:\n        assert"
    assert anchor in source
    plugin.write_text(source.replace(anchor, telling + anchor))
    words = [
        "run",
        "--no-floors",
        "--plugin",
        str(plugin),
        "--store",
        str(tmp_path / "runs"),
        "--device",
        "cpu",
        "--jobs",
        jobs,
    ]
    words += ["--dataset", "dots", "--categories", "large", "--models", "trained", "--encoders", "plain"]
    words += ["--losses", "absolute", "--thresholds", "highest", "--seeds", "0,1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    with Store(tmp_path / "runs") as store:
        for outcome in store.outcomes():
            assert outcome.record.resolved == {"depth": "3"}
            assert outcome.record.loss_history == (1.0, 0.5)


def test_a_trial_is_asked_for_only_when_a_process_is_free(dots_plugin: Path) -> None:
    asked: list[int] = []

    def trials() -> object:
        for seed in range(4):
            asked.append(seed)
            yield TRIAL._replace(seed=seed)

    ending = Processes(2).run(trials(), worker_with(dots_plugin), Observer())
    next(ending)
    assert len(asked) <= 3
    ending.close()


@pytest.mark.parametrize("fail", ["", "nan", "bug"])
def test_jobs_give_the_same_rows_as_one_after_another(dots_plugin: Path, tmp_path: Path, fail: str) -> None:
    rows = {}
    for jobs in ("1", "3"):
        words = [
            "run",
            "--no-floors",
            "--plugin",
            str(dots_plugin),
            "--store",
            str(tmp_path / jobs),
            "--device",
            "cpu",
            "--jobs",
            jobs,
        ]
        words += [
            "--dataset",
            "dots",
            "--categories",
            "large,small",
            "--models",
            f"trained[fail={fail}]" if fail else "trained",
        ]
        words += [
            "--encoders",
            "plain",
            "--losses",
            "absolute",
            "--thresholds",
            "highest",
            "--seeds",
            "0,1,2",
            "--format",
            "json",
        ]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == (3 if fail else 0), result.output
        timed = {"fit_seconds", "train_images_per_second"}
        rows[jobs] = [{k: v for k, v in row.items() if k not in timed} for row in json.loads(result.stdout)]
    assert rows["1"] == rows["3"]
