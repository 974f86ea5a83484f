"""What strangers' parts, damaged stores and changed notebooks may not do: pass in silence, or end in a traceback."""

from __future__ import annotations

import json
import sqlite3
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm_python
from click.testing import CliRunner, Result

import harness
from harness.commands import main
from harness.errors import HarnessWarning, LeftOutWarning, UsageError
from harness.plugin.digest import digest_of
from harness.plugin.registry import Registry
from harness.trials.settings import Settings
from harness.trials.store import Store

STRANGER = """
import sys
from dataclasses import dataclass, replace
from harness import Executor, Model, Tracker, hookimpl

@dataclass
class Odd(Executor):
    name = "odd"
    how: str = ""

    def prepare(self, wanted):
        if self.how == "prepare": raise RuntimeError("no place")
        return 5 if self.how == "device" else None

    def side_by_side(self, device, trials):
        if self.how == "share": raise RuntimeError("no share")
        return None if self.how == "jobs" else 1

    def run(self, trials, worker, observer):
        if self.how == "run": raise RuntimeError("broke")
        if self.how == "exit": sys.exit(9)
        if self.how == "nothing": return None
        if self.how == "number": return iter([3])
        outcomes = [worker.perform(trial, observer) for trial in trials]
        if self.how == "more":
            outcomes = [outcomes[0], *outcomes, replace(outcomes[0], trial=outcomes[0].trial._replace(seed=99))]
        return iter(outcomes[:1] if self.how == "lose" else outcomes)

@dataclass
class Leaving(Tracker):
    name = "leaving"
    at: str = ""
    def prepare(self):
        if self.at == "prepare": raise RuntimeError("no server")
    def open(self): pass
    def log(self, trial): sys.exit(4)

@dataclass
class Picky(Model):
    name = "picky"
    k: int = 1
    def __post_init__(self):
        if self.k == 4: raise TypeError("no four")
    def fit(self, *a, **k): pass
    def score(self, images): pass

@hookimpl
def harness_executors(): return [Odd]
@hookimpl
def harness_trackers(): return [Leaving]
@hookimpl
def harness_models(): return [Picky]
"""


@pytest.fixture
def words(tmp_path: Path, dots_plugin: Path) -> list[str]:
    (tmp_path / "stranger.py").write_text(STRANGER)
    plugins = f"--plugin {dots_plugin} --plugin {tmp_path / 'stranger.py'} --store {tmp_path / 'runs'} --format json"
    return f"run --dataset dots --categories large --models mean_image,brightest --device cpu {plugins}".split()


def call(words: list[str], *more: str) -> Result:
    return CliRunner().invoke(main, [*words, *more])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("prepare", "executor odd[how=prepare] cannot be used: RuntimeError: no place"),
        ("device", "executor odd[how=device] says the device 5, expected text such as cuda, or None"),
        ("share", "executor odd[how=share] cannot be used: RuntimeError: no share"),
        ("jobs", "executor odd[how=jobs] says None trials side by side, expected a number from 1"),
        ("run", "executor odd[how=run]: RuntimeError: broke"),
        ("exit", "executor odd[how=exit]: SystemExit: 9"),
        ("nothing", "executor odd[how=nothing]: TypeError: 'NoneType' object is not iterable"),
        ("number", "executor odd[how=number] gave 3, expected an outcome"),
    ],
)
def test_what_goes_wrong_in_an_executor_is_one_line_with_its_name(words: list[str], how: str, said: str) -> None:
    result = call(words, "--executor", f"odd[how={how}]")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_trial_that_an_executor_loses_is_told_and_is_no_success(words: list[str]) -> None:
    result = call(words, "--executor", "odd[how=lose]")
    assert result.exit_code == 3
    assert [row["status"] for row in json.loads(result.stdout)].count("error") == 1
    assert "executor odd[how=lose] took it and gave no outcome of it" in result.stderr
    assert call(words).exit_code == 0, "it is fitted by the next run"


def test_outcomes_that_nobody_waits_for_are_counted_once_and_said(words: list[str], tmp_path: Path) -> None:
    result = call(words, "--executor", "odd[how=more]", "--no-floors")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 2
    assert "2 fitted, 0 already there" in result.stderr
    assert (
        "executor odd[how=more] gave an outcome of large · mean_image · seed 0 and 1 more that nobody" in result.stderr
    )
    with Store(tmp_path / "runs") as store:
        assert sorted(outcome.trial.seed for outcome in store.outcomes()) == [0, 0]


def test_a_tracker_that_exits_is_said_once_and_one_that_cannot_be_prepared_is_one_line(words: list[str]) -> None:
    result = call(words, "--jobs", "1", "--tracker", "leaving")
    assert result.exit_code == 0
    assert result.stderr.count("tracker leaving is told nothing more: 4") == 1
    result = call(words, "--jobs", "1", "--tracker", "leaving[at=prepare]")
    assert result.exit_code == 2
    assert "tracker leaving[at=prepare] cannot be used: RuntimeError: no server" in result.stderr


def test_whatever_a_part_raises_while_it_is_made_is_one_line(tmp_path: Path, words: list[str]) -> None:
    result = call(words, "--models", "picky[k=4]")
    assert result.exit_code == 2
    assert "model 'picky': TypeError: no four" in result.stderr


def test_a_plugin_for_a_later_contract_is_told_so_though_it_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "later.py").write_text("from harness import OfContractTwo\nharness_contract = 2\n")
    (broken,) = Registry.discover([tmp_path / "later.py"]).broken
    assert broken.problems == ["is made for contract 2, and this harness has contract 1: upgrade anomaly-harness"]


def test_what_a_plugin_writes_to_the_first_stdout_is_kept_apart_too(tmp_path: Path, words: list[str]) -> None:
    loud = tmp_path / "loud.py"
    loud.write_text("import sys\nprint('by its first name', file=sys.__stdout__)\n")
    said = warm_python.run(
        [sys.executable, "-m", "harness", "list", "models", "--format", "json", "--plugin", str(loud)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout)
    assert "[loud] by its first name" in said.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE scores SET test = x'00'", "scores of trial .* are damaged"),
        ("UPDATE scores SET test = x'0000000000000000'", "scores of trial .* are damaged: there are 1 for 7 images"),
        ("UPDATE scores SET normal = 'text'", "scores of trial .* are damaged"),
        ("UPDATE trials SET key = '[]'", "settings cannot be read: its settings are"),
        ("UPDATE maps SET deflated = x'00'", "the maps of trial .*"),
    ],
)
def test_a_damaged_store_is_one_line_with_the_trial(words: list[str], tmp_path: Path, change: str, said: str) -> None:
    assert call(words, "--models", "mean_image", "--jobs", "1").exit_code == 0
    with closing(sqlite3.connect(tmp_path / "runs" / "store.sqlite")) as db, db:
        db.execute(change)
        db.execute("DELETE FROM digests")
    with (
        Store(tmp_path / "runs") as store,
        pytest.warns(LeftOutWarning, match=said),
        pytest.warns(HarnessWarning, match="written before trials had digests"),
    ):
        [store.maps(outcome.id) for outcome in store.outcomes()]


def test_merging_brings_the_pixel_counts_that_an_equal_trial_lacks(words: list[str], tmp_path: Path) -> None:
    for place in ("old", "new"):
        asked = ["--models", "mean_image", "--jobs", "1", "--no-floors", "--store", str(tmp_path / place)]
        assert call(words, *asked).exit_code == 0
    with closing(sqlite3.connect(tmp_path / "old" / "store.sqlite")) as db, db:
        db.execute("DELETE FROM pixels")
    sources = [str(tmp_path / "old"), str(tmp_path / "new")]
    assert CliRunner().invoke(main, ["merge", *sources, "--into", str(tmp_path / "both")]).exit_code == 0
    with Store(tmp_path / "both") as store:
        (trial_id,) = store.ids()
        assert store.pixels(trial_id) is not None


def test_a_number_alone_is_refused_as_seeds_since_it_may_mean_that_seed_or_so_many() -> None:
    assert Settings.of({"seeds": [np.int64(2)]}).seeds == (2,)
    assert Settings.of({"seeds": "2"}).seeds == (2,), "as on the command line, where a list is meant"
    for number in (2, np.int64(2)):
        with pytest.raises(UsageError, match=r"expected \[2\] for this one, or range\(2\) for so many"):
            Settings.of({"seeds": number})
    with pytest.raises(UsageError, match="seeds is true"):
        Settings.of({"seeds": True})


def test_a_setting_that_stands_twice_in_a_file_is_named_as_it_stands_there(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "twice.toml").write_text("lr = 1\nlearning_rate = 2\n")
    result = call(words, "--config", str(tmp_path / "twice.toml"))
    assert result.exit_code == 2
    assert "lr and learning_rate are the same setting: give one of them" in result.stderr


NOTEBOOK = """
SIGN = 1
def distance(x):
    return [SIGN * y for y in (abs(x),)][0]
def network():
    return 3
class Mine(harness.Model):
    name = "mine"
    power = 1
    def fit(self, normal, *, encoder, loss, run): self.mean = normal.pixels.mean(axis=0)
    def score(self, images): return harness.Scores(images=distance(images.pixels - self.mean).mean(axis=(1, 2, 3)))
"""


def defined(source: str) -> type[harness.Model]:
    """The class of a cell whose source cannot be read any more."""
    place: dict[str, Any] = {"harness": harness, "__name__": "a_notebook"}
    exec(textwrap.dedent(source), place)
    return place["Mine"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mean(axis=0)", "mean(axis=0) + 1"),
        ("power = 1", "power = 2"),
        ("abs(x)", "-abs(x)"),
        ("SIGN = 1", "SIGN = -1"),
    ],
)
def test_any_change_of_a_notebooks_code_is_noticed(dots_plugin: Path, tmp_path: Path, before: str, after: str) -> None:
    assert before in NOTEBOOK
    asked = {"plugins": dots_plugin, "dataset": "dots", "categories": "large", "store": tmp_path, "quiet": True}
    assert harness.run(models=defined(NOTEBOOK), **asked).remarks == ()
    assert harness.run(models=defined(NOTEBOOK), **asked).remarks == (), "the same code once more"
    (remark,) = harness.run(models=defined(NOTEBOOK.replace(before, after)), **asked).remarks
    assert "model 'mine' has changed since trials of it were stored" in remark


def test_what_a_notebook_has_beside_a_part_does_not_change_it() -> None:
    assert digest_of(defined(NOTEBOOK)) == digest_of(defined(NOTEBOOK.replace("return 3", "return 4")))


def test_classes_that_differ_in_what_their_function_was_given_are_not_the_same(dots_plugin: Path) -> None:
    def made(gain: float) -> type[harness.Model]:
        class Local(harness.Model):
            name = "local"

            def fit(self, normal: harness.Images, **how: Any) -> None: ...

            def score(self, images: harness.Images) -> harness.Scores:
                return harness.Scores(images=gain * images.pixels.mean(axis=(1, 2, 3)))

        return Local

    assert digest_of(made(1)) == digest_of(made(1))
    with pytest.raises(UsageError, match="give Local another name"):
        harness.run(models=[made(1), made(2)], plugins=dots_plugin, dataset="dots", quiet=True)
