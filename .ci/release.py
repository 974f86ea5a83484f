"""Checks a release before it is published, and prints its section of the changelog.

Use: python .ci/release.py FOLDER TAG. FOLDER holds the wheel and the source archive that were built.
"""

from __future__ import annotations

import re
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main(folder: str, tag: str) -> str:
    """The notes of this release, if version, tag, changelog and wheel fit together; otherwise it ends with a line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag!r}, and the version in pyproject.toml is {version!r}: expected the tag 'v{version}'")
    notes = section(version)
    if re.search(r"^## Unreleased\n\s*[^#\s]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE):
        sys.exit(f"CHANGELOG.md has entries under 'Unreleased': expected them under '## {version} (YYYY-MM-DD)'")
    wheels = list(Path(folder).glob("*.whl"))
    if [wheel.name.split("-")[1] for wheel in wheels] != [version]:
        sys.exit(f"{folder} holds the wheels {sorted(wheel.name for wheel in wheels)}, expected one of {version}")
    with zipfile.ZipFile(wheels[0]) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    strange = {top for top in tops if top != "harness" and not top.startswith(("harness_", "anomaly_harness-"))}
    if strange or "harness" not in tops:
        sys.exit(f"the wheel holds {sorted(tops)}, expected harness, harness_* and its metadata")
    if "urls" not in project:
        print(
            "pyproject.toml has no [project.urls]: the package's page will not say where to report a bug",
            file=sys.stderr,
        )
    return notes


def section(version: str) -> str:
    """What CHANGELOG.md says of this version, which must have a date."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(
        rf"^## {re.escape(version)} \((\d{{4}}-\d\d-\d\d)\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    if found is None:
        sys.exit(f"CHANGELOG.md has no section '## {version} (YYYY-MM-DD)'")
    return found.group(2).strip()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(main(*sys.argv[1:]))
