"""Runs that are killed, stopped, or beside another run on the same store."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import pytest
import warm_python

from harness import StoreError
from harness.trials.database import FILE_NAME
from harness.trials.store import Store

STOPS_WITHIN_S = 5.0


class Bench:
    """`harness run` in processes of its own, on a plugin whose fits write their seed and process into a diary."""

    def __init__(self, folder: Path, plugin: Path) -> None:
        self.store, self.diary, self.plugin = folder / "runs", folder / "diary", folder / "diarist.py"
        waiting = (
            "        if run.seed >= int(os.environ.get('WAIT_FROM', 0)):\n"
            "            time.sleep(float(os.environ.get('FIT_S', 0)))\n"
            "            if 'TAKES_SIGNALS' in os.environ:\n"
            "                for number in (signal.SIGINT, signal.SIGTERM): take(number, signal.SIG_IGN)\n"
            "                signal.set_wakeup_fd(-1)\n"
            "            if 'DEAF' in os.environ:\n"
            "                signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "            if 'LONG_STEP' in os.environ:  # one call of C, which no signal handler of Python interrupts\n"
            "                hashlib.pbkdf2_hmac('sha256', b'a', b'b', 10**9)\n"
        )
        source = plugin.read_text().replace(
            "import numpy", "import hashlib, os, signal, time\nfrom signal import signal as take\nimport numpy"
        )
        source = source.replace(r"{run.seed}\n", r"{run.seed} {os.getpid()}\n")
        anchor = '        if self.fail == "nan"'
        assert anchor in source
        self.plugin.write_text(source.replace(anchor, waiting + anchor))
        self.diary.touch()
        self.started: list[warm_python.Popen] = []

    def words(self, seeds: int, *more: str) -> list[str]:
        words = [
            sys.executable,
            "-m",
            "harness",
            "run",
            "--no-floors",
            "--plugin",
            str(self.plugin),
            "--store",
            str(self.store),
        ]
        words += ["--dataset", "dots", "--categories", "large", "--models", f"trained[diary={self.diary}]"]
        words += ["--encoders", "plain", "--losses", "absolute", "--thresholds", "highest", "--device", "cpu"]
        return [*words, "--seeds", ",".join(map(str, range(seeds))), *more]

    def start(self, seeds: int, *more: str, **environ: str) -> warm_python.Popen:
        return self.start_words(self.words(seeds, *more), **environ)

    def start_words(self, words: list[str], **environ: str) -> warm_python.Popen:
        process = warm_python.Popen(
            words,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def clear_away(self) -> None:
        """Kill whatever is left of the processes, and of those that they have started."""
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def fits(self) -> list[tuple[int, int]]:
        """Seed and process of every fit that was begun, in their order."""
        return [
            (int(words[2]), int(words[3])) for line in self.diary.read_text().splitlines() if (words := line.split())
        ]

    def wait_for_fits(self, number: int, process: warm_python.Popen | None = None) -> None:
        """Until so many were begun, or the process has ended where that may be."""
        wait_until(lambda: len(self.fits()) >= number or (process is not None and process.poll() is not None))

    def stored(self) -> list[int]:
        """The seeds that are done, from a store that opens and is whole."""
        if not self.store.exists():
            return []
        with suppress(StoreError), Store(self.store) as opened:
            seeds = sorted(found.trial.seed for found in opened.outcomes() if found.status == "done")
            assert opened._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return seeds
        # Killed before its first transaction, a run leaves an empty file or one that its journal empties.
        with closing(sqlite3.connect(self.store / FILE_NAME)) as db:
            assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        return []


@pytest.fixture
def bench(tmp_path: Path, dots_plugin: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, dots_plugin)
    yield made
    made.clear_away()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def alive(process: int) -> bool:
    """Whether a process is there and is not just waiting to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_fifty_kills_at_random_moments_lose_no_stored_trial_and_fit_none_twice(bench: Bench) -> None:
    seeds, chance, stored = 200, random.Random(7), set[int]()
    for round_ in range(50):
        begun = len(bench.fits())
        process = bench.start(seeds, "--jobs", "2" if round_ % 5 == 4 else "1", "--quiet", FIT_S="0.002")
        if round_ % 2:  # half of them while it fits and stores, the others mostly while it starts
            bench.wait_for_fits(begun + chance.randint(1, 10), process)
        time.sleep(chance.uniform(0, 0.03 if round_ % 2 else 0.2))
        process.kill()
        process.wait()
        now = set(bench.stored())
        assert stored <= now, "what was stored stays"
        again = {seed for seed, _ in bench.fits()[begun:]} & stored
        assert not again, "what was stored is not fitted again"
        stored = now
    begun = len(bench.fits())
    done = bench.start(seeds, "--jobs", "1", "--quiet")
    _, said = done.communicate(timeout=300)  # on a machine that has much else to do
    assert done.returncode == 0, said
    assert f"{seeds - len(stored)} fitted, {len(stored)} already there" in said
    assert bench.stored() == list(range(seeds))
    assert {seed for seed, _ in bench.fits()[begun:]} == set(range(seeds)) - stored
    assert len(stored) > 50, "the kills have hit runs at work"


def test_a_record_is_in_the_store_when_its_line_is_printed(bench: Bench) -> None:
    for more in range(1, 5):
        process = bench.start(40, "--jobs", "1", FIT_S="0.02")
        assert process.stderr is not None
        lines = list(islice((line for line in process.stderr if "done in" in line), more))
        process.kill()
        process.communicate()
        assert len(lines) == more
        told = {int(re.search(r"seed (\d+)", line).group(1)) for line in lines}
        assert told <= set(bench.stored())


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("long_step", [False, True], ids=["between steps", "in a long step"])
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_takes_effect_within_five_seconds_and_the_same_command_goes_on(
    bench: Bench, stop: signal.Signals, code: int, long_step: bool, jobs: str
) -> None:
    waiting = {"LONG_STEP": "1"} if long_step else {"FIT_S": "600"}
    if jobs == "2":
        waiting["DEAF"] = "1"  # a worker may have its own mind about signals; the first process has none but ours
    process = bench.start(5, "--jobs", jobs, WAIT_FROM="2", **waiting)
    bench.wait_for_fits(2 + int(jobs))
    time.sleep(0.2)
    asked = time.monotonic()
    if stop == signal.SIGINT:
        os.killpg(process.pid, stop)  # as a terminal does
    else:
        process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - asked < STOPS_WITHIN_S
    assert process.returncode == code, said
    assert f"Stopped. Finished trials are kept in {bench.store}; the same command goes on from there." in said
    assert "Traceback" not in said
    wait_until(lambda: not any(alive(worker) for _, worker in bench.fits()), STOPS_WITHIN_S)
    assert bench.stored() == [0, 1]
    done = bench.start(5, "--jobs", jobs)
    assert "3 fitted, 2 already there" in done.communicate(timeout=60)[1]
    assert bench.stored() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("waiting", [{"LONG_STEP": "1"}, {"FIT_S": "0.1"}], ids=["in a long step", "between steps"])
def test_a_plugin_that_takes_the_signals_keeps_no_stop_away(
    bench: Bench, stop: signal.Signals, code: int, waiting: dict[str, str]
) -> None:
    process = bench.start(500, "--jobs", "1", WAIT_FROM="1", TAKES_SIGNALS="1", **waiting)
    bench.wait_for_fits(4 if "FIT_S" in waiting else 2)
    time.sleep(0.2)
    asked = time.monotonic()
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - asked < STOPS_WITHIN_S
    assert process.returncode == code, said
    assert "Traceback" not in said


@pytest.mark.parametrize("waiting", ["LONG_STEP", "FIT_S"])
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_fit_that_is_made_again_stops_as_a_run_does(
    bench: Bench, stop: signal.Signals, code: int, waiting: str
) -> None:
    bench.start(1, "--jobs", "1").communicate(timeout=60)
    with Store(bench.store) as opened:
        (key,) = opened.ids()
    words = ["reproduce", key, "--store", str(bench.store), "--plugin", str(bench.plugin), "--device", "cpu"]
    process = bench.start_words([sys.executable, "-m", "harness", *words], **{waiting: "600"})
    bench.wait_for_fits(2)
    time.sleep(0.2)
    asked = time.monotonic()
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - asked < STOPS_WITHIN_S
    assert process.returncode == code
    assert said.split("\n") == ["", "Stopped. The store is as it was.", ""]


def test_ctrl_c_ends_every_command_with_130_and_no_traceback(tmp_path: Path) -> None:
    plugin = tmp_path / "interrupting.py"
    plugin.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "list", "--plugin", str(plugin)],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_workers_do_not_outlive_a_run_that_is_killed(bench: Bench) -> None:
    process = bench.start(4, "--jobs", "2", LONG_STEP="1")
    bench.wait_for_fits(2)
    workers = [worker for _, worker in bench.fits()]
    assert all(alive(worker) for worker in workers)
    process.kill()
    process.wait()
    wait_until(lambda: not any(alive(worker) for worker in workers), STOPS_WITHIN_S)


@pytest.fixture
def reading(bench: Bench) -> Iterator[Callable[[], int]]:
    """Reads the store again and again in a process of its own; gives how often that worked, once asked."""
    script = (
        "import sys, time; from pathlib import Path; from harness.trials.store import Store\n"
        "times = 0\n"
        "while not Path(sys.argv[2]).exists():\n"
        "    time.sleep(0.02)\n"
        "    if Path(sys.argv[1], 'store.sqlite').exists():\n"
        "        try:\n"
        "            with Store(Path(sys.argv[1])) as opened: times += len(list(opened.outcomes())) >= 0\n"
        "        except Exception as error:\n"
        "            if 'is not a store' not in str(error): raise\n"  # not yet filled
        "print(times)\n"
    )
    over = bench.store.parent / "over"
    reader = warm_python.Popen(
        [sys.executable, "-c", script, str(bench.store), str(over)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def times() -> int:
        over.touch()
        out, complaint = reader.communicate(timeout=60)
        assert reader.returncode == 0, complaint
        return int(out)

    yield times
    reader.kill()
    reader.communicate()


def test_two_runs_and_a_reader_on_one_store_lose_and_double_nothing_and_never_meet_a_lock(
    bench: Bench, reading: Callable[[], int]
) -> None:
    runs = [bench.start(60, "--jobs", jobs, FIT_S="0.005") for jobs in ("1", "2")]
    for process in runs:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert "locked" not in said
        fitted, found = map(int, re.search(r"(\d+) fitted, (\d+) already there", said).groups())
        assert fitted + found == 60
    assert bench.stored() == list(range(60))
    assert reading() > 0
