"""`harness new-plugin`: what it writes works, and what it cannot write is said in a line."""

from __future__ import annotations

import tomllib

import pytest
from click.testing import CliRunner

from harness.commands import main
from harness.commands.new_plugin import RUNS as KINDS
from harness.plugin.registry import HOOKS


def new_plugin(*arguments):
    return CliRunner().invoke(main, ["new-plugin", *arguments])


@pytest.mark.slow
def test_a_new_plugin_of_each_kind_is_installed_and_passes_its_tests(fresh_environment, tmp_path):
    folders = []
    for kind in KINDS:
        result = new_plugin(f"my_{kind}", "--kind", kind, "--directory", str(tmp_path))
        assert result.exit_code == 0, result.stderr
        folders.append(tmp_path / f"anomaly-my-{kind}")
    fresh_environment.install(*folders)
    tests = [str(file) for folder in folders for file in (folder / "tests").iterdir()]
    summary = fresh_environment.run("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *tests)
    assert " passed" in summary
    listed = fresh_environment.run("-m", "harness", "list", "--format", "csv")
    assert [kind for kind in KINDS if f"my_{kind}" not in listed] == []


def test_it_says_what_it_wrote_and_what_to_do_next(tmp_path):
    result = new_plugin("glow", "--directory", str(tmp_path / "some where"))
    folder = tmp_path / "some where" / "anomaly-glow"
    wrote, following = result.stdout.splitlines()
    assert wrote == f"wrote {folder}: pyproject.toml, anomaly_glow.py, tests/test_anomaly_glow.py, README.md, LICENSE"
    assert following.startswith(f"next: pip install -e '{folder}' && harness check model:glow")
    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == {
        "pyproject.toml",
        "anomaly_glow.py",
        "tests/test_anomaly_glow.py",
        "README.md",
        "LICENSE",
    }


def test_the_module_alone_works_as_a_plugin_file(tmp_path):
    new_plugin("glow", "--directory", str(tmp_path))
    module = tmp_path / "anomaly-glow" / "anomaly_glow.py"
    result = CliRunner().invoke(main, ["check", "glow", "--plugin", str(module)])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith("0 failed, 0 skipped")


def test_the_licence_is_the_one_chosen(tmp_path):
    new_plugin("glow", "--directory", str(tmp_path), "--licence", "BSD-3-Clause", "--author", "Ada Lovelace")
    folder = tmp_path / "anomaly-glow"
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["license"] == "BSD-3-Clause"
    assert 'licence = "BSD-3-Clause"' in (folder / "anomaly_glow.py").read_text()
    assert "Ada Lovelace" in (folder / "LICENSE").read_text().splitlines()[0]


def test_the_licence_is_mit_where_none_is_chosen(tmp_path):
    new_plugin("glow", "--directory", str(tmp_path))
    project = tomllib.loads((tmp_path / "anomaly-glow" / "pyproject.toml").read_text())["project"]
    assert project["license"] == "MIT"


def test_no_licence_writes_none(tmp_path):
    new_plugin("glow", "--directory", str(tmp_path), "--license", "none")
    folder = tmp_path / "anomaly-glow"
    assert not (folder / "LICENSE").exists()
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["license"] == "LicenseRef-Proprietary"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("My-Model", "my_model"),
        ("flowNet", "flow_net"),
        ("2nd", "my_2nd"),
        ("überlegen", "berlegen"),
        ("all", "my_all"),
        ("../escape", "escape"),
        ("...", "my_model"),
        ("", "my_model"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_a_suggestion(tmp_path, name, suggestion):
    result = new_plugin(name, "--directory", str(tmp_path))
    assert result.exit_code == 2
    assert f"{name!r} is not a name: expected lower case letters, digits and underscores" in result.stderr
    assert result.stderr.endswith(f"such as {suggestion!r}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused_for_that_kind_alone(tmp_path):
    result = new_plugin("dae", "--directory", str(tmp_path))
    assert result.exit_code == 2
    assert "model 'dae' is offered by autoencoders (anomaly-harness" in result.stderr
    assert result.stderr.endswith("choose another name, as 'my_dae'\n")
    assert new_plugin("dae", "--kind", "loss", "--directory", str(tmp_path)).exit_code == 0


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "anomaly-glow").mkdir()
    result = new_plugin("glow", "--directory", str(tmp_path))
    assert result.exit_code == 2
    assert "anomaly-glow' is there already: choose another name, or another --directory" in result.stderr
    assert list((tmp_path / "anomaly-glow").iterdir()) == []


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    result = new_plugin("glow", "--directory", str(tmp_path / "file"))
    assert result.exit_code == 2
    assert "anomaly-glow' cannot be written: Not a directory" in result.stderr


def test_a_kind_that_is_none_is_refused(tmp_path):
    result = new_plugin("glow", "--kind", "modle", "--directory", str(tmp_path))
    assert result.exit_code == 2
    assert "'modle' is not one of 'model', 'encoder', 'loss', 'pool', 'threshold', 'metric', 'dataset'" in result.stderr


def test_there_is_a_template_for_every_hook():
    assert set(KINDS) == {kind.kind for kind in HOOKS}


@pytest.mark.parametrize("kind", ["executor", "tracker"])
def test_what_goes_around_a_run_is_checked_and_works_as_a_plugin_file(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    new_plugin(f"my_{kind}", "--kind", kind)
    module = f"anomaly-my-{kind}/anomaly_my_{kind}.py"
    result = CliRunner().invoke(main, ["check", f"my_{kind}", "--plugin", module])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith("0 failed, 0 skipped")
