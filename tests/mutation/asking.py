"""Asks tests in a process that has been forked: torch and pytest are imported once, the code in question each time."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import math
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import _pytest.main
import pytest

IMPORTED_ONCE = (
    *("numpy", "scipy.stats", "scipy.ndimage", "sklearn.metrics", "PIL.Image", "safetensors.numpy", "click.testing"),
    *("rich.console", "rich.table", "hypothesis", "pluggy", "jinja2", "tabulate", "threadpoolctl", "sqlite3"),
)
"""What many tests import and no mutant changes."""
WITH_TORCH = ("torch", "torchvision", "timm", "safetensors.torch", "pytorch_msssim")


def import_once(names: Iterable[str]) -> None:
    """Import modules, where they are there, for all processes that are forked from this one; and those of pytest."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["-q", "--assert=plain", "-p", "no:cacheprovider", f"--rootdir={empty}", empty])
    gc.collect()
    gc.freeze()  # pytest collects garbage five times as it ends, which took three quarters of a mutant's time


class Recorder:
    """Writes down which lines each test runs, and how many seconds of a processor it takes. A plugin of pytest."""

    def __init__(self, folder: Path) -> None:
        import coverage

        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, source=[str(folder / "harness"), str(folder / "plugins")]
        )
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        started = sum(os.times()[:4])  # of this process and its children, whoever else is busy here
        result = yield
        self.seconds[item.nodeid] = sum(os.times()[:4]) - started
        self.coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails on code that is not changed, perhaps for it needs a terminal, can notice nothing."""
        if report.failed:
            self.failed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        """What a fixture that several tests share runs, each of them may notice."""
        shared = fixturedef.scope != "function"
        if shared:
            self.coverage.switch_context(f"shared by {request.node.nodeid}")
        result = yield
        if shared:
            self.coverage.switch_context(os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0])
        return result

    def lines(self, folder: Path) -> dict[str, dict[int, list[str]]]:
        """By module and line, the tests that run it; an empty name stands for the collection of tests."""
        self.coverage.stop()
        data = self.coverage.get_data()
        found = {}
        for file in data.measured_files():
            by_line = data.contexts_by_lineno(file)
            found[str(Path(file).relative_to(folder))] = {
                line: sorted({test for context in contexts for test in self._tests(context)})
                for line, contexts in by_line.items()
            }
        return found

    def _tests(self, context: str) -> Sequence[str]:
        if not context.startswith("shared by "):
            return [context]
        node = context.removeprefix("shared by ")
        return [test for test in self.seconds if test.startswith(node)]


class Chosen:
    """Keeps of what is collected the tests that were chosen, in the order given. A plugin of pytest."""

    def __init__(self, tests: Iterable[str]) -> None:
        self.place = {test: at for at, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = self.of(items)

    def of(self, items: Iterable[pytest.Item]) -> list[pytest.Item]:
        return sorted((item for item in items if item.nodeid in self.place), key=lambda item: self.place[item.nodeid])


class Collected:
    """Does some work once all tests are collected, instead of running them. A plugin of pytest."""

    def __init__(self, root: Path, work: Callable[[Collected], None]) -> None:
        self.root, self.work = root, work
        self.functions: list[FunctionType] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.session = session
        gc.unfreeze()  # a conftest may have frozen what it imported, and gc.get_objects() leaves that out
        self.functions = [
            one
            for one in gc.get_objects()
            # not isinstance, which asks an object for its class: one of torch warns of that
            if type(one) is FunctionType and one.__code__.co_filename.startswith(str(self.root))
        ]
        gc.collect()
        gc.freeze()
        self.work(self)
        return True

    def change(self, path: str, before: str, after: str) -> None:
        """Give the functions of a module that was imported the code that it has now.

        Raises ValueError where that cannot be done because one of them uses other names of those around it.
        """
        file = str(self.root / path)
        codes, changed = (_codes(compile(text, file, "exec", dont_inherit=True)) for text in (before, after))
        becomes = {code: changed[name] for name, code in codes.items() if name in changed}
        for function in self.functions:
            if function.__code__.co_filename == file and function.__code__ in becomes:
                function.__code__ = becomes[function.__code__]

    def run(self, chosen: Chosen) -> int:
        """Run tests until one fails; 1 if one did. Once in a process."""
        self.session.items = chosen.of(self.session.items)
        with contextlib.suppress(self.session.Failed):
            _pytest.main.pytest_runtestloop(self.session)
        return int(self.session.testsfailed > 0)


def _codes(module: CodeType) -> dict[tuple[str, int], CodeType]:
    """The code of every function of a module, by its name and how many have it before."""
    found: dict[tuple[str, int], CodeType] = {}
    times: Counter[str] = Counter()
    waiting = [module]
    while waiting:
        code = waiting.pop()
        found[code.co_qualname, times[code.co_qualname]] = code
        times[code.co_qualname] += 1
        waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
    return found


class FirstFailure:
    """Remembers it. A plugin of pytest."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


def settle_hypothesis() -> None:
    """The same examples each time, no deadline on a busy machine, and no time spent on smaller failures."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")


def ask(arguments: Sequence[str], plugins: Sequence[object], log: Path) -> int:
    """Pytest's exit code, in this process."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    settle_hypothesis()
    common = ("-q", "--assert=plain", "-p", "_hypothesis_pytestplugin")
    return int(pytest.main([*common, *arguments], plugins=list(plugins)))


def in_a_fork(work: Callable[[], int], limit_s: float, processor_s: float | None = None) -> int | None:
    """The exit code of a forked process that does some work; None where it took too long and was killed.

    `processor_s` are seconds of a processor, which a busy machine makes no longer: what loops is stopped by these.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.setsid()
        if processor_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(processor_s), resource.RLIM_INFINITY))
        code = 99
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    deadline = time.monotonic() + limit_s
    ended = None
    while ended is None and time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            ended = os.waitstatus_to_exitcode(status)
        else:
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # also what tests have left behind
    if ended is None:
        os.waitpid(child, 0)
    return None if ended == -signal.SIGXCPU else ended
