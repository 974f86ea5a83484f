from __future__ import annotations

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands import main

ROOT = Path(__file__).parent.parent


def readme_commands() -> list[str]:
    """The indented `harness ...` lines of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.startswith("    harness ")]


@pytest.mark.parametrize("command", readme_commands())
def test_every_command_of_the_readme_is_understood(command: str) -> None:
    words = shlex.split(command)[1:]
    context = main.make_context("harness", [], resilient_parsing=True)
    subcommand = main.get_command(context, words[0])
    assert subcommand is not None, command
    options = {option for parameter in subcommand.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options, command
    assert CliRunner().invoke(main, [words[0], "--help"]).exit_code == 0


def test_the_plugin_that_the_readme_shows_is_the_one_that_is_tested_as_printed() -> None:
    block = re.compile(r"^```python\n.*?^```$", flags=re.MULTILINE | re.DOTALL)
    shown, tested = (
        block.search((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "plugins/README.md")
    )
    assert shown is not None
    assert tested is not None
    assert shown.group() == tested.group()


def test_every_promise_of_the_readme_names_tests_that_exist() -> None:
    promises = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it promises")[2].partition("\n## ")[0]
    )
    named = [re.findall(r"`(test_\w+\.py)`", row) for row in promises.splitlines() if row.startswith("| ")][1:]
    assert len(named) > 10
    assert all(named), "every row has a test"
    there = {file.name for file in (ROOT / "tests").rglob("test_*.py")}
    assert {name for names in named for name in names} <= there


def test_ci_calls_the_two_commands_that_the_readme_opens_with() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    demo, tests = re.findall(r"^    (pip install .*)$", readme, flags=re.MULTILINE)[:2]
    assert demo == "pip install . && harness run --models dae,cae --encoders all"
    assert tests == "pip install '.[test]' && pytest"
    for command in (demo, tests):
        for half in command.split(" && "):
            assert half.removeprefix("pip install ") in script


def test_the_wheel_holds_the_core_the_plugins_and_the_published_tables_and_nothing_else(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file()}
    assert tops == {"harness", *packages, "anomaly_harness-0.1.0.dist-info"}
    tables = {Path(name).name for name in names if name.startswith("harness/published_tables/")}
    assert {"kumar_2025.toml", "image_auroc.toml"} <= tables
    assert "harness/py.typed" in names
    assert not [name for name in names if name.endswith((".png", ".jpg", ".safetensors", ".sqlite"))]


def test_nothing_of_the_shared_folder_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    assert not [
        name for name in listed.stdout.splitlines() if name.endswith((".jpg", ".safetensors")) or "mvtec_ad_256" in name
    ]


def test_the_changelog_and_the_package_agree_on_the_version() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert version is not None
    assert f"## {version.group(1)}" in (ROOT / "CHANGELOG.md").read_text()
