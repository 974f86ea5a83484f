"""What a person waits for until a run says its first line, and what is imported in which process."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.plugin.registry import Registry
from harness.trials.executors import processes
from harness.trials.executors.processes import Processes
from harness.trials.observers import Observer
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig

TRIAL = Trial("dots", "large", "trained", "plain", "absolute", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
WATCHED = """
import json, sys
heavy = lambda: sorted({"torch", "timm", "scipy", "sklearn", "matplotlib", "ray"} & set(sys.modules))
at_first = None
class Watching:
    def __init__(self, stream): self.stream = stream
    def write(self, text):
        global at_first
        at_first = at_first or [str(text), heavy()]
        return self.stream.write(text)
    def __getattr__(self, name): return getattr(self.stream, name)
sys.stderr = Watching(sys.stderr)
from harness.commands import main
try: main(prog_name="harness", args=sys.argv[1:])
finally: print(json.dumps([at_first, heavy()]))
"""


def test_the_first_line_waits_for_no_large_library_and_torch_is_imported_by_workers_alone(tmp_path: Path) -> None:
    words = [
        "run",
        "--dataset",
        "synthetic[n_train=4,n_test_good=2,n_test_defective=2]",
        "--categories",
        "hazelnut",
        "--image-size",
        "32",
    ]
    words += ["--models", "patchcore[memory=10],gaussian", "--encoders", "conv", "--weights", "random", "--jobs", "2"]
    words += ["--device", "cpu", "--store", str(tmp_path / "runs")]
    done = subprocess.run([sys.executable, "-c", WATCHED, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (said, at_first), at_last = json.loads(done.stdout.splitlines()[-1])
    assert said == "[0/2] reading the images of hazelnut"
    assert at_first == []
    assert not {"torch", "timm"} & set(at_last)


def test_the_paper_s_encoder_and_the_memory_of_patchcore_import_nothing_large_but_torch() -> None:
    code = "import harness_timm.conv, harness_features.patches, harness_features.neighbours as own, sys\n"
    code += "assert own.projection(own.PROJECTED + 1, 0).shape[1] == own.PROJECTED\n"
    code += "print(sorted({'timm', 'torchvision', 'sklearn', 'scipy', 'torch._dynamo'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def modules_of(process: int) -> str:
    """The libraries that a process has in memory."""
    maps = Path(f"/proc/{process}/maps")
    return maps.read_text() if maps.exists() else ""


def awaited(found: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not found() and time.monotonic() < deadline:
        time.sleep(0.02)
    return found()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_start_and_import_what_trials_need_while_images_are_still_read(dots_plugin: Path) -> None:
    def read_slowly() -> Iterator[Trial]:
        assert awaited(lambda: len(multiprocessing.active_children()) == 2)
        assert awaited(lambda: all("syslog" in modules_of(one.pid or 0) for one in multiprocessing.active_children()))
        yield TRIAL
        yield TRIAL._replace(seed=1)

    config = WorkerConfig(plugin_files=(dots_plugin,), imports=("no_such_module", "syslog"))
    worker = Worker(config, Registry.discover([dots_plugin]))
    outcomes = list(Processes(2).run(read_slowly(), worker, Observer()))
    assert [one.status for one in outcomes] == ["done", "done"]
    assert not multiprocessing.active_children()


def test_a_run_that_has_nothing_to_fit_starts_no_worker(dots_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(processes, "_hire", started.append)
    worker = Worker(WorkerConfig(plugin_files=(dots_plugin,)), Registry.discover([dots_plugin]))
    assert list(Processes(2).run([], worker, Observer())) == []
    assert not started
