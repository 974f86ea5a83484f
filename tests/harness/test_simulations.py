"""The simulations that leaderboards/README.md prints run, here with few trials."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.metrics import significance

ROOT = Path(__file__).parents[2]
SCRIPTS = re.findall(r"^    python (\S+\.py)$", (ROOT / "leaderboards" / "README.md").read_text(), flags=re.MULTILINE)


def module_of(script: str) -> Any:
    spec = importlib.util.spec_from_file_location("simulation", ROOT / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_simulation_prints_the_table_that_the_page_shows(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(significance, "_DRAWN", 0)  # the script sets it too, and does not set it back
    module = module_of(script)
    monkeypatch.setattr(module, "TRIALS", 2)
    monkeypatch.setattr(module, "FRESH", 20, raising=False)
    module.main()
    page = (ROOT / "leaderboards" / "README.md").read_text(encoding="utf-8")
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("| ") and not re.match(r"\| [\d.]+", line):
            assert line in page


def test_every_simulation_is_on_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(
        str(file.relative_to(ROOT)) for file in (ROOT / "leaderboards" / "simulations").glob("*.py")
    )


@pytest.mark.parametrize("calibrate", ["holdout", "crossfit"])
def test_limits_of_a_fitted_model_keep_what_they_promise(calibrate: str, nuts: Any) -> None:
    """On images that were neither fitted nor set a limit: on average for `conformal`, nearly always for `tolerance`."""
    module, every = nuts
    draws = list(module.draws(every, ("gaussian", "conv", "-"), calibrate, 12))
    for threshold, alpha in module.LIMITS:
        rates = np.array([one[threshold].rate for one in draws])
        error = float(rates.std(ddof=1)) / len(rates) ** 0.5
        assert rates.mean() <= alpha + 3 * error, threshold
        # more than four of twelve bounds of 95 % that do not hold come once in 5,000 such tests
        assert sum(one[threshold].rate > one[threshold].bound for one in draws) <= 4, threshold
    assert np.mean([one["conformal[alpha=0.1]"].rate for one in draws]) > 0.02, "the limit is no maximum"


@pytest.fixture(scope="module")
def nuts() -> tuple[Any, Any]:
    module = module_of("leaderboards/simulations/limits_of_models.py")
    module.FRESH = 100
    return module, module.nuts(500)
