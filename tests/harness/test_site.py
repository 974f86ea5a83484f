"""The static pages of a folder of exports, in a real browser at the widths of a desk and of a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from harness.api import Threshold
from harness.commands import main
from harness.plugin.registry import Registry
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.digests import scores_digest
from harness.verdicts.exports import digest_of, row_of, save
from harness.verdicts.judging import judge
from harness.verification.keys import signer
from harness.verification.notes import FORMAT, Note, Refit
from harness.verification.notes import save as save_note

RESULTS = Path(__file__).parents[2] / "leaderboards" / "results"
HOSTILE = "<img src=x onerror=alert(1)>"
TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")


def outcome(strength: float, **changes: object) -> Outcome:
    drawn = np.random.default_rng(int(strength * 10))
    test = drawn.normal(size=12) + strength * np.array([0] * 6 + [1] * 6)
    evidence = Evidence({"mean": drawn.normal(size=9)}, {"mean": test}, ("good",) * 6 + ("crack",) * 6, ("",) * 12)
    record = Record(default_pool="mean", fit_seconds=1.5, machine={"cpu": HOSTILE}, versions={"torch": "2"})
    return Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, record)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    results = folder / "results"
    results.mkdir()
    judges = Registry.discover().choose(Threshold, "mean,f1_oracle")
    made = [outcome(3.0, model="cae"), outcome(1.0), outcome(0.5, seed=1), outcome(2.0, category=HOSTILE)]
    made.append(outcome(1.5, dataset='folder[root="</title>"]'))
    rows = [row_of(verdict) for one in made for verdict in judge(one, judges, ["mean"])]
    bare = [row_of(verdict) for verdict in judge(outcome(4.0, model="vae"), judges, ["mean"])]
    save([*rows, *({k: v for k, v in row.items() if k != "evidence"} for row in bare)], results / "ours.jsonl")
    signs, _ = signer(folder / "keys" / "anna.pem")
    (folder / "keys" / "anna.pub").write_text(signs.public)
    (folder / "keys" / "anna.pem").rename(folder / "anna.pem")
    evidence = made[0].evidence
    assert evidence is not None
    signed = tuple(digest_of(row) for row in rows[:2])
    refit = Refit(made[0].id, "equal", 1e-3, "here", 0.0, scores={"mean": scores_digest(evidence, "mean")}, rows=signed)
    note = Note(FORMAT, "anna", signs.public, "2026-11-28T01:00:00", "ours.jsonl", "0", 1, 1, 1, 5, (refit,))
    save_note(note, signs, results / "ours.jsonl")
    words = ["site", str(results), "--out", str(folder / "out"), "--trust", str(folder / "keys")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "3 pages written" in done.stderr
    return folder / "out"


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def view(request: pytest.FixtureRequest, browser: Any, pages: Path) -> Iterator[Any]:
    """The index; nothing that a page asks of a network, and no fault of a script, is let pass."""
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    wrong: list[str] = []
    page.on("request", lambda asked: None if asked.url.startswith("file:") else wrong.append(asked.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(f"file://{pages}/index.html")
    yield page
    page.close()
    assert wrong == []


def fits(view: Any) -> bool:
    """Whether the page is no wider than the window: tables scroll within their frame."""
    return bool(view.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def column(view: Any, at: int) -> list[str]:
    return [row.locator("td").nth(at).inner_text().strip() for row in view.locator("tbody tr:not([hidden])").all()]


def test_from_the_index_to_how_a_row_was_made(view: Any) -> None:
    assert fits(view)
    assert "verified 1 of 5" in view.inner_text("tbody tr:has-text('dots')")
    view.click("text=dots")
    assert view.title().startswith("dots ·")
    assert fits(view)
    assert set(column(view, 5)) == {"mean"}, "the paper's threshold first"
    view.click("tbody tr:has-text('cae') a")
    opened = view.locator("details[open]")
    assert opened.count() == 1
    said = opened.inner_text()
    assert "harness run --dataset dots" in said
    assert "equal, by anna" in said
    assert "f00d" in said
    assert HOSTILE in said, "as text"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(view: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not here: pip install '.[test]'")
    view.emulate_media(color_scheme=scheme)
    rules = ", runOnly: ['color-contrast']" if scheme == "dark" else ""  # nothing else changes with the scheme
    for address in (view.url, view.evaluate("document.querySelector('tbody a').href")):
        view.goto(address)  # a click would leave this page while axe still looks at it
        view.evaluate((files(axe) / "axe.min.js").read_text(encoding="utf-8"))
        found = view.evaluate(f"axe.run(document, {{ resultTypes: ['violations']{rules} }})")["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []


def test_on_a_phone_a_row_is_a_card_and_nothing_is_scrolled_sideways(view: Any) -> None:
    if view.viewport_size["width"] > 560:
        return
    for step in (None, "text=dots"):
        if step:
            view.click(step)
        assert view.evaluate("[...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= innerWidth)")
        assert view.locator("header h1").bounding_box()["y"] >= 12
        small = view.evaluate(
            "[...document.querySelectorAll('a, select, input:not([type=checkbox]), summary')]"
            ".filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 43.5)"
            ".map((one) => one.outerHTML.slice(0, 90))"
        )
        assert small == []


def test_rows_are_sorted_and_filtered(view: Any) -> None:
    view.click("text=dots")
    view.click("th button:has-text('AUROC')")
    numbers = [float(text.split()[0]) for text in column(view, 10)]
    assert numbers == sorted(numbers, reverse=True)
    view.click("th button:has-text('AUROC')")
    numbers = [float(text.split()[0]) for text in column(view, 10)]
    assert numbers == sorted(numbers)
    assert view.get_attribute("th:has-text('AUROC')", "aria-sort") == "ascending"
    view.select_option("[data-filter=threshold]", "")
    assert view.inner_text("output") == "8 of 8 rows", "two seeds are one row, for each of two thresholds"
    view.check("[data-filter=verified]")
    assert all("cae" in method for method in column(view, 1))
    assert view.inner_text("output") == "2 of 8 rows"
    view.uncheck("[data-filter=verified]")
    view.select_option("[data-filter=proof]", "as stated")
    assert all("vae" in method for method in column(view, 1))
    view.select_option("[data-filter=proof]", "")
    view.fill("[data-filter=text]", "oracle")
    assert set(column(view, 5)) == {"f1_oracle"}


def test_names_of_strangers_are_text(pages: Path, view: Any) -> None:
    view.click("text=folder")
    assert 'folder[root="</title>"]' in view.inner_text("h1")
    for file in pages.glob("*.html"):
        text = file.read_text()
        assert "<img" not in text
        assert "default-src &#39;none&#39;" in text
        assert "unsafe" not in text


def test_a_folder_without_exports_is_one_line_and_a_forged_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    none = CliRunner().invoke(main, ["site", str(tmp_path / "empty"), "--out", str(tmp_path / "out")])
    assert none.exit_code == 2
    assert none.stderr.count("\n") == 1
    judges = Registry.discover().choose(Threshold, "mean")
    rows = [row_of(verdict) for one in (outcome(1.0), outcome(1.0, seed=1)) for verdict in judge(one, judges)]
    save([{**rows[0], "auroc": 0.99, "auroc_low": None, "auroc_high": None}, rows[1]], tmp_path / "empty" / "a.jsonl")
    done = CliRunner().invoke(main, ["site", str(tmp_path / "empty"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 3
    assert "auroc is 0.99" in done.stderr
    assert 'data-value="0.99"' not in (tmp_path / "out" / "dots.html").read_text()
    assert outcome(1.0, seed=1).id in (tmp_path / "out" / "dots.html").read_text()
    below = tmp_path / "out" / "dots.html" / "deep"
    onto = CliRunner().invoke(main, ["site", str(tmp_path / "empty"), "--out", str(below)])
    assert onto.exit_code == 2
    assert re.search(r"--out '.*dots.html/deep' cannot be written: Not a directory", onto.stderr)


def test_what_turns_text_around_is_spelt_out(tmp_path: Path) -> None:
    judges = Registry.discover().choose(Threshold, "mean")
    odd = outcome(1.0)
    odd = Outcome(odd.trial._replace(dataset="..", category="\u202eelttob\x1b[2J"), *list(vars(odd).values())[1:6])
    save([row_of(verdict) for verdict in judge(odd, judges)], tmp_path / "a.jsonl")
    done = CliRunner().invoke(main, ["site", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["data.html", "index.html"]
    text = (tmp_path / "out" / "data.html").read_text()
    assert r"\u202eelttob\x1b[2J" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_grave_findings_on_the_images_stand_above_the_rows(tmp_path: Path) -> None:
    rows = (RESULTS / "screw.jsonl").read_text(encoding="utf-8")
    (tmp_path / "screw.jsonl").write_text(rows, encoding="utf-8")
    done = CliRunner().invoke(main, ["site", str(tmp_path), "--out", str(tmp_path / "site")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "site" / "mvtec_ad.html").read_text(encoding="utf-8")
    above, _, _ = page.partition("<table")
    assert above.count("<li>screw: GRAVE ") == 2
    assert "screw: GRAVE shortcut: The brightness alone tells normal and defective test images apart" in above
