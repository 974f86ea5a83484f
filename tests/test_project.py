from __future__ import annotations

import ast
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands import main
from harness.commands._examples import EXAMPLES

ROOT = Path(__file__).parent.parent


PAGES = sorted(
    path
    for path in ROOT.glob("**/*.md")
    if not {"results", "golden", "corpus"} & set(path.parts)
    and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
"""What people read, pages of results aside."""


def readme_commands() -> list[str]:
    """The indented `harness ...` lines of all pages, and the examples of each command's help, each once."""
    lines = (line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines())
    examples = {line for lines in EXAMPLES.values() for line in lines}
    return sorted(
        examples | {line.strip().removesuffix("\\").strip() for line in lines if line.startswith("    harness ")}
    )


@pytest.mark.parametrize("command", readme_commands())
def test_every_command_that_a_page_prints_is_understood(command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
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


def test_the_first_page_is_short_and_every_page_that_a_page_names_is_there() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1200
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http", "mailto:")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} names {target}"


def test_every_promise_names_tests_that_exist() -> None:
    page = (ROOT / "harness" / "trials" / "README.md").read_text(encoding="utf-8")
    promises = page.partition("## What it promises")[2].partition("\n## ")[0]
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
    assert tests == "pip install '.[test]' && pytest -n 2 --dist loadfile"
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
    kinds = {Path(name).suffix for name in names if not name.startswith("anomaly_harness-")}
    assert kinds == {".py", ".typed", ".txt", ".toml", ".css", ".js", ".j2", ".pub"}, (
        "nothing binary, nothing of data or tests"
    )
    assert not [name for name in names if name.startswith(("/", "..")) or "test_" in name]
    assert wheel.stat().st_size < 1_000_000
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read("anomaly_harness-0.1.0.dist-info/METADATA").decode()
        offered = archive.read("anomaly_harness-0.1.0.dist-info/entry_points.txt").decode()
    assert "License-Expression: MIT" in metadata
    assert not re.findall(r"^Requires-Dist: .*(?:@|git\+|https?:)", metadata, flags=re.MULTILINE), (
        "from registries only"
    )
    assert {line.split(" = ")[1] for line in offered.splitlines() if " = harness_" in line} == packages


def tracked() -> list[str]:
    """Paths that git knows."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return listed.stdout.splitlines()


def test_the_top_level_holds_the_six_rooms_and_root_files_and_nothing_that_a_run_left_there() -> None:
    folders = {name.split("/")[0] for name in tracked() if "/" in name and not name.startswith(".")}
    assert folders == {"harness", "leaderboards", "plugins", "tests"}


def test_nothing_of_the_shared_folder_is_in_the_repository() -> None:
    ours = "tests/golden/of_2026_11/"  # models of a few numbers, fitted to images that a test draws
    names = [name for name in tracked() if not name.startswith(ours)]
    assert not [name for name in names if name.endswith((".jpg", ".safetensors")) or "mvtec_ad_256" in name]


@pytest.mark.parametrize(
    ("fixed", "code"), [(["2.0"], 1), ([], 0)], ids=["a mended version is out", "nothing is to be done"]
)
def test_ci_ends_where_a_dependency_is_vulnerable_and_could_be_newer(fixed: list[str], code: int) -> None:
    audit = runpy.run_path(str(ROOT / ".ci" / "audit.py"))
    fine = {"name": "numpy", "version": "2.0", "vulns": []}
    bad = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": fixed}]}
    absent = {"name": "anomaly-harness", "skip_reason": "not on PyPI"}
    lines, ended = audit["verdict"]([fine, bad, absent])
    assert ended == code
    assert f"pillow 1.0: CVE-1, mended in {fixed[0] if fixed else 'none'}" in lines
    assert lines[-1] == "2 packages looked up"


def test_ci_lists_dependencies_with_versions_where_it_cannot_look_them_up() -> None:
    audit = runpy.run_path(str(ROOT / ".ci" / "audit.py"))
    for found in ([], [{"name": "numpy", "skip_reason": "Dependency not found on PyPI"}]):
        lines, ended = audit["verdict"](found)
        assert ended == 0
        assert [line for line in lines if line.startswith("numpy ")]
        assert "out of reach" in lines[0]
    assert "python .ci/audit.py" in (ROOT / ".ci" / "run").read_text()


def test_the_changelog_and_the_package_agree_on_the_version() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert version is not None
    assert f"## {version.group(1)}" in (ROOT / "CHANGELOG.md").read_text()


def room_map() -> list[str]:
    """The rooms that CONTRIBUTING names, from the top of the imports to the bottom."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## The rooms")[2].partition("\n## ")[0]
    return [name.strip("/").removesuffix(".py") for name in re.findall(r"^\| `([\w./]+)` \|", text, flags=re.MULTILINE)]


def test_the_map_names_every_room_in_the_order_in_which_they_may_import() -> None:
    there = {
        path.stem for path in (ROOT / "harness").iterdir() if (path / "__init__.py").is_file() or path.suffix == ".py"
    }
    assert set(room_map()) == there - {"__init__", "__main__"}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["harness"])
    depth = {room.strip(): at for at, layer in enumerate(layers) for room in re.split("[:|]", layer)}
    assert set(depth) == set(room_map())
    assert [depth[room] for room in room_map()] == sorted(depth.values())


def test_the_root_of_the_core_holds_at_most_eight_files_beside_packages() -> None:
    assert len([path for path in (ROOT / "harness").iterdir() if path.is_file()]) <= 8


def test_modules_stay_below_350_lines_and_functions_below_50() -> None:
    too_long = []
    for file in [*(ROOT / "harness").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        if len(text.splitlines()) >= 350:
            too_long.append(f"{file.relative_to(ROOT)}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 >= 50:
                    too_long.append(f"{file.relative_to(ROOT)}: {node.name}")
    assert set(too_long) <= STILL_TOO_LONG, "part them: there are no other exceptions"


STILL_TOO_LONG: set[str] = set()
