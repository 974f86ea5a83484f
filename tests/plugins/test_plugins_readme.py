"""What plugins/README.md tells a stranger is true: its code runs as printed, and so do its commands."""

from __future__ import annotations

import csv
import inspect
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands import main
from harness.plugin import hookspecs
from harness.plugin.registry import HOOKS, Registry
from harness.testing import attempt, checks_for

README = (Path(__file__).parents[2] / "plugins" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^    (harness .*)$", README, re.MULTILINE)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A directory outside the repository, with the first example saved as the text says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glow.py").write_text(BLOCKS[0])
    return tmp_path


def run(command):
    return CliRunner().invoke(main, shlex.split(command)[1:])


def test_the_first_example_has_fifteen_lines():
    assert len(BLOCKS[0].splitlines()) <= 15


def test_the_first_example_passes_every_check(workplace):
    (command,) = (command for command in COMMANDS if command.startswith("harness check glow"))
    result = run(command)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith("passed, 0 failed, 0 skipped")


def test_the_first_example_is_crossed_and_ranked(workplace):
    (command,) = (command for command in COMMANDS if command.startswith("harness run"))
    result = run(f"{command} --image-size 32 --format csv")
    assert result.exit_code == 0, result.output
    rows = csv.DictReader(result.stdout.splitlines())
    ended = {row["model"]: row["status"] for row in rows}
    assert ended == {"glow": "done", "dae": "done", "global_statistics": "done"}, "the last is a floor"


def test_the_other_commands_are_ones_that_exist(workplace):
    assert run("harness new-plugin my_model").exit_code == 0
    assert (workplace / "anomaly-my-model" / "pyproject.toml").is_file()
    assert run("harness list models").exit_code == 0
    assert {command.split()[1] for command in COMMANDS} == {"check", "run", "new-plugin", "list", "leaderboard"}


def test_every_hook_has_its_signature_and_an_example():
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if not hasattr(hook, "harness_spec"):
            continue
        signature = f"{name}{inspect.signature(hook)}".replace("'", "")
        assert f"### `{signature}`" in README
        section = README.split(f"### `{signature}`")[1].split("\n#")[0]
        assert re.search(rf"^```python\n[^`]*@hookimpl\ndef {name}\(\):", section, re.MULTILINE), (
            f"{name} has no example"
        )


@pytest.mark.parametrize("kind", HOOKS, ids=lambda kind: kind.kind)
def test_every_example_passes_every_check(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, block in enumerate(block for block in BLOCKS if f"def {HOOKS[kind]}()" in block):
        file = tmp_path / f"example_{number}.py"
        file.write_text(block)
        registry = Registry.discover([file])
        (part,) = (offer.part() for offer in registry.offers(kind).values() if offer.plugin.name == file.stem)
        reasons = {check.__name__: attempt(check, part).reason for check in checks_for(part)}
        reasons.pop("check_pyramid_has_the_reductions_asked_for", None)  # which few encoders offer
        assert set(reasons.values()) == {""}


def test_the_built_in_plugins_are_those_that_lie_here():
    folders = {
        path.name for path in (Path(__file__).parents[2] / "plugins").iterdir() if (path / "__init__.py").is_file()
    }
    offered = {plugin.name for plugin in Registry.discover(environ={"HARNESS_PLUGINS": ""}).plugins}
    assert folders == {f"harness_{name}" for name in offered - {"local"}}, "and the executor of the core"
