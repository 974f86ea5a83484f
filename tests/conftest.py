"""Fixtures that all tests share."""

from __future__ import annotations

import os
import site
import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared"


@pytest.fixture
def shared() -> Path:
    """The folder of real images and weights that lies beside the checkout on our machines."""
    if not SHARED.is_dir():
        pytest.skip("real images and weights (../shared) are not here")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def _cache_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go where the session's other files go, and not into the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def dots_plugin() -> Path:
    """A single-file plugin with one part of each kind, in numpy."""
    return TESTS / "plugin_files" / "dots.py"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare text with a file in tests/golden; `UPDATE_GOLDEN=1 pytest` writes the file instead."""

    def compare(name: str, text: str) -> None:
        file = TESTS / "golden" / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{name} differs: UPDATE_GOLDEN=1 pytest writes it anew"

    return compare


class FreshEnvironment:
    """A new virtual environment that sees the packages of this one, so that torch need not be copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
        outer = [path for path in site.getsitepackages() if Path(path).is_dir()]
        lines = [f"import site; site.addsitedir({path!r})\n" for path in outer]  # an editable install's .pth counts too
        (packages / "outer.pth").write_text("".join(lines))

    def run(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        """Standard output of `python ARGUMENTS`, which has to end with this exit code."""
        python = self.folder / "venv" / "bin" / "python"
        done = subprocess.run(
            [python, *arguments],
            capture_output=True,
            text=True,
            cwd=cwd or self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=300,
        )
        assert done.returncode == expect, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def install(self, *sources: Path) -> None:
        """Install packages from these folders, with nothing downloaded."""
        options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
        self.run("-m", "pip", "install", *options, *map(str, sources))


@pytest.fixture(scope="module")
def fresh_environment(tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    """A virtual environment outside the repository, for what a stranger installs."""
    return FreshEnvironment(tmp_path_factory.mktemp("environment"))
