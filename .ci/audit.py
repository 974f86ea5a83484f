"""Looks the installed packages up among known vulnerabilities, and lists them with their versions where it cannot.

Ends with 1 where a package has a vulnerability and a version without it is out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distributions
from typing import Any

LIMIT_S = 180
OURS = "anomaly-harness"


def looked_up() -> list[dict[str, Any]]:
    """What pip-audit says of each package; empty where its data is out of reach, or pip-audit is."""
    words = [sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)  # noqa: S603
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        return []
    return found


def verdict(found: list[dict[str, Any]]) -> tuple[list[str], int]:
    """The lines to print, and the exit code."""
    known = [package for package in found if "vulns" in package]
    if not known:
        versions = sorted(f"{package.name} {package.version}" for package in distributions())
        return ["The data of pip-audit is out of reach here. Installed:", *versions], 0
    lines = [
        f"{package['name']} {package['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'none'}"
        for package in known
        for fault in package["vulns"]
    ]
    unknown = [package["name"] for package in found if "vulns" not in package and package["name"] != OURS]
    lines.append(f"{len(known)} packages looked up" + (f"; not known there: {', '.join(unknown)}" if unknown else ""))
    return lines, int(any(fault["fix_versions"] for package in known for fault in package["vulns"]))


if __name__ == "__main__":
    said, code = verdict(looked_up())
    print("\n".join(said))
    sys.exit(code)
