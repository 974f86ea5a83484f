"""What a plugin changes for the whole process is put back after its trial, and it is named once."""

from __future__ import annotations

import locale
import os
import pkgutil
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import warm_python
from click.testing import CliRunner

from harness.commands import main
from harness.plugin import library_functions
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.process_state import OF_PYTHON
from harness.trials.torch_state import of_torch
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

PLUGINS = Path(__file__).parents[1] / "plugin_files"
REPLACED = [
    "numpy.mean",
    "numpy.linalg.norm",
    "math.sqrt",
    "harness.api.scored.Ranking.auroc",
    "torch.nn.functional.relu",
    "torch.Tensor.mean",
    "json.dumps",
    "hashlib.sha256",
    "sqlite3.connect",
    "harness.api.values.GOOD",
    "harness.trials.trial.GOOD",
    "harness.verdicts.verdict.METRICS",
    "PIL.Image.open",
    "scipy.stats.rankdata",
    "torch.nn.modules.conv.Conv2d.forward",
    "torch.optim.adam.Adam.step",
    "numpy.lib._function_base_impl._quantile",
    "harness_features.detectors.Gaussian.score",
]
NAMES = [shared.name for shared in OF_PYTHON]


@pytest.fixture
def perform(dots_plugin: Path):
    torch = pytest.importorskip("torch")
    everything = (*OF_PYTHON, *of_torch(torch))
    worker = Worker(WorkerConfig(), Registry.discover([dots_plugin, PLUGINS / "vandals.py"]))

    def perform(model: str) -> Outcome:
        trial = Trial("dots", "large", model, "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
        before = [shared.get() for shared in everything]
        outcome = worker.perform(trial, Observer())
        assert [shared.get() for shared in everything] == before
        return outcome

    return perform


@pytest.fixture
def other_locale() -> Iterator[Callable[[], None]]:
    """Call it for a locale that the plugin changes; the tests that follow have theirs again."""
    before = locale.setlocale(locale.LC_ALL)
    yield lambda: locale.setlocale(locale.LC_ALL, "C") and None
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.parametrize(
    ("number", "fails"), [*((number, "false") for number in range(42)), (0, "true"), (16, "true"), (28, "true")]
)
def test_whatever_a_plugin_changes_is_put_back_and_named_also_where_it_fails(
    perform, other_locale: Callable[[], None], number: int, fails: str
) -> None:
    names = [*NAMES, *(shared.name for shared in of_torch(pytest.importorskip("torch")))]
    assert len(names) == 42
    name = names[number]
    if name == "the locale":
        other_locale()
    outcome = perform(f"vandal[harm={number},fails={fails}]")
    assert outcome.status == ("error" if fails == "true" else "done")
    # In inference mode there are no gradients either, and a mode of functions is asked for the device.
    others = {"whether torch keeps gradients"} if name == "torch's inference mode" else set()
    others |= {"torch's default device"} if name == "torch's modes" else set()
    assert {*outcome.changed} - others == {name}


@pytest.mark.parametrize("name", REPLACED)
def test_a_function_that_a_plugin_replaces_is_put_back_and_named(perform, name: str) -> None:
    pkgutil.resolve_name(name)  # imports it, so that it is there to be replaced
    owner, _, what = name.rpartition(".")
    before = getattr(pkgutil.resolve_name(owner), what)
    assert perform(f"vandal[replaces={name}]").changed == (f"the function {name}",)
    assert getattr(pkgutil.resolve_name(owner), what) is before


@pytest.mark.parametrize(
    "name",
    [
        "harness.api.scored.Ranking.average_precision",
        "harness.metrics.guarantees.at_most",
        "harness.trials.settings.SETTINGS",
    ],
)
def test_what_a_function_does_and_what_a_table_holds_is_put_back_where_a_plugin_altered_it(perform, name: str) -> None:
    found = pkgutil.resolve_name(name)
    before = (found.__code__, found.__defaults__) if callable(found) else dict(found)
    assert perform(f"vandal[replaces={name}]").changed == (f"the function {name}",)
    assert ((found.__code__, found.__defaults__) if callable(found) else found) == before


def test_a_module_that_a_plugin_replaces_or_adds_to_is_put_back(perform) -> None:
    import json

    import harness_timm

    assert perform("vandal[replaces=sys.modules['json']]").changed == ("the function sys.modules['json']",)
    assert sys.modules["json"] is json
    assert perform("vandal[replaces=harness_timm.load_published]").changed == (
        "the function harness_timm.load_published",
    )
    assert harness_timm.load_published is not abs


def test_what_a_fresh_torch_has_is_what_it_says_of_itself() -> None:
    """Where a trial is the first to import torch, nobody could look before."""
    pytest.importorskip("torch")
    program = (
        "import torch; from harness.trials.torch_state import fresh, of_torch; "
        "print([one.name for one, was in zip(of_torch(torch), fresh(torch), strict=True) if one.get() != was])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_standard_descriptor_that_a_plugin_closes_is_put_back_and_named(perform) -> None:
    before = os.fstat(1)
    assert perform("vandal[closes=1]").changed == ("the standard descriptors",)
    assert os.path.samestat(os.fstat(1), before)


def test_a_model_that_ends_the_process_at_once_fails_in_its_place(perform) -> None:
    outcome = perform("vandal[ends=at once]")
    assert (outcome.status, outcome.reason[:13]) == ("error", "SystemExit: 0")


def test_a_thread_and_a_child_that_plugins_leave_behind_hold_up_no_end(tmp_path: Path) -> None:
    words = ["run", "--plugin", PLUGINS / "dots.py", "--plugin", PLUGINS / "vandals.py", "--dataset", "dots"]
    words += ["--categories", "large", "--models", "vandal[ends=with a thread],vandal[ends=with a child]"]
    words += ["--device", "cpu", "--jobs", "1", "--no-floors", "--store", tmp_path / "runs"]
    with (tmp_path / "err").open("w") as err:  # a pipe would stay open as long as the child
        command = [sys.executable, "-m", "harness", *map(str, words)]
        done = warm_python.run(command, stdout=err, stderr=err, check=False, timeout=50)
    said = (tmp_path / "err").read_text()
    assert done.returncode == 0, said
    assert "harness: a plugin left threads running (idler), which are not waited for" in said
    assert "2 fitted" in said


def test_what_a_library_replaces_in_itself_while_it_is_imported_stays() -> None:
    torch = pytest.importorskip("torch")
    before = library_functions.look()
    usual = torch.manual_seed
    try:
        torch.manual_seed = torch.nn.functional.relu  # whose code lies in torch
        assert library_functions.put_back(before, set()) == []
    finally:
        torch.manual_seed = usual


def test_numbers_that_a_plugin_draws_are_drawn_again_by_the_next_without_a_word(perform) -> None:
    torch = pytest.importorskip("torch")
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert perform("vandal").changed == ()
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_a_run_names_the_plugin_once(tmp_path: Path, dots_plugin: Path) -> None:
    words = [
        "run",
        "--no-floors",
        "--plugin",
        str(dots_plugin),
        "--plugin",
        str(PLUGINS / "vandals.py"),
        "--dataset",
        "dots",
    ]
    words += ["--categories", "large,small", "--seeds", "0,1", "--models", "vandal[harm=4]", "--device", "cpu"]
    result = CliRunner().invoke(main, [*words, "--jobs", "1", "--store", str(tmp_path / "runs"), "--format", "json"])
    assert result.exit_code == 0, result.output
    said = "the parts of vandal[harm=4] changed numpy's handling of errors for the whole process, which was put back"
    assert result.stderr.count(said) == 1
