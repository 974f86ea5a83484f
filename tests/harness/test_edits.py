"""Plugins whose code was edited, and two plugin files of one name."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.commands import main
from harness.plugin.in_process import IN_PROCESS
from harness.plugin.registry import Registry
from harness.trials import provenance
from harness.trials.edits import Edit, Edits, _of_file
from harness.trials.isolation.registry import isolated_registry
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Trial

PLUGIN = """
import harness
class {name}(harness.Model):
    name = "{name}"
    uses = frozenset({{"pool"}})
    def fit(self, normal, *, encoder, loss, run):
        {fit}
    def score(self, images):
        return harness.Scores(maps=images.pixels.mean(axis=3) {change})
@harness.hookimpl
def harness_models(): return [{name}]
"""


def trial(model: str) -> Trial:
    return Trial("synthetic", "tile", model, "-", "-", 0, 32, 0, 0, 0.0, 0.0, "fp32", "-")


def plugin(file: Path, name: str, change: str = "", fit: str = "pass") -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(PLUGIN.format(name=name, change=change, fit=fit))
    return file


def test_two_plugin_files_of_one_name_each_have_the_digest_of_their_own_code(tmp_path: Path) -> None:
    one, two = plugin(tmp_path / "a" / "glow.py", "one"), plugin(tmp_path / "b" / "glow.py", "two", "* 2")
    both = Registry.discover([one, two])
    assert not both.broken
    codes = [provenance.makers(trial(name), both).code for name in ("one", "two")]
    own = [{name: code[name] for name in code.keys() - {"harness", "harness_datasets"}} for code in codes]
    assert own[0].keys() == {"harness_plugin_file_glow"}
    assert own[1].keys() == {"harness_plugin_file_glow_2"}
    assert own[0]["harness_plugin_file_glow"] != own[1]["harness_plugin_file_glow_2"]
    Registry.discover([two])  # which takes the name of the first one's module
    assert provenance.makers(trial("one"), both).code == codes[0]


def test_two_plugin_files_of_one_name_are_told_apart_in_processes_of_strangers(tmp_path: Path) -> None:
    one, two = plugin(tmp_path / "a" / "glow.py", "one"), plugin(tmp_path / "b" / "glow.py", "two", "* 2")
    isolated = isolated_registry([one, two])
    versions = [provenance.makers(trial(name), isolated).plugins["model"] for name in ("one", "two")]
    here = Registry.discover([one, two])
    assert versions == [provenance.makers(trial(name), here).plugins["model"] for name in ("one", "two")]
    assert versions[0] != versions[1]
    assert not isolated.broken


def test_a_plugin_file_by_a_relative_path_has_the_digest_that_it_has_by_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = plugin(tmp_path / "glow.py", "one")
    monkeypatch.chdir(tmp_path)
    found = [provenance.makers(trial("one"), Registry.discover([path])) for path in (Path("glow.py"), file)]
    assert found[0] == found[1]
    assert "harness_plugin_file_glow" in found[0].code


def test_refit_edited_fits_again_what_other_code_has_fitted_and_nothing_else(tmp_path: Path) -> None:
    store, file = tmp_path / "runs", tmp_path / "glow.py"
    asked = ["run", "--plugin", str(file), "--models", "glow,mean_gap", "--categories", "tile", "--image-size", "32"]
    asked += ["--plugin", str(plugin(tmp_path / "other.py", "mean_gap")), "--store", str(store), "--no-floors"]
    asked += ["--jobs", "1", "--device", "cpu"]

    def scores(model: str) -> list[float]:
        with Store(store) as opened:
            (found,) = (one for one in opened.outcomes() if one.trial.model == model)
        assert found.evidence is not None
        return list(found.evidence.test["mean"])

    def run(*more: str) -> Any:
        return CliRunner().invoke(main, [*asked, *more])

    plugin(file, "glow")
    assert run().exit_code == 0
    before, other = scores("glow"), scores("mean_gap")
    plugin(file, "glow", "* 2")
    left = run()
    assert "--refit-edited fits them again" in left.stderr
    assert scores("glow") == before
    plugin(file, "glow", "* 3", fit="raise ValueError('not yet')")
    failed = run("--refit-edited")
    assert failed.exit_code == 3, "a trial that is done is lost to none that fails"
    assert scores("glow") == before, "a trial that is done is lost to none that fails"
    plugin(file, "glow", "* 2")
    again = run("--refit-edited")
    assert again.exit_code == 0
    assert "1 of them again, for the code that its parts have now" in again.stderr, again.stderr
    assert scores("glow") == [2 * score for score in before]
    assert scores("mean_gap") == other
    assert "has changed" not in again.stderr
    once_more = run("--refit-edited")
    assert "of them again" not in once_more.stderr, "nothing is left to do"


def test_a_strangers_package_of_one_version_that_was_edited_is_an_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(tmp_path / "glow_package" / "__init__.py", "glow")
    monkeypatch.syspath_prepend(tmp_path)
    import glow_package  # type: ignore[import-not-found]

    try:
        registry = Registry.discover()
        registry.register(glow_package, "glow", "anomaly-glow", "1.0")
        now = provenance.makers(trial("glow"), registry)
        record = Record(plugins=now.plugins, code=now.code)
        assert Edits(registry).of(trial("glow"), record) == {}
        edited = replace(record, code={**now.code, "glow_package": "01234567", "harness": "76543210"})
        assert Edits(registry).of(trial("glow"), edited) == {"model 'glow'": ("01234567", now.code["glow_package"])}
        newer = replace(edited, plugins={**now.plugins, "model": "anomaly-glow 0.9"})
        assert Edits(registry).of(trial("glow"), newer) == {}, "another version says itself that it is other code"
    finally:
        del sys.modules["glow_package"]


@pytest.mark.parametrize(
    ("then", "now", "edit"),
    [
        ("dots.py aaaa", "dots.py bbbb", Edit("aaaa", "bbbb")),
        ("dots.py aaaa", "dots.py aaaa", None),
        ("old/folder/dots.py aaaa", "dots.py bbbb", Edit("aaaa", "bbbb")),
        ("dots.py aaaa", "other.py bbbb", None),
        ("a-package aaaa", "a-package bbbb", None),
        (f"{IN_PROCESS} aaaa", f"{IN_PROCESS} bbbb", Edit("aaaa", "bbbb")),
    ],
)
def test_other_code_of_a_file_or_notebook_is_an_edit_and_another_file_or_version_is_none(
    then: str, now: str, edit: Edit | None
) -> None:
    assert _of_file(then, now) == edit
