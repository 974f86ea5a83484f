"""What `harness --version` and `harness doctor` say of the installation."""

from __future__ import annotations

import subprocess
from email.message import Message
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from harness.trials import hardware, installation


def git(folder: Path, *words: str) -> str:
    named = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *named, "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_is_that_of_the_checkout_around_the_package_and_says_what_was_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_installed(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "distribution", not_installed)
    module = tmp_path / "harness" / "trials" / "installation.py"
    module.parent.mkdir(parents=True)
    module.touch()
    monkeypatch.setattr(installation, "__file__", str(module))
    assert installation.commit() is None, "no checkout"
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    assert installation.commit() == git(tmp_path, "rev-parse", "--short=10", "HEAD")
    module.write_text("changed")
    assert installation.commit() == git(tmp_path, "rev-parse", "--short=10", "HEAD") + "-dirty"


def test_where_it_only_lies_on_the_path_that_is_said_and_no_packages_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installation, "NAME", "no-such-distribution-anywhere")
    assert installation.release() == "not installed"
    assert installation.packages() == {}


def test_packages_are_listed_once_by_name_with_their_version_whatever_the_requirement_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Metadata:
        def get_all(self, name: str) -> list[str]:
            wanted = ["numpy>=1.26", "no_such.package-x (>=2); extra == 'onnx'", "numpy>=2; extra == 'x'"]
            return [*wanted, "pytest>=8; extra == 'test'", 'ruff; extra == "test"']

    monkeypatch.setattr(installation, "metadata", lambda name: Metadata())
    found = installation.packages()
    assert list(found) == ["no_such.package-x", "numpy"], "without those of the tests"
    assert found["no_such.package-x"] == "not installed"
    assert found["numpy"][0].isdigit()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"cpu": "Big 9000", "device": "cpu"}, "cpu (Big 9000, 6 cores)"),
        ({"cpu": "Big 9000", "device": "GPU X"}, "cuda:0 (GPU X, 6 cores)"),
    ],
)
def test_the_device_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch, found: dict[str, str], said: str) -> None:
    monkeypatch.setattr(hardware, "device", lambda wanted: "cuda:0")
    monkeypatch.setattr(hardware, "machine", lambda on: found)
    monkeypatch.setattr(hardware, "cores", lambda: 6)
    assert installation.device() == said


def test_a_driver_that_fails_is_told_instead_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(wanted: str) -> str:
        raise RuntimeError("driver too old")

    monkeypatch.setattr(hardware, "device", fails)
    assert installation.device() == "none that works (RuntimeError: driver too old)"


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ([], None),
        (["Documentation, https://example.org/docs"], None),
        (["Source, https://example.org", "Issues, https://example.org/issues"], "https://example.org/issues"),
        (["Bug Tracker,https://example.org/bugs"], "https://example.org/bugs"),
    ],
)
def test_where_bugs_go_is_what_the_publisher_states(
    monkeypatch: pytest.MonkeyPatch, stated: list[str], found: str | None
) -> None:
    message = Message()
    for one in stated:
        message["Project-URL"] = one
    monkeypatch.setattr(installation, "metadata", lambda name: message)
    assert installation.issues() == found
