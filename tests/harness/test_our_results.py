"""What leaderboards/results shows must follow from the rows that lie beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands import main

RESULTS = Path(__file__).parent.parent.parent / "leaderboards" / "results"
ROWS = sorted(RESULTS.glob("*.jsonl"))


def printed(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--format", "md"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_there_are_results() -> None:
    assert ROWS


@pytest.mark.parametrize("rows", ROWS, ids=lambda file: file.stem)
@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("leaderboard", ["leaderboard", "--significance"]),
        ("thresholds_and_pools", ["leaderboard", "--thresholds", "all", "--pools", "all"]),
        ("against_kumar_2025", ["compare", "--against", "kumar_2025"]),
    ],
)
def test_a_page_is_what_its_command_makes_of_the_rows(rows: Path, page: str, words: list[str]) -> None:
    shown = RESULTS / f"{rows.stem}_{page}.md"
    again = f"harness {' '.join(words)} --store {rows.name} --format md > {shown.name}"
    assert shown.read_text(encoding="utf-8") == printed(*words, "--store", str(rows)), f"stale: {again}"


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
