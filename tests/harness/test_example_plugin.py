"""A stranger's whole package, installed into a fresh environment and used from the command line; run in this order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "example_plugin"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(fresh_environment, tmp_path_factory):
    """The example, copied out of the repository and installed."""
    copy = tmp_path_factory.mktemp("elsewhere") / "anomaly-vae"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    fresh_environment.install(copy)
    return copy


def offered(environment):
    parts = json.loads(environment.run("-m", "harness", "list", "--format", "json"))
    return {(part["kind"], part["name"]): f"{part['plugin']} {part['version']}" for part in parts}


def test_an_installed_plugin_is_listed_with_its_distribution(fresh_environment, source):
    ours = {part for part, plugin in offered(fresh_environment).items() if plugin == "anomaly-vae 0.3.0"}
    assert ours == {("model", "small_vae"), ("threshold", "tail"), ("loss", "charbonnier")}


def test_its_own_tests_pass_where_it_is_installed(fresh_environment, source):
    assert " passed" in fresh_environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=source)


def test_its_parts_pass_the_check_command(fresh_environment, source):
    """Those that need no fit: its own tests, which are run above, put its model through the same checks."""
    output = fresh_environment.run("-m", "harness", "check", "tail[risk=0.001]", "charbonnier")
    assert "passed   tail[risk=0.001]  check_options_can_be_spelt" in output.splitlines()
    assert output.splitlines()[-1].endswith("passed, 0 failed, 0 skipped")


def test_its_parts_cross_with_the_built_in_ones(fresh_environment, source, tmp_path):
    store = ("--store", str(tmp_path / "runs"), "--format", "json", "--thresholds", "tail,mean")
    done = fresh_environment.run(
        *("-m", "harness", "run", "--models", "small_vae,dae", "--encoders", "conv", "--losses", "charbonnier,mse"),
        *("--dataset", "synthetic[n_train=8]", "--categories", "pill", "--image-size", "32", "--epochs", "1", *store),
        *("--jobs", "1"),
    )
    rows = json.loads(done)
    methods = {(row["model"], row["loss"], row["threshold"]) for row in rows if row["model"] in ("small_vae", "dae")}
    assert methods == {
        (m, lo, t) for m in ("small_vae", "dae") for lo in ("charbonnier", "mse") for t in ("tail", "mean")
    }
    assert all(0 <= row["auroc"] <= 1 for row in rows if row["model"] == "small_vae")


def test_removing_it_removes_it(fresh_environment, source):
    fresh_environment.run("-m", "pip", "uninstall", "--quiet", "--yes", "anomaly-vae")
    assert not [part for part, plugin in offered(fresh_environment).items() if "anomaly-vae" in plugin]
    fresh_environment.run("-m", "harness", "check", "small_vae", expect=2)
