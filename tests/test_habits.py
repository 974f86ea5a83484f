"""What others need to carry the project on: workflows, a release that checks itself, and bounds that say why."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_workflows_lint_clean() -> None:
    if shutil.which("zizmor") is None:
        pytest.skip("zizmor is not installed (pip install '.[test]')")
    done = subprocess.run(["zizmor", "--offline", "--quiet", str(ROOT / ".github")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_pins_actions_by_hash_and_has_a_time_limit(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used), used
    assert all("timeout-minutes" in job for job in yaml.safe_load(text)["jobs"].values())


def test_workflows_run_what_people_run_here() -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in WORKFLOWS}
    assert "bash .ci/run" in texts["ci.yml"]
    assert "bash .ci/lowest" in texts["lowest.yml"]
    assert "pytest tests/benchmarks" in texts["nightly.yml"]
    assert "pytest tests/fuzz" in texts["nightly.yml"]
    classified = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert set(classified) <= set(yaml.safe_load(texts["ci.yml"])["jobs"]["everything"]["strategy"]["matrix"]["python"])


def test_what_is_checked_before_a_commit_is_what_ci_checks_with_the_same_versions() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace('"', "")
    for hook in hooks:
        words = hook["entry"].removeprefix("env ").removesuffix(" --fix")
        assert words in script, words
        assert hook["language"] == "system", "the tools of the extra test"
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    exact = {one.partition("==")[0] for one in extra["test"] if "==" in one}
    assert exact == {"codespell", "import-linter", "mypy", "ruff", "zizmor"}


def test_citation_and_package_say_the_same_version_and_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """.ci/release.py in a project of its own, with a wheel."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "release.py", tmp_path / ".ci")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 1.2.3 (2026-11-28)\n\n- Now.\n\n## 1.2.2 (2026-01-01)\n\n- Then.\n")  # fmt: skip
    with zipfile.ZipFile(tmp_path / "anomaly_harness-1.2.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("harness/__init__.py", "")
        wheel.writestr("anomaly_harness-1.2.3.dist-info/METADATA", "")

    def run(tag: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / ".ci" / "release.py"), str(tmp_path), tag]
        return subprocess.run(command, capture_output=True, text=True)

    return run


def test_a_release_prints_its_section_of_the_changelog(release) -> None:
    done = release("v1.2.3")
    assert (done.returncode, done.stdout) == (0, "- Now.\n"), done.stderr
    assert "no [project.urls]" in done.stderr


def test_a_release_that_does_not_fit_together_is_refused(release, tmp_path: Path) -> None:
    wheel = tmp_path / "anomaly_harness-1.2.3-py3-none-any.whl"

    def told(tag: str = "v1.2.3") -> str:
        done = release(tag)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    assert "the tag is 'v9', and the version in pyproject.toml is '1.2.3'" in told("v9")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tests/a.py", "")
    assert "expected harness, harness_* and its metadata" in told()
    wheel.unlink()
    assert "holds the wheels [], expected one of 1.2.3" in told()
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\n- Later.\n\n## 1.2.3 (2026-11-28)\n\n- Now.\n")
    assert "has entries under 'Unreleased': expected them under '## 1.2.3 (YYYY-MM-DD)'" in told()
    (tmp_path / "CHANGELOG.md").write_text("## 1.2.3 (unreleased)\n\n- Now.\n")
    assert "no section '## 1.2.3 (YYYY-MM-DD)'" in told()


def test_the_notes_of_the_release_in_hand_can_be_found() -> None:
    section = runpy.run_path(str(ROOT / ".ci" / "release.py"))["section"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert len(section(version)) > 500


def test_the_api_reference_is_what_the_docstrings_make() -> None:
    made = runpy.run_path(str(ROOT / ".ci" / "reference.py"))["page"]()
    file = ROOT / "plugins" / "reference.md"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(made, encoding="utf-8")
    assert made == file.read_text(encoding="utf-8"), "stale: python .ci/reference.py > plugins/reference.md"
