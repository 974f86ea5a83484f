"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import heapq
import multiprocessing
import os
import shutil
import site
import subprocess
import time
import tomllib
import venv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import warm_python

from harness.plugin.registry import Registry
from harness.trials.executors import processes
from harness.trials.grid import Cell
from harness.trials.observers import Observer
from harness.trials.schedule import carry_out
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig
from harness_ray.fleet import room

if "PYTEST_XDIST_WORKER" in os.environ:  # each of several workers has one core, and so have the processes it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Several workers take files in the order that follows, and not those first that have the most tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that no two processes share. Files with slow tests come first, so that no worker ends on one alone."""
    if unstable := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        # Its name is another in each process, so that two workers of pytest-xdist would not agree on what there is.
        raise pytest.UsageError(f"name its cases by what they are, as ids=spell does: {unstable[0]}")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What all test files import stays to the end: a collection need not look through it again each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def shared() -> Path:
    """The folder of real images and weights that lies beside the checkout on our machines."""
    if not SHARED.is_dir():
        pytest.skip("real images and weights (../shared) are not here")
    return SHARED


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "harness-test", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, in which pages are tested; for a module only, since playwright's event loop would stop those of others."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not here: pip install '.[test]'")
    with playwright.sync_playwright() as driver:
        quiet = ("quic", "background-networking", "component-update", "sync")
        flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{one}" for one in quiet)]
        opened = driver.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


@pytest.fixture(autouse=True, scope="session")
def _plugins_are_installed() -> None:
    """A checkout that has a new built-in plugin is to be installed again: its entry points are read when it is."""
    declared = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]["entry-points"][
        "anomaly_harness"
    ]
    missing = declared.keys() - {entry.name for entry in entry_points(group="anomaly_harness")}
    if missing:
        again = "pip install --no-deps --no-build-isolation -e ."
        pytest.exit(f"built-in plugins {sorted(missing)} are not installed here: `{again}`", returncode=2)


@pytest.fixture(autouse=True, scope="session")
def _cache_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go where the session's other files go, and not into the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("COLUMNS", raising=False)  # which pytest-xdist sets, and tables would be as wide as
        yield


@pytest.fixture(autouse=True, scope="session")
def _warm_workers() -> Iterator[None]:
    """Workers of `--jobs 2` are forked by a process that has their imports behind it, and that ends with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        warm = SimpleNamespace(get_context=warm_python.get_context, parent_process=multiprocessing.parent_process)
        patch.setattr(processes, "multiprocessing", warm)
        yield
    warm_python.stop()


@pytest.fixture(scope="session")
def dots_plugin() -> Path:
    """A single-file plugin with one part of each kind, in numpy."""
    return TESTS / "plugin_files" / "dots.py"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare text with a file in tests/golden; `UPDATE_GOLDEN=1 pytest` writes the file instead."""

    def compare(name: str, text: str) -> None:
        file = TESTS / "golden" / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{name} differs: UPDATE_GOLDEN=1 pytest writes it anew"

    return compare


class FreshEnvironment:
    """A new virtual environment that sees the packages of this one, so that torch need not be copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
        outer = [path for path in site.getsitepackages() if Path(path).is_dir()]
        lines = [f"import site; site.addsitedir({path!r})\n" for path in outer]  # an editable install's .pth counts too
        (packages / "outer.pth").write_text("".join(lines))

    def run(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        """Standard output of `python ARGUMENTS`, which has to end with this exit code."""
        python = self.folder / "venv" / "bin" / "python"
        done = subprocess.run(
            [python, *arguments],
            capture_output=True,
            text=True,
            cwd=cwd or self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=300,
        )
        assert done.returncode == expect, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def install(self, *sources: Path) -> None:
        """Install packages from these folders, with nothing downloaded."""
        options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
        self.run("-m", "pip", "install", *options, *map(str, sources))


@pytest.fixture(scope="module")
def fresh_environment(tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    """A virtual environment outside the repository, for what a stranger installs."""
    return FreshEnvironment(tmp_path_factory.mktemp("environment"))


@dataclass
class VirtualCluster:
    """An executor in virtual time: workers that take so long for a trial, and one driver that serves them.

    What the driver does itself (asking for a trial, storing an outcome) takes the time that it really takes here. What
    Ray adds is given: seconds of the driver for each task, and of a worker between two.
    """

    outcome: Outcome
    """What every trial ends with, but for its own name."""
    workers: int
    trial_s: float
    driver_s: float
    pause_s: float
    clock: float = 0.0
    driver_busy: float = 0.0

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        """The outcome of each trial, as they end in virtual time."""
        waiting = iter(trials)
        free = [0.0] * self.workers  # when each worker is ready for its next
        flying: list[tuple[float, Trial]] = []
        while True:
            while len(flying) < room(self.workers):
                with self._driving():
                    trial = next(waiting, None)
                if trial is None:
                    break
                self._spend(self.driver_s)
                end = max(self.clock, heapq.heappop(free)) + self.pause_s + self.trial_s
                heapq.heappush(free, end)
                heapq.heappush(flying, (end, trial))
            if not flying:
                return
            end, trial = heapq.heappop(flying)
            self.clock = max(self.clock, end)
            with self._driving():
                yield replace(self.outcome, trial=trial)

    def overhead(self, trials: int) -> float:
        """The share by which all took longer than the workers alone would."""
        return self.clock / (-(-trials // self.workers) * self.trial_s) - 1

    @contextmanager
    def _driving(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._spend(time.perf_counter() - started)

    def _spend(self, seconds: float) -> None:
        self.clock += seconds
        self.driver_busy += seconds


@pytest.fixture
def virtual_run(dots_plugin: Path, tmp_path: Path) -> Callable[..., VirtualCluster]:
    """Stub trials through the scheduler into a store on this disk, over workers that take virtual time."""

    def run(trials: int, **cluster: float) -> VirtualCluster:
        worker = Worker(WorkerConfig(), Registry.discover([dots_plugin]))
        stub = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
        executor = VirtualCluster(worker.perform(stub, Observer()), **cluster)
        plan = (Cell(stub._replace(seed=seed)) for seed in range(trials))
        with Store(tmp_path / "runs", write=True) as store:
            tally = carry_out(plan, store=store, worker=worker, executor=executor, observer=Observer())
            assert tally.fitted == len(store.done()) == trials
        return executor

    return run
