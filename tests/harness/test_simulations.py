"""The simulations that leaderboards/README.md prints run, here with few trials."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from harness.metrics import significance

ROOT = Path(__file__).parents[2]
SCRIPTS = re.findall(r"^    python (\S+\.py)$", (ROOT / "leaderboards" / "README.md").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_simulation_prints_the_table_that_the_page_shows(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(significance, "_DRAWN", 0)  # the script sets it too, and does not set it back
    spec = importlib.util.spec_from_file_location("simulation", ROOT / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TRIALS", 2)
    module.main()
    page = (ROOT / "leaderboards" / "README.md").read_text(encoding="utf-8")
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("| ") and not re.match(r"\| [\d.]+", line):
            assert line in page


def test_every_simulation_is_on_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(
        str(file.relative_to(ROOT)) for file in (ROOT / "leaderboards" / "simulations").glob("*.py")
    )
