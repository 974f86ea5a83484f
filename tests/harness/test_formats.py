from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.commands import main
from harness.report.formats import FORMATS, OF_ROWS, render
from harness.report.formats.latex import to_latex
from harness.report.formats.terminal import to_terminal
from harness.report.table import Document, Table

SPECIAL = "\\{}$&#%_^~<>|\"`'[]*±·▽-ä"


def document(*cells: str) -> Document:
    table = Table(
        title=f"parts · 64 px {SPECIAL}",
        headings=["method", "accuracy", "±"],
        rows=[*([cell, "0.813", "0.02"] for cell in cells), ["all normal", "0.400", ""]],
        numbers=frozenset({"accuracy", "±"}),
        notes=["▽ accuracy does not beat 100 % of the floors."],
        faint=frozenset({len(cells)}),
    )
    return Document(
        lambda: [table], lambda: [{"method": cell} for cell in cells], remarks=[["skipped: a_b"], ["c", "d"]]
    )


EXAMPLE = document("dae[level=0.4] + conv", "[x]", "*", SPECIAL)


@pytest.mark.parametrize(("name", "suffix"), [("latex", "tex"), ("md", "md")])
def test_a_document_prints_as_it_did(name: str, suffix: str, golden: Callable[[str, str], None]) -> None:
    golden(f"formats.{suffix}", render(EXAMPLE, name))


def test_programs_get_rows_and_people_get_tables_and_remarks() -> None:
    for name in FORMATS:
        assert ("skipped" in render(EXAMPLE, name)) is (name not in OF_ROWS)
        assert ("all normal" in render(EXAMPLE, name)) is (name not in OF_ROWS)


def test_only_what_a_format_needs_is_made() -> None:
    def never() -> list[object]:
        raise AssertionError("made for nothing")

    for name in FORMATS:
        rows = name in OF_ROWS
        render(Document(never if rows else lambda: [], (lambda: []) if rows else never), name)  # type: ignore[arg-type]


def test_csv_has_the_columns_of_every_row_where_none_are_given() -> None:
    rows = [{"a": 1, "b": 2}, {"a": 3, "b": 4, "c": 5}]
    assert render(Document(lambda: [], lambda: rows), "csv") == "a,b,c\n1,2,\n3,4,5\n"
    assert render(Document(lambda: [], lambda: rows, ["c", "a"]), "csv") == "c,a\n,1\n5,3\n"
    assert render(Document(lambda: [], lambda: []), "csv") == "\n"


def test_a_document_without_tables_is_its_remarks() -> None:
    nothing = Document(lambda: [], lambda: [], remarks=[["none here"]])
    assert [render(nothing, name) for name in ("rich", "md", "latex")] == [
        "none here\n",
        "none here\n",
        "% none here\n",
    ]


def test_a_narrow_terminal_says_which_columns_it_does_without() -> None:
    table = Table("t", ["method", "wide"], [["dae", "x" * 60]], droppable=("wide",))
    assert "A wider terminal shows wide too." in to_terminal(Document(lambda: [table], lambda: []), 40)
    assert "wider" not in to_terminal(Document(lambda: [table], lambda: []), 80)


@given(st.text())
def test_latex_never_meets_a_special_character_of_a_name(text: str) -> None:
    (line,) = (line for line in to_latex(document(text)).splitlines() if "0.813" in line)
    cell = line.rsplit(" & 0.813", 1)[0]
    plain = re.sub(r"\\[a-z]+\{\}|\\symbol\{34\}|\$\\(pm|bigtriangledown)\$|\\[{}$&#%_]", "", cell.removeprefix("{}"))
    assert not set(plain) & set('\\{}$&#%_^~<>|"`')
    assert not cell.startswith(("[", "*"))


def test_latex_compiles(tmp_path: Path) -> None:
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("pdflatex is not here")
    text = (
        f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{to_latex(EXAMPLE)}\\end{{document}}\n"
    )
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [latex, "-halt-on-error", "-interaction=nonstopmode", "t.tex"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_every_command_that_prints_a_table_offers_latex() -> None:
    for command in ("run", "leaderboard", "compare", "validate", "data", "list", "latency", "reproduce"):
        assert "latex" in CliRunner().invoke(main, [command, "--help"]).stdout, command


WIDE = Table(
    title="a board",
    headings=["#", "method", "AUROC", "learning rate", "weights"],
    rows=[["20", "patchcore on some encoder with a long name", "0.987", "0.0001", "pretrained"]],
    numbers=frozenset({"#", "AUROC", "learning rate"}),
    droppable=["weights"],
)


@given(st.integers(8, 200))
def test_no_number_is_ever_cut_and_what_is_left_out_is_named(width: int) -> None:
    shown = " ".join(to_terminal(Document(lambda: [WIDE], lambda: []), width).split())
    _, _, note = shown.partition("A wider terminal shows ")
    for heading, cell in zip(WIDE.headings, WIDE.rows[0], strict=True):
        if heading in WIDE.numbers and heading not in note:
            assert f" {cell} " in shown


@pytest.mark.parametrize("columns", ["0", "", "many"])
def test_what_goes_to_a_pipe_is_whole(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = to_terminal(Document(lambda: [WIDE], lambda: []))
    assert "patchcore on some encoder with a long name  0.987         0.0001  pretrained" in shown
    assert "wider" not in shown


def test_a_width_that_is_asked_for_holds_in_a_pipe_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, to_terminal(Document(lambda: [WIDE], lambda: [])).splitlines())) <= 60
