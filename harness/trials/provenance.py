"""Who makes a trial: versions of packages, and digests of the code."""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("anomaly-harness", "numpy", "pillow", "pytorch-msssim", "scikit-learn", "scipy", "timm", "torch")
"""Whose versions may change a score."""


@cache
def versions() -> dict[str, str]:
    """Package to version, of those that are installed, and Python's."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "python": platform.python_version()}


def code_of(package: str) -> str:
    """8 hexadecimal digits of all Python source of an imported package or module; empty where there is none to read."""
    return code_in(sys.modules[package])


@cache
def code_in(module: Any) -> str:
    """The same of a module itself: one that is loaded anew, as a plugin file may be, is another one."""
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    try:
        sources = [
            (file.relative_to(folder), file.read_bytes()) for folder in folders for file in sorted(folder.rglob("*.py"))
        ]
        if not folders and getattr(module, "__file__", None):
            sources = [(Path(), module.__loader__.get_data(module.__file__))]  # the file may be on another machine
    except OSError:
        return ""
    digest = hashlib.sha256()
    for name, source in sources:
        digest.update(f"{name.as_posix()}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()[:8] if sources else ""
