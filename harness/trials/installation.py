"""What is installed here: for `harness --version`, `harness doctor` and whoever reads a bug report."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, metadata, version
from pathlib import Path

from harness.errors import HarnessError, error_line
from harness.trials import hardware

NAME = "anomaly-harness"
_OF_ISSUES = ("issues", "bug tracker", "tracker", "bugs")
"""How PyPI and the like call the address where bugs are reported, in small letters."""


def release() -> str:
    """The version of this package; `not installed` where it only lies on the path."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "not installed"


def commit() -> str | None:
    """The commit that this package was installed from, or that is checked out around it; None where none is known."""
    with suppress(PackageNotFoundError, ValueError):
        origin = json.loads(distribution(NAME).read_text("direct_url.json") or "{}")
        if found := origin.get("vcs_info", {}).get("commit_id"):
            return str(found)[:10]
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    asked = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5)  # noqa: S603  only our words
        return done.stdout.strip() or None
    return None


def device() -> str:
    """The device that `--device auto` takes, with its name and the number of cores."""
    try:
        found = hardware.machine(hardware.device("auto"))
    except (HarnessError, ImportError, RuntimeError) as error:  # a driver that does not fit torch says so here
        return f"none that works ({error_line(error)})"
    named = found["cpu"] if found["device"] == "cpu" else found["device"]
    return f"{'cpu' if found['device'] == 'cpu' else hardware.device('auto')} ({named}, {hardware.cores()} cores)"


def in_one_line() -> str:
    """Version, commit, Python, torch and device."""
    at = commit()
    return (
        f"{release()}{f' (commit {at})' if at else ''}, Python {platform.python_version()}, "
        f"torch {_installed('torch') or 'not installed'}, {device()}"
    )


def packages() -> Mapping[str, str]:
    """Every package that this one requires or can use, with its version or `not installed`."""
    try:
        required = metadata(NAME).get_all("Requires-Dist") or []
    except PackageNotFoundError:
        return {}
    names = [_name_of(text) for text in required if "extra == 'test'" not in text.replace('"', "'")]
    return {name: _installed(name) or "not installed" for name in sorted(dict.fromkeys(names))}


def issues() -> str | None:
    """The address of the issue tracker that the publisher of this package states; None where there is none."""
    try:
        stated = metadata(NAME).get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    urls = {label.strip().lower(): url.strip() for label, _, url in (one.partition(",") for one in stated)}
    return next((urls[label] for label in _OF_ISSUES if label in urls), None)


def environment() -> Mapping[str, str]:
    """Variables that change what the harness does, as they are set; paths only as `set`."""
    found = {}
    for name, value in sorted(os.environ.items()):
        if name.startswith("HARNESS_") or name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
            found[name] = "set, a path" if os.sep in value else value
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _name_of(requirement: str) -> str:
    """`torch` of `torch>=2.4; extra == 'onnx'`."""
    name = ""
    for character in requirement.strip():
        if not (character.isalnum() or character in "-_."):
            break
        name += character
    return name
