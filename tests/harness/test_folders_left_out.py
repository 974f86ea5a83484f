"""No folder, and so nobody's name, in what is stored, exported, reported or kept of a trial."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.commands import main
from harness.errors import error_line, where_raised
from harness.trials.database import FILE_NAME
from harness.trials.folders_left_out import short
from harness.trials.hardware import out_of_memory
from harness.trials.store import Store

ALICE = "alice of the paint shop"
FAILS = """
import harness
class Lost(harness.Model):
    name = "lost"
    uses = frozenset({"pool"})
    def fit(self, normal, *, encoder, loss, run):
        open(__file__ + ".weights")
    def score(self, images):
        raise NotImplementedError
class Peak(harness.Pool):
    name = "peak"
    def score(self, maps):
        return maps.max(axis=(1, 2))
class High(harness.Threshold):
    name = "high"
    def fit(self, normal):
        return open(__file__ + ".limit")
@harness.hookimpl
def harness_pools(): return [Peak]
@harness.hookimpl
def harness_thresholds(): return [High]
@harness.hookimpl
def harness_models(): return [MeanImage, Lost]
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Errno 2] No such file: '/home/al ice/x.npy'", "[Errno 2] No such file: '.../x.npy'"),
        ("'/data/mvtec/bottle/test/1.png' is cut", "'bottle/test/1.png' is cut"),
        ("/home/alice/my plugins/glow.py 1a2b3c4d", "glow.py 1a2b3c4d"),
        (r"C:\Users\Bob\x.png is bad", ".../x.png is bad"),
        ("~/a/b.txt: denied", ".../b.txt: denied"),
        ("sqlite:////home/alice/x.db", ".../x.db"),
        ("see https://example.org/a/b, 3/4 of a/b or 1 / 2", "see https://example.org/a/b, 3/4 of a/b or 1 / 2"),
        (
            "ValueError: shapes (2,3) and (4,) differ (model.py:12)",
            "ValueError: shapes (2,3) and (4,) differ (model.py:12)",
        ),
    ],
)
def test_of_a_path_its_last_name_is_kept_or_what_follows_a_known_folder(text: str, expected: str) -> None:
    assert short(text, [Path("/data/mvtec")]) == expected


@given(
    st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{2,9}", fullmatch=True), min_size=2, max_size=5),
    st.text(" :;(,", min_size=1, max_size=3),
)
def test_no_folder_of_an_absolute_path_is_left_whatever_stands_around_it(parts: list[str], around: str) -> None:
    path = "/" + "/".join(["folder" + part for part in parts[:-1]] + ["name" + parts[-1]])
    left = short(f"it{around}{path}{around}or '{path}'")
    assert "folder" not in left
    assert left.count(f".../name{parts[-1]}") == 2
    assert short(left) == left, "and nothing more is left out at the second look"


def test_the_name_of_who_ran_it_is_in_no_store_export_report_or_model(dots_plugin: Path, tmp_path: Path) -> None:
    home = tmp_path / ALICE
    home.mkdir()
    plugin, store = home / "mine.py", tmp_path / "runs"
    mine = re.sub(r"@hookimpl\ndef harness_models.*?\n(?=@|\Z)", "", dots_plugin.read_text(), flags=re.DOTALL)
    plugin.write_text(mine + FAILS)
    asked = ["run", "--plugin", str(plugin), "--dataset", "dots", "--categories", "large,broken"]
    asked += ["--models", "mean_image,lost"]
    asked += ["--pools", "peak", "--thresholds", "mean,high", "--store", str(store), "--keep-models", "--jobs", "1"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 3, done.output
    assert "FileNotFoundError" in done.output
    about = ["--store", str(store), "--plugin", str(plugin), "--thresholds", "mean,high", "--pools", "peak"]
    for words in (
        ["export", *about, "--out", str(tmp_path / "out.jsonl")],
        ["report", *about, "--out", str(tmp_path / "r.html")],
    ):
        shown = CliRunner().invoke(main, words)
        assert shown.exit_code in (0, 3), shown.output
    (model,) = (store / "models").glob("*/model.json")
    written = [store / FILE_NAME, *store.glob(f"{FILE_NAME}-*"), tmp_path / "out.jsonl", tmp_path / "r.html", model]
    for file in written:
        assert b"mine.py" in file.read_bytes() or file.suffix == ".html" or "-" in file.suffix, file
        assert ALICE.encode() not in file.read_bytes(), file


def test_paths_in_a_store_of_before_go_no_further(dots_plugin: Path, tmp_path: Path) -> None:
    store = tmp_path / "runs"
    asked = [
        "run",
        "--plugin",
        str(dots_plugin),
        "--dataset",
        "dots",
        "--categories",
        "large",
        "--models",
        "mean_image",
    ]
    done = CliRunner().invoke(main, [*asked, "--store", str(store), "--jobs", "1", "--no-floors"])
    assert done.exit_code == 0, done.output
    with closing(sqlite3.connect(store / FILE_NAME)) as db, db:
        record = json.loads(db.execute("SELECT record FROM trials").fetchone()[0])
        record["plugins"]["model"] = f"/home/{ALICE}/dots.py 01234567"
        db.execute("UPDATE trials SET record = ?", [json.dumps(record)])
        db.execute("DELETE FROM digests")
    with Store(store) as opened, pytest.warns(match="before trials had digests"):
        (outcome,) = opened.outcomes()
    assert outcome.record.plugins["model"] == "dots.py 01234567"


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\ud800", None])
def test_an_error_of_a_plugin_is_told_in_text_that_a_store_can_keep(text: str | None) -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            return text  # type: ignore[return-value]  # None raises a TypeError

    for said in (where_raised(OddError()), error_line(OddError())):
        assert said.startswith("OddError: ")
        assert len(said.encode()) < 11_000
    assert not out_of_memory(OddError())
