"""Tables and exports of many trials: made piece by piece, with the same text as ever."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Threshold
from harness.commands import main
from harness.plugin.registry import Registry
from harness.report.formats import rendered, terminal
from harness.report.formats.rows import json_lines
from harness.report.results import opened
from harness.report.table import Document, Table
from harness.trials.database import FILE_NAME
from harness.trials.store import Store
from harness.verdicts import exports
from harness.verdicts.judging import judge
from harness.verdicts.leaderboard import boards
from harness.verdicts.methods import method_of
from tests.benchmarks.large_store import fill

WORDS = st.sampled_from(["a", "bb", "日本", "—", "x·y", "ccc ddd", "", "0.75"])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "runs"
    fill(folder, 60)
    return folder


@given(
    st.lists(st.lists(WORDS, min_size=3, max_size=3), max_size=6),
    st.sampled_from([None, 100]),
    st.sets(st.integers(0, 2)),
)
def test_a_table_that_fits_looks_the_same_whichever_way_it_is_drawn(
    rows: list[list[str]], width: int | None, numbers: set[int]
) -> None:
    headings = ["one", "two", "three"]
    table = Table("title", headings, rows, numbers=frozenset(headings[at] for at in numbers), notes=["note"])
    document = Document(lambda: [table], list)
    quick = terminal.to_terminal(document, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "_in_lines", terminal._folded)
        assert terminal.to_terminal(document, width) == quick


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.none() | st.text(max_size=3) | st.lists(st.integers(), max_size=2))
    )
)
def test_json_in_pieces_is_the_json_of_the_whole(rows: list[dict[str, object]]) -> None:
    text = "".join(json_lines(Document(list, lambda: rows)))
    assert text == json.dumps(rows, indent=1) + "\n"


def test_verdicts_without_their_scores_have_the_rows_and_tables_of_those_with_them(store: Path) -> None:
    registry = Registry.discover()
    light, full = (opened(store, registry, "all", "all", light=light) for light in (True, False))
    assert all(verdict.outcome.evidence is None for verdict in light.verdicts)
    assert light.rows == full.rows
    for style in ("csv", "md", "rich"):
        assert "".join(rendered(light.document, style)) == "".join(rendered(full.document, style))
    assert light.faults == full.faults


def test_an_export_line_by_line_brings_each_score_once_and_is_read_as_it_was_written(
    store: Path, tmp_path: Path
) -> None:
    registry = Registry.discover()
    thresholds = registry.choose(Threshold, "mean,quantile")
    with Store(store) as opened_store:
        verdicts = [v for o in opened_store.outcomes() for v in judge(o, thresholds, ["mean", "max"])]
    rows = list(map(exports.row_of, verdicts))
    lines = list(exports.lines([*reversed(rows), *rows]))
    assert len(lines) == len(rows) == 240
    told = list(map(json.loads, lines))
    assert [list(line) for line in told] == [sorted(line) for line in told]
    assert sum(line["evidence"] is not None for line in told) == 120
    (tmp_path / "export.jsonl").write_text("".join(lines))
    again = exports.read(tmp_path / "export.jsonl", registry)
    assert not again.faults
    assert exports.write(again.rows) == "".join(lines)


def test_a_store_whose_trials_are_all_left_out_is_not_called_empty(tmp_path: Path) -> None:
    fill(tmp_path / "runs", 3)
    with closing(sqlite3.connect(tmp_path / "runs" / FILE_NAME)) as db, db:
        db.execute("UPDATE digests SET digest = 'another'")
    for command in ("leaderboard", "export"):
        done = CliRunner().invoke(main, [command, "--store", str(tmp_path / "runs")])
        assert done.exit_code == 2, done.output
        assert "has 3 trials, and all were left out" in done.stderr
        assert "is empty" not in done.stderr


def test_scores_that_are_no_numbers_cost_their_trial_also_where_there_are_no_digests(tmp_path: Path) -> None:
    fill(tmp_path / "runs", 3)
    with closing(sqlite3.connect(tmp_path / "runs" / FILE_NAME)) as db, db:
        nan = b"\0\0\0\0\0\0\xf8\x7f" * 60
        db.execute("UPDATE scores SET test = ? WHERE trial = (SELECT min(id) FROM trials)", [nan])
        db.execute("DELETE FROM digests")
    done = CliRunner().invoke(main, ["leaderboard", "--store", str(tmp_path / "runs"), "--format", "json"])
    assert done.exit_code == 3, done.output
    assert "are damaged: 60 of 60 are not finite" in done.stderr
    assert len(json.loads(done.stdout)) == 2


def test_a_report_of_many_methods_shows_the_best_with_all_their_trials_and_says_so(tmp_path: Path) -> None:
    fill(tmp_path / "runs", 250)  # five methods of fifty trials
    whole = opened(tmp_path / "runs", Registry.discover(), "mean,quantile", None)
    light = opened(tmp_path / "runs", Registry.discover(), "mean,quantile", None, light=True)
    best = light.for_a_page(most=2)
    (overall,) = (board for board in boards(whole.judged("mean").verdicts) if board.category is None)
    expected = {line.method[:3] for line in overall.lines[:2]}
    assert {method_of(verdict)[:3] for verdict in best.verdicts} == expected
    assert {verdict.threshold for verdict in best.verdicts} == {"mean", "quantile"}
    assert len({verdict.outcome.id for verdict in best.verdicts}) == 100
    assert all(verdict.images.right() is not None for verdict in best.verdicts), "with their scores"
    said = "Shown are the best 2 of 5 methods, by balanced accuracy at the limit 'mean', with all their trials"
    assert best.scope.startswith(said)
    assert said.replace("'", "&#39;") in best.report_text("html")
    assert light.for_a_page(most=5).scope == ""
    assert len(light.for_a_page(most=5).verdicts) == len(whole.verdicts)
