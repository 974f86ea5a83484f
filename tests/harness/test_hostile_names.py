"""Names and reasons come from folders, files and plugins of strangers, and go to terminals, spreadsheets and pages."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.commands import main
from harness.printable import printable
from harness.report.formats import FORMATS, OF_ROWS
from harness.report.formats.rows import csv_text
from harness.report.progress import Plain
from harness.report.table import Document, Table
from harness.trials.observers import RunStart
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial

RED = "\x1b[31mred\x1b[0m"
TITLE = "\x1b]0;owned\x07"
BACKWARDS = "abc\u202egnp.exe"
TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 32, 3, 4, 1e-4, 0.0, "fp32", "-")


@settings(deadline=None)
@given(st.text())
def test_whatever_is_made_visible_is_one_line_that_any_terminal_can_show(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode("utf-8", "strict")
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (RED, r"\x1b[31mred\x1b[0m"),
        (BACKWARDS, r"abc\u202egnp.exe"),
        ("two\r\nlines", r"two\r\nlines"),
        ("\udcff.png", r"\udcff.png"),
        ("Schräg, 傷, ¼ mm", "Schräg, 傷, ¼ mm"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_spelt_out_and_the_rest_is_left(text: str, shown: str) -> None:
    assert printable(text) == shown


def controls(text: str) -> set[str]:
    return {one for one in text if not one.isprintable()} - {"\n"}


@settings(deadline=None)
@given(st.text(max_size=8), st.sampled_from([RED, TITLE, BACKWARDS, "a\rb", "a\nb", "\x9b31m", "\udcff"]))
def test_no_cell_title_or_note_of_a_table_reaches_a_terminal_raw(text: str, hostile: str) -> None:
    table = Table(hostile, ["name", "n"], [[text + hostile, "1"]], notes=[hostile + text])
    document = Document(lambda: [table], lambda: [], remarks=[[text + hostile]])
    for shown in (FORMATS[name](document) for name in FORMATS.keys() - OF_ROWS):
        assert not controls(shown)
        shown.encode("utf-8", "strict")
        assert hostile not in shown


def test_progress_and_summary_show_hostile_names_spelt_out() -> None:
    written = io.StringIO()
    shown = Plain(written)
    shown.run_started(RunStart(1, [TRIAL._replace(category=RED)], Path("runs")))
    shown.ended(Outcome(TRIAL._replace(category=RED), "error", f"no {TITLE}\nluck"))
    assert written.getvalue() == (
        "[0/1] reading the images of \\x1b[31mred\\x1b[0m\n"
        "[1/1] \\x1b[31mred\\x1b[0m · dae + conv + mse · seed 0 · error: no \\x1b]0;owned\\x07\\nluck\n"
    )


def test_a_store_of_hostile_names_is_shown_by_every_command_without_a_control_character(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with Store(store, write=True) as opened:
        opened.put(Outcome(TRIAL._replace(category=RED, model=f"dae[x={TITLE}]"), "error", f"bad {BACKWARDS}\nluck"))
    for style in FORMATS.keys() - OF_ROWS:
        done = CliRunner().invoke(main, ["leaderboard", "--store", str(store), "--format", style])
        assert done.exit_code == 0, done.output
        assert r"\x1b[31mred" in done.output.replace(r"\textbackslash{}", "\\")
        assert not controls(done.output)


def test_a_summary_for_a_pull_request_shows_hostile_names_spelt_out(tmp_path: Path) -> None:
    scores = np.arange(4.0)
    evidence = Evidence({"mean": scores[:2]}, {"mean": scores}, ("good", "good", RED, RED), tuple("abcd"))
    record = Record(default_pool="mean", machine={"cpu": TITLE})
    with Store(tmp_path, write=True) as opened:
        opened.put(Outcome(TRIAL._replace(category=RED), "done", "", "f00d", evidence, record))
        opened.put(Outcome(TRIAL, "error", f"bad {BACKWARDS}\nluck"))
    done = CliRunner().invoke(main, ["report", "--store", str(tmp_path), "--format", "md"])
    assert done.exit_code == 0, done.output
    # In the title of its table and beside its fingerprint; and in the command that makes it again, as JSON spells it.
    assert done.output.replace("\\[", "[").count(r"\x1b[31mred") == 2
    assert done.output.count(r"\u001b[31mred") == 1
    assert not controls(done.output)


def test_the_script_of_a_report_is_given_hostile_names_spelt_out(tmp_path: Path) -> None:
    scores = np.arange(4.0)
    kinds, images = ("good", "good", RED, BACKWARDS), ("a", BACKWARDS, "c", TITLE)
    evidence = Evidence({"mean": scores[:2]}, {"mean": scores}, kinds, images)
    record = Record(default_pool="mean")
    with Store(tmp_path, write=True) as opened:
        opened.put(Outcome(TRIAL._replace(category=BACKWARDS), "done", "", "f00d", evidence, record))
    done = CliRunner().invoke(main, ["report", "--store", str(tmp_path), "--format", "html"])
    assert done.exit_code == 0, done.output
    _, _, rest = done.output.partition('<script type="application/json" id="content">')
    content, _, _ = rest.partition("</script>")
    held = json.dumps(json.loads(content), ensure_ascii=False)
    assert r"abc\\u202egnp.exe" in held
    assert not controls(held)
    assert not controls(done.output)


def test_a_folder_with_a_hostile_name_is_run_without_a_control_character(tmp_path: Path) -> None:
    from PIL import Image

    parts = tmp_path / "parts" / RED
    for split, kind, count in (("train", "good", 3), ("test", "good", 2), ("test", "=cut\n", 2)):
        (parts / split / kind).mkdir(parents=True, exist_ok=True)
        for at in range(count):
            Image.new("RGB", (8, 8), (at * 40, 0, 0)).save(parts / split / kind / f"{at}.png")
    (parts / "train" / "good" / "\x1b[2J.png").write_bytes(b"no image")
    words = ["run", "--dataset", "folder", "--data-root", str(tmp_path / "parts"), "--models", "padim"]
    done = CliRunner().invoke(main, [*words, "--store", str(tmp_path / "runs")])
    assert done.exit_code == 3
    assert r"\x1b[2J.png" in done.output
    assert not controls(done.output)
    asked = CliRunner().invoke(main, ["run", "--data-root", f"{tmp_path}/{RED}", "--store", str(tmp_path / "runs")])
    assert asked.exit_code == 2
    assert not controls(asked.output)


FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "-", "--", "\uff1d1+1"]


@settings(deadline=None)
@given(st.sampled_from(FORMULAS) | st.text(), st.sampled_from(FORMULAS) | st.text(min_size=1))
def test_no_cell_of_a_csv_can_start_a_formula(cell: str, column: str) -> None:
    text = csv_text([{column: cell}], [column])
    assert len(text.splitlines()) == 2
    for row in csv.reader(io.StringIO(text, newline=""), strict=True):
        for read in row:
            starts = read[:1] in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
            assert not starts or read == "-" or math.isfinite(float(read))


@pytest.mark.parametrize("number", [-0.5, -1, -1e-300, "-0.5", "+3", "-1e-05", "-.5", "-"])
def test_a_number_stays_a_number_in_csv_whatever_its_sign(number: object) -> None:
    assert csv_text([{"x": number}], ["x"]) == f"x\n{number}\n"
