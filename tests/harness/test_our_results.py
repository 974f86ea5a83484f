"""What leaderboards/results shows must follow from the rows that lie beside it."""

from __future__ import annotations

import html
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import warm_python
from click.testing import CliRunner
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from harness.commands import main

RESULTS = Path(__file__).parent.parent.parent / "leaderboards" / "results"
ROWS = sorted(RESULTS.glob("*.jsonl"))
MADE_BY = re.compile(r"^\| (\S+\.md) \|.*\| `harness (.+) --format md` \|$", re.MULTILINE)
PAGES = dict(MADE_BY.findall((RESULTS / "README.md").read_text(encoding="utf-8")))
"""By name, the words of the command that makes it."""


BY_SCRIPTS = (
    "all_detectors_costs.md",
    "detector_costs.md",
    "patchcore_sides.md",
    "recommended.md",
    "synthetic_ranks.md",
    "tiles_judged_alike.md",
    "weak_defaults.md",
)
"""Made by scripts that take images and weights."""


def printed(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--format", "md"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_there_are_results_and_a_command_for_each_page() -> None:
    assert ROWS
    assert sorted(PAGES) == sorted(
        file.name for file in RESULTS.glob("*.md") if file.name not in ("README.md", "figures.md", *BY_SCRIPTS)
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_its_command_makes_of_the_rows(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(RESULTS)
    shown = (RESULTS / page).read_text(encoding="utf-8")
    assert shown == printed(*shlex.split(PAGES[page])), f"stale: harness {PAGES[page]} --format md > {page}"


def test_the_picture_of_a_leaderboard_is_what_its_command_prints() -> None:
    shown = (RESULTS / "leaderboard.svg").read_text(encoding="utf-8")
    words = [html.unescape(line).replace("\xa0", " ") for line in re.findall(r"<text[^>]*>(.*?)</text>", shown)]
    script = "import pictures; print(pictures.table().plain)"
    done = warm_python.run([sys.executable, "-c", script], cwd=RESULTS, capture_output=True, text=True, check=True)
    assert "".join("".join(words[1:]).split()) == "".join(done.stdout.split()), "stale: python pictures.py"


def test_the_figures_that_no_command_prints_follow_from_the_rows() -> None:
    done = warm_python.run([sys.executable, "figures.py"], cwd=RESULTS, capture_output=True, text=True, check=True)
    assert done.stdout == (RESULTS / "figures.md").read_text(encoding="utf-8"), "stale: python figures.py > figures.md"


@pytest.mark.parametrize("rows", ROWS, ids=lambda file: file.stem)
def test_our_own_numbers_stand_the_checks_that_published_ones_do(rows: Path) -> None:
    printed("validate", str(rows))


@pytest.mark.parametrize("rows", ROWS, ids=lambda file: file.stem)
def test_each_row_says_where_it_comes_from(rows: Path) -> None:
    for line in rows.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["status"] == "done":
            assert row["provenance"]["versions"]["anomaly-harness"], row["trial"]
            assert row["provenance"]["machine"]["cpu"], row["trial"]
            assert row["fingerprint"]
            assert row["scores"]


def test_the_table_of_conventions_follows_from_the_figures_of_each_method() -> None:
    folder = RESULTS.parent / "conventions"
    done = warm_python.run([sys.executable, "table.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert (folder / "README.md").read_text(encoding="utf-8").endswith(done.stdout), "stale: python table.py"


def test_how_painted_defects_rank_detectors_follows_from_the_scores_beside_it() -> None:
    shown = (RESULTS / "synthetic_ranks.md").read_text(encoding="utf-8")
    lines = (RESULTS / "synthetic_ranks.ndjson").read_text(encoding="utf-8").splitlines()
    by_category: dict[str, list[dict[str, list[float]]]] = {}
    for row in map(json.loads, lines):
        by_category.setdefault(row["category"], []).append(row)
    assert set(by_category) == {"bottle", "pill", "screw"}
    for category, rows in by_category.items():

        def aurocs(name: str, rows: list[dict[str, list[float]]] = rows) -> list[float]:
            labels = [0] * len(rows[0]["good"]) + [1] * len(rows[0][name])
            return [roc_auc_score(labels, row["good"] + row[name]) for row in rows]

        for name in ("painted", "subtle"):
            rho = spearmanr(aurocs("real"), aurocs(name)).statistic
            assert f"| {category} | {name} | {len(rows)} | {rho:.2f} | " in shown
