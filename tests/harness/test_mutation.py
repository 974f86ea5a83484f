"""The mutation tester itself, on a small repository of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent.parent / "mutation"

MODULE = """
def limited(value):
    if value < 0:
        raise ValueError("a text")
    return min(value, 3)

def unused(value):
    return value + 1
"""

TESTS = """
import pytest
from harness.limits import limited

def test_a_limit_holds():
    assert [limited(value) for value in (0, 2, 3, 4)] == [0, 2, 3, 3]

def test_what_is_negative_is_refused():
    with pytest.raises(ValueError):
        limited(-2)
"""


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed: pip install -e '.[mutation]'")
    spec = importlib.util.spec_from_file_location("mutants", FOLDER / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


def changed_lines(mutants: ModuleType, source: str) -> list[str]:
    """The line of each mutant that was changed, as it becomes."""
    found = []
    for mutant in mutants.mutants_of("module.py", source):
        code = mutant.change()
        if code is not None:
            found += [new for old, new in zip(source.splitlines(), code.splitlines(), strict=False) if old != new][:1]
    return [line.strip() for line in found]


def test_each_clause_statement_number_and_text_is_changed_on_its_own(mutants: ModuleType) -> None:
    source = 'def f(a, b):\n    if a and b:\n        a.stop()\n    return max(a, 3, 0.5) if a not in b else "text"\n'
    lines = changed_lines(mutants, source)
    for expected in (
        "if ((b)):",
        "if ((a)):",
        "if a or b:",
        "if not a and b:",
        "pass",
        'return min(a, 3, 0.5) if a not in b else "text"',
        'return max(a, 4, 0.5) if a not in b else "text"',
        'return max(a, 3, 1.0) if a not in b else "text"',
        'return max(a, 3, 0.25) if a not in b else "text"',
        'return max(a, 3, 0.5) if (a in b) else "text"',
        'return max(a, 3, 0.5) if a not in b else "XX"',
    ):
        assert expected in lines


def test_types_docstrings_assertions_and_what_only_saves_time_are_left_alone(mutants: ModuleType) -> None:
    source = (
        '"""Text 1."""\nfrom functools import cache\nfrom typing import TYPE_CHECKING, Literal\n'
        "if TYPE_CHECKING:\n    import torch\nKind = Literal['a', 'b']\n"
        "@cache\ndef f(a: int | str) -> int | str:\n    '''Text 2.'''\n    assert a == 1, 'text'\n"
        "    for x, y in zip(a, a, strict=True):\n        return x\n"
    )
    assert changed_lines(mutants, source) == ["for x, y in []:"]


def test_the_key_of_a_mutant_does_not_depend_on_what_stands_above_it(mutants: ModuleType) -> None:
    source = "def f(a):\n    return a + 1\n"
    above = "def g(b):\n    return b - 2\n\n\n"
    alone, beside = mutants.mutants_of("m.py", source), mutants.mutants_of("m.py", above + source)
    assert {one.key for one in alone} == {one.key for one in beside if one.line > 4}
    assert len({one.key for one in beside}) == len(beside)


@pytest.mark.slow
def test_a_run_tells_noticed_mutants_from_others_and_goes_on_where_it_was_stopped(
    tmp_path: Path, mutants: ModuleType
) -> None:
    repository = tmp_path / "repository"
    for file, text in {
        "harness/__init__.py": "", "harness/limits.py": MODULE, "plugins/none.py": "", "tests/test_limits.py": TESTS,
        "tests/conftest.py": "import gc\ndef pytest_collection_finish(): gc.freeze()\n", "pyproject.toml": "",
        "rooms.toml": '[limits]\nmodules = ["harness/limits.py"]\ntests = ["tests/test_limits.py"]\nsample = 100\n',
    }.items():  # fmt: skip
        (repository / file).parent.mkdir(parents=True, exist_ok=True)
        (repository / file).write_text(text)

    def run(*words: str) -> str:
        script = [sys.executable, str(FOLDER / "run.py"), "limits", "--repository", str(repository)]
        script += ["--rooms", str(repository / "rooms.toml"), *words]
        done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    first = run("--sample", "3")
    assert first.count("harness/limits.py:") == 3
    whole = run("--survivors")
    asked, _, listed = whole.partition("limits: 7 of 12 noticed, 58.3% (32.0% to 80.7%), of 12 in all; ")
    assert asked.count("harness/limits.py:") == 12 - 3, "the others were asked about the first time"
    assert sorted(line[5:].strip() for line in listed.splitlines() if line.startswith("+ ")) == [
        "if value < -1:", 'raise ValueError("XX")', "return value + 0", "return value + 2", "return value - 1",
    ]  # fmt: skip
    assert listed.count(" not run ") == 3
    assert (repository / "harness/limits.py").read_text() == MODULE
    assert run("--report") == whole[len(asked) :].split("; ")[0] + "; " + listed.splitlines()[0] + "\n"
