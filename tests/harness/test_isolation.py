"""Isolated trials: strangers' code is in no process that has the labels, and the numbers are those of any other run."""

from __future__ import annotations

import ctypes
import json
import pickle
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import harness
from harness.api import Encoder, Loss, Model
from harness.commands import main
from harness.errors import UsageError
from harness.plugin.options import option_types
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.trials.isolation.described import describe, stand_in
from harness.trials.isolation.registry import IsolatedRegistry, isolated_registry
from harness.trials.isolation.wire import WireError, receive, send
from harness.trials.observers import Observer
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig

PLUGINS = Path(__file__).parents[1] / "plugin_files"
SPY = PLUGINS / "spy.py"
TRIAL = Trial("synthetic", "tile", "spy", "-", "-", 0, 32, 0, 0, 0.0, 0.0, "fp32", "-")


@pytest.fixture(scope="module")
def registry() -> IsolatedRegistry:
    return isolated_registry([SPY])


@pytest.fixture
def performed(registry: IsolatedRegistry) -> Callable[..., object]:
    def performed(model: str, **more: object) -> object:
        worker = Worker(WorkerConfig(isolate=True, threads=1, **more), registry)
        return worker.perform(TRIAL._replace(model=model), Observer())

    return performed


def test_the_plugin_is_imported_in_no_process_that_has_labels(registry: IsolatedRegistry) -> None:
    assert not [name for name in sys.modules if name.endswith("file_spy")]
    assert registry.offers(Model)["spy"].plugin.path == str(SPY)


def test_scores_are_those_of_a_trial_that_is_not_isolated(performed: Callable[..., object]) -> None:
    apart = performed("spy")
    together = Worker(WorkerConfig(threads=1), Registry.discover([SPY])).perform(TRIAL, Observer())
    assert apart.status == together.status == "done"
    assert apart.id == together.id
    for pool, scores in together.evidence.test.items():
        assert np.array_equal(scores, apart.evidence.test[pool])
        assert np.array_equal(together.evidence.normal[pool], apart.evidence.normal[pool])
    assert apart.evidence.pixels.to_bytes() == together.evidence.pixels.to_bytes()
    assert apart.record.plugins == together.record.plugins


def test_a_model_that_searches_its_process_finds_no_labels(performed: Callable[..., object]) -> None:
    assert performed("spy[looks=everywhere]").record.resolved == {"found": "nothing"}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is shown as a file on Linux alone")
def test_a_model_cannot_read_the_memory_of_the_process_that_has_the_labels(performed: Callable[..., object]) -> None:
    assert performed("spy[looks=parent]").record.resolved == {"found": "nothing"}
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0, "not to be dumped, which bars users other than root"


def test_the_same_search_finds_them_where_trials_are_not_isolated() -> None:
    trial = TRIAL._replace(model="spy[looks=frames]")
    found = Worker(WorkerConfig(threads=1), Registry.discover([SPY])).perform(trial, Observer())
    assert found.record.resolved == {"found": "labels"}


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("raise", "ValueError: a stranger's fault (spy.py"),
        ("die", "its process ended with exit code 7"),
        ("babble", "its process cannot be understood: it said what is no message"),
        ("nan", "reported a loss of nan"),
        ("shape", "15 maps for 16 images"),
        ("memory", "out of memory"),
    ],
)
def test_what_goes_wrong_there_is_an_error_with_its_reason(
    performed: Callable[..., object], does: str, reason: str
) -> None:
    outcome = performed(f"spy[does={does}]")
    assert (outcome.status, reason in outcome.reason) == ("error", True), outcome.reason


def test_one_that_hangs_is_ended_when_its_time_is_over(performed: Callable[..., object]) -> None:
    started = time.monotonic()
    outcome = performed("spy[does=hang]", trial_minutes=0.05)
    assert outcome.reason.startswith("it took longer than the 0.05 minutes")
    assert time.monotonic() - started < 20


def test_what_comes_back_is_read_as_json_and_plain_arrays_of_a_bounded_size() -> None:
    ours, theirs = Pipe()
    for sent in (pickle.dumps({"a": 1}), b"[1]", b"[" * 100_000, b'{"arrays": true}'):
        theirs.send_bytes(sent)
        theirs.send_bytes(b"8" * 20)
        with pytest.raises(WireError):
            receive(ours)
        if ours.poll():
            ours.recv_bytes()
    send(theirs, {"a": 1}, {"b": np.zeros(1000)})
    with pytest.raises(OSError):
        receive(ours, most=1000)


def test_stand_ins_are_spelt_as_what_they_stand_for() -> None:
    whole = Registry.discover([SPY])
    for kind, text in ((Model, "spy[width=3,loss=ssim[window=7]]"), (Encoder, "vgg16"), (Loss, "ssim[window=7]")):
        part = whole.make(kind, text)
        told = json.loads(json.dumps(describe(type(part))))
        stands = stand_in(told, whole.make)
        assert option_types(stands) == option_types(type(part))
        assert (stands.version, stands.name) == (part.version, part.name)
        assert spell(stands()) == part.name
    assert stands.mean_of_map == type(part).mean_of_map


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"kind": "dataset"},
        {"kind": ["model"]},
        {"kind": "model", "name": "x", "class": "X", "facts": [], "options": []},
        {"kind": "model", "name": "x", "class": "X", "facts": {}, "options": [{"name": "a", "type": "os"}]},
        {"kind": "model", "name": "x", "class": "X", "facts": {}, "options": [7]},
        {"kind": "model", "name": "x", "class": "not one", "facts": {}, "options": [{"name": "a b", "type": "int"}]},
    ],
)
def test_a_part_that_is_described_wrongly_is_refused(told: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        stand_in(told, Registry.discover().make)


def test_a_whole_run_is_isolated_and_says_what_is_left_out(tmp_path: Path) -> None:
    words = ["run", "--no-floors", "--isolate", "--plugin", str(SPY), "--models", "spy", "--categories", "tile"]
    words += ["--image-size", "32", "--device", "cpu", "--jobs", "1", "--quiet", "--format", "json"]
    result = CliRunner().invoke(main, [*words, "--store", str(tmp_path / "runs")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["model"] == "spy"
    assert "offers threshold 'spying', which is left out: it would be given labels" in result.stderr


def test_code_of_this_process_cannot_be_isolated(tmp_path: Path) -> None:
    class Here(Model):
        name = "here"

        def fit(self, normal: object, **_: object) -> None: ...
        def score(self, images: object) -> None: ...

    with pytest.raises(UsageError, match="isolate runs trials in others"):
        harness.run(models=[Here], isolate=True, store=tmp_path / "runs", quiet=True)


LEAVES_OUT = """
import numpy as np
import harness
class Nearest(harness.Model):
    name = "nearest_image"
    def fit(self, normal, *, encoder, loss, run):
        self.known = normal.pixels.reshape(len(normal), -1).astype(float)
    def score(self, images):
        return self.score_left_out(images, [np.empty(0, int)] * len(images))
    def score_left_out(self, images, without):
        flat = images.pixels.reshape(len(images), -1).astype(float)
        left = [np.delete(self.known, out, axis=0) for out in without]
        return harness.Scores(images=np.array([np.abs(known - one).sum(axis=1).min() for known, one in zip(left, flat)]))
@harness.hookimpl
def harness_models(): return [Nearest]
"""


def test_an_isolated_model_leaves_images_out_without_a_fit_more_as_it_does_here(tmp_path: Path) -> None:
    file = tmp_path / "nearest.py"
    file.write_text(LEAVES_OUT)
    trial = TRIAL._replace(model="nearest_image", calibrate="crossfit")
    here, apart = (
        Worker(WorkerConfig(isolate=isolate, threads=1), registry).perform(trial, Observer())
        for isolate, registry in ((False, Registry.discover([file])), (True, isolated_registry([file])))
    )
    assert here.evidence is not None, here.reason
    assert apart.evidence is not None, apart.reason
    assert np.array_equal(here.evidence.normal["-"], apart.evidence.normal["-"])
    assert here.evidence.normal["-"].min() > 0, "no image is compared with itself"


def test_a_floor_stays_one_where_it_is_isolated() -> None:
    """Without that, `verify` called every honest floor different."""
    trial = TRIAL._replace(model="global_statistics")
    found = Worker(WorkerConfig(threads=1, isolate=True), isolated_registry([SPY])).perform(trial, Observer())
    assert (found.status, found.record.floor) == ("done", True), found.reason
