from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness import Images
from harness.commands import main
from harness.plugin.registry import Registry
from harness.report.html import page
from harness.trials.latencies import Latency
from harness.trials.pictures import Maps, thumbnails
from harness.trials.record import Record
from harness.trials.repeat import command_of
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.leaderboard import boards
from harness.verdicts.methods import short_names
from harness.verdicts.verdict import Verdict

HOSTILE = "<script>alert(1)</script>"
QUOTES = 'good" onfocus="alert(2)'
KINDS = ("good",) * 6 + ("crack", "crack", "<img src=x onerror=alert(3)>", "crack", "crack", "hole")
NAMES = tuple(f"test/{at}/</script><b>{at}.png" for at in range(len(KINDS)))
TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 32, 3, 4, 1e-4, 0.0, "fp32", "-")


def outcome(trial: Trial, strength: float, seconds: float = 2.0) -> Outcome:
    """A trial whose scores tell defects apart the better the stronger."""
    rng = np.random.default_rng([len(trial.model), len(trial.loss), trial.seed, len(trial.category)])
    normal = rng.normal(0.5, 0.1, 9)
    test = np.round(rng.normal(0.5, 0.1, len(KINDS)) + strength * np.array([kind != "good" for kind in KINDS]), 1)
    test[0] = np.sort(normal).mean()  # at the limit, which is not above it
    maps = np.zeros((len(KINDS), 16, 16), np.uint8)
    maps[:, 4:8, 4:8] = 31
    evidence = Evidence(
        {"mean": normal, "max": normal + 0.5},
        {"mean": test, "max": test + 0.5},
        KINDS,
        NAMES,
        Maps(maps, 2.0),
    )
    record = Record(
        fit_seconds=seconds,
        default_pool="mean",
        loss_history=(0.5, 0.3, 0.2),
        versions={"torch": "2.14.1"},
        machine={"cpu": "<i>fast</i>"},
        finished_at="2026-01-02T03:04:05+00:00",
    )
    return Outcome(trial, "done", "", f"f00d{len(trial.category):04}", evidence, record)


def pictures() -> Images:
    pixels = np.full((len(KINDS), 32, 32, 3), 120, np.uint8)
    masks = np.zeros((len(KINDS), 32, 32), np.uint8)
    masks[6:, 8:16, 8:16] = 1
    return Images(pixels, NAMES, KINDS, masks)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four methods on three categories, one of which is hostile by name."""
    folder = tmp_path_factory.mktemp("store")
    with Store(folder, write=True) as store:
        for category in ("tile", HOSTILE, QUOTES):
            for strength, (model, loss) in enumerate(
                [("dae", "mse"), ("dae", "ssim"), ("cae", "mse"), ("cae", "ssim")]
            ):
                trial = TRIAL._replace(category=category, model=model, loss=loss)
                store.put(outcome(trial, 0.15 * strength - 0.1, 2.0 + strength))
            store.put_thumbnails(outcome(TRIAL._replace(category=category), 0).fingerprint, thumbnails(pictures()))
        store.put(Outcome(TRIAL._replace(model="late"), "skipped", "<b>no</b> weights", "f00d"))
    return folder


def judged(store: Store, spelt: str = "mean,f1_oracle") -> list[Verdict]:
    from harness.api import Threshold

    thresholds = Registry.discover().choose(Threshold, spelt)
    return [verdict for out in store.outcomes() for verdict in judge(out, thresholds)]


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, words)])


def content_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text, flags=re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found.group(1))
    return content


def test_a_run_leaves_what_its_report_shows(tmp_path: Path, dots_plugin: Path) -> None:
    store, out = tmp_path / "runs", tmp_path / "report.html"
    run = [
        "run",
        "--no-floors",
        "--dataset",
        "dots",
        "--models",
        "mean_image",
        "--categories",
        "large,small",
        "--plugin",
        str(dots_plugin),
    ]
    assert CliRunner().invoke(main, [*run, "--store", str(store), "--quiet"]).exit_code == 0
    done = call("--store", store, "--out", out, "--plugin", dots_plugin)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert f"Written to {out}" in done.stderr
    content = content_of(out.read_text(encoding="utf-8"))
    assert {one["category"] for one in content["sets"].values()} == {"large", "small"}
    for one in content["sets"].values():
        assert len(one["images"]) == 7
        assert [bool(border) for border in one["outlines"]] == [False] * 3 + [True] * 4
    for trial in content["trials"].values():
        assert trial["maps"]["images"] == list(range(7))
    assert re.search(r"harness run --dataset dots --categories large --models mean_image", out.read_text())


def test_the_page_names_nothing_outside_itself(filled: Path) -> None:
    text = call("--store", filled, "--thresholds", "mean").stdout
    assert set(re.findall(r"https?://[^\"'\s]+", text)) == {"http://www.w3.org/2000/svg"}, (
        "a name, which nobody fetches"
    )
    assert not re.search(r"<(?:link|iframe|object|embed)\b|@import|url\(", text)
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in text.replace("&#39;", "'")


def test_names_are_written_as_text_and_never_as_markup(filled: Path) -> None:
    for style in ("html", "md"):
        text = call("--store", filled, "--format", style, "--title", "<u>mine</u>").stdout
        for name in (HOSTILE, "<img", "<u>", "<i>", "<b>no", "</script><b>"):
            assert name not in text, (style, name)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "&lt;i&gt;fast" in text


def test_floors_and_rows_that_do_not_beat_them_are_marked(filled: Path) -> None:
    text = call("--store", filled, "--thresholds", "mean").stdout
    rows = re.findall(r"<tr data-board.*?</tr>", text, flags=re.DOTALL)
    floors = [row for row in rows if 'class="floor"' in row]
    assert len(floors) == 2 * 4, "two for each category and for their mean"
    with Store(filled) as store:
        below = sum(not line.beats_floors for board in boards(judged(store, "mean")) for line in board.lines)
    assert below
    assert sum("does not beat a constant answer" in row for row in rows) == below


@pytest.fixture
def theirs(filled: Path, tmp_path: Path) -> Path:
    """What somebody printed of two of these methods, of one of them at another image size."""
    file = tmp_path / "theirs.csv"
    file.write_text(
        "dataset,category,model,encoder,loss,image_size,pool,threshold,n_normal,n_abnormal,abnormal_rate\n"
        "dots,tile,cae,conv,ssim,32,mean,mean,6,6,0.00\n"
        "dots,tile,cae,conv,mse,256,mean,mean,6,6,0.17\n"
    )
    return file


def test_published_numbers_stand_beside_ours_with_their_verdict(filled: Path, theirs: Path) -> None:
    text = call("--store", filled, "--against", theirs, "--thresholds", "mean").stdout
    (row,) = (
        row for row in re.findall(r"<tr data-board.*?</tr>", text, flags=re.DOTALL) if "published different" in row
    )
    assert 'data-category="tile"' in row
    assert 'data-method="cae · conv · ssim"' in row
    cells = re.findall(r"<td.*?</td>", row, flags=re.DOTALL)
    assert ["0.00 different" in cell for cell in cells].index(True) == 6, "in the column of the rate that it is"
    assert "image size 32, 256 published" in text
    assert "0.17" not in text, "another protocol's number stands beside nothing"
    summary = call("--store", filled, "--against", theirs, "--format", "md").stdout
    assert "tile · 0 of 1 numbers equivalent" in summary


def test_reporting_loads_no_torch(filled: Path, tmp_path: Path) -> None:
    words = ["report", "--store", str(filled), "--thresholds", "mean", "--out", str(tmp_path / "report.html")]
    script = (
        f"import sys; from harness.commands import main\nmain({words!r}, standalone_mode=False)\n"
        "heavy = {'torch', 'timm', 'torchvision', 'matplotlib'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_an_empty_store_has_no_report(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(Outcome(TRIAL, "error", "no luck"))
    done = call("--store", tmp_path)
    assert done.exit_code == 2
    assert "has no finished trial" in done.stderr


def test_a_file_that_cannot_be_written_is_named(filled: Path, tmp_path: Path) -> None:
    done = call("--store", filled, "--out", tmp_path / "nowhere" / "report.html")
    assert done.exit_code == 2
    assert re.search(r"--out '.*nowhere/report.html' cannot be written: No such file", done.stderr)


def test_a_trial_without_pictures_is_reported_without(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        plain = outcome(TRIAL, 0.3)
        assert plain.evidence is not None
        store.put(replace(plain, evidence=replace(plain.evidence, maps=None)))
        content = content_of(page(judged(store), store))
    assert content["trials"][plain.id]["maps"] is None
    assert content["sets"][plain.fingerprint]["images"] == []
    assert content["sets"][plain.fingerprint]["names"] == list(NAMES)


def test_the_summary_has_the_best_methods_the_winners_and_the_reasons(filled: Path) -> None:
    text = call("--store", filled, "--format", "md").stdout
    assert text.startswith("## Anomaly detectors compared\n")
    assert text.count("\n### ") == 2
    with Store(filled) as store:
        overall = boards(judged(store, "mean"))[0]
    titles = re.findall(r"^\| +[1-4] \| (.+?) +\|", text, flags=re.MULTILINE)
    assert titles == list(short_names(line.method for line in overall.lines).values())
    assert "- skipped: 1 cell, such as tile · late + conv + mse · seed 0: &lt;b&gt;no&lt;/b&gt; weights" in text
    assert "harness run --dataset dots --data-root DATA_ROOT --categories" in text


def test_the_summary_of_one_category_has_its_intervals(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put(outcome(TRIAL, 0.3))
    text = call("--store", tmp_path, "--format", "md").stdout
    assert text.count("\n### ") == 1
    assert re.search(r"dae · conv · mse +\| +0\.\d{3} \(0\.\d\d to [01]\.\d\d\)", text)


def _threshold() -> Any:
    from harness.api import Threshold

    return Threshold


@pytest.mark.parametrize(
    "options",
    [
        "--models mean_image[gain=2] --seeds 3 --holdout 0.25 --image-size 32",
        "--models trained --encoders deep --losses absolute --epochs 3 --batch-size 7 --learning-rate 0.5 --weights random",
    ],
)
def test_the_command_of_a_trial_finds_that_trial_in_its_store(options: str, tmp_path: Path, dots_plugin: Path) -> None:
    where = ["--plugin", str(dots_plugin), "--store", str(tmp_path), "--quiet", "--format", "csv"]
    first = CliRunner().invoke(
        main, ["run", "--no-floors", "--dataset", "dots", "--categories", "small", *options.split(), *where]
    )
    assert "1 fitted, 0 already there" in first.stderr, first.output
    with Store(tmp_path) as store:
        (made,) = store.outcomes()
    again = CliRunner().invoke(main, [*shlex.split(command_of(made.trial, {"dots"}))[1:], *where])
    assert "0 fitted, 1 already there" in again.stderr, again.output


def test_names_with_spaces_survive_the_shell() -> None:
    words = shlex.split(command_of(TRIAL._replace(category="a b; rm -rf $HOME", dataset="folder")))
    assert words[words.index("--categories") + 1] == '"a b; rm -rf $HOME"', "in the quotes of a list"
    assert words[words.index("--data-root") + 1] == "DATA_ROOT"


# In a browser.


@pytest.fixture(scope="module")
def written(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The report of the filled store as a file, made once for each choice of options."""

    @cache
    def write(*words: object) -> Path:
        out = tmp_path_factory.mktemp("written") / "report.html"
        done = call("--store", filled, "--out", out, *words)
        assert done.exit_code == 0, done.output
        return out

    return write


@pytest.fixture
def opened(browser: Any, written: Callable[..., Path]) -> Iterator[Callable[[], Any]]:
    """Opens the report of the filled store from disk, and fails if it says, asks or fetches anything."""
    heard: list[str] = []
    view = browser.new_page(viewport={"width": 1280, "height": 900})
    view.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    view.on("pageerror", lambda error: heard.append(f"error: {error}"))
    view.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    view.on("request", lambda asked: heard.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)

    def open_it(*words: object) -> Any:
        view.goto(written(*(words or ("--thresholds", "mean,f1_oracle"))).as_uri())
        view.wait_for_selector(".tile")
        return view

    yield open_it
    view.close()
    assert heard == []


def with_ties(view: Any) -> str:
    """Looks at a case in which normal and defective images have equal scores, and one is at the limit; its name."""
    select = view.locator("#choice select[name=case]")
    options = select.locator("option")
    at = next(i for i, text in enumerate(options.all_text_contents()) if text.startswith("dae · conv · ssim"))
    select.select_option(index=at)
    name: str = select.input_value()
    return name


def column(view: Any, number: int) -> list[float]:
    cells = view.locator(f"#board tbody tr:visible td[data-value]:nth-child({7 + number})")
    return [float(value) for value in cells.evaluate_all("cells => cells.map(cell => cell.dataset.value)") if value]


def test_the_report_opens_and_a_hostile_name_is_shown_and_not_run(opened: Any) -> None:
    view = opened()
    assert view.locator("#choice select[name=set] option").all_text_contents() == [HOSTILE, QUOTES, "tile"]
    assert "<img src=x onerror=alert(3)>" in view.locator("#gallery").inner_text()
    assert view.locator("img[src=x]").count() == 0
    assert view.locator("script").count() == 2
    view.locator(".tile").first.click()
    assert "</script><b>" in view.locator("#enlarged-title").inner_text()


def test_whatever_is_called_a_script_is_shown_and_not_run(browser: Any, tmp_path: Path) -> None:
    """Method, data set, defect kind, file, reason, title, settings and machine, each with an alert of its own."""
    script = "<script>alert('{}')</script>"
    trial = TRIAL._replace(
        model=script.format("model"), encoder="x\"><svg onload=alert(5)>", loss="{{7*7}}${alert(6)}", weights="<b>w</b>",
        category=script.format("category"), dataset="folder[x=" + script.format("dataset") + "]",
    )  # fmt: skip
    made = outcome(trial, 0.3)
    assert made.evidence is not None
    names = tuple(script.format(f"file {at}") for at in range(len(KINDS)))
    kinds = tuple(
        kind if kind == "good" else script.format(kind) for kind in ("good",) * 6 + ("a", "a", "b", "b", "a", "b")
    )
    record = replace(made.record, machine={script.format("key"): script.format("cpu")}, incomplete=script.format("few"))
    with Store(tmp_path, write=True) as store:
        evidence = replace(made.evidence, paths=names, defects=kinds)
        store.put(replace(made, evidence=evidence, record=record))
        store.put_thumbnails(made.fingerprint, thumbnails(replace(pictures(), paths=names, defects=kinds)))
        store.put(Outcome(trial._replace(seed=1), "error", script.format("reason"), "f00d"))
    out = tmp_path / "report.html"
    done = call("--store", tmp_path, "--out", out, "--title", script.format("title"), "--thresholds", "mean")
    assert done.exit_code == 0, done.output
    view, heard = browser.new_page(), []
    for event in ("console", "dialog", "pageerror"):
        view.on(event, lambda said: heard.append(str(said)))
    view.goto(out.as_uri())
    view.wait_for_selector(".tile")
    view.locator(".tile").first.click()
    text = view.locator("html").inner_text() + view.locator("html").text_content()
    for name in ("model", "category", "dataset", "title", "reason", "cpu", "few"):
        assert script.format(name) in text, name
    assert "<script>alert('file " in view.locator("#enlarged-title").inner_text()
    assert view.locator("script").count() == 2
    assert view.locator("svg[onload]").count() == 0
    view.close()
    assert heard == []


def test_headings_sort_both_ways_and_say_so(opened: Any) -> None:
    view = opened()
    heading = view.locator("#board thead th", has_text="AUROC")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    falling = column(view, 5)
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 2
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(view, 5) == sorted(falling)
    assert view.locator("#board th[aria-sort]").count() == 1
    ranks = view.locator("#board tbody tr:visible:not(.floor) td.rank").all_text_contents()
    assert ranks[0] == "1"
    assert [int(rank) for rank in ranks] == sorted(map(int, ranks))


def test_filters_choose_category_track_threshold_and_method(opened: Any) -> None:
    view = opened()
    visible = view.locator("#board tbody tr:visible")
    assert visible.count() == 4 + 2, "the mean over categories, at the threshold of the paper, and two floors"
    view.locator("#filters select[name=category]").select_option(HOSTILE)
    assert set(visible.evaluate_all("rows => rows.map(row => row.dataset.category)")) == {HOSTILE}
    view.locator("#filters select[name=track]").select_option("test labels: oracle")
    assert set(visible.evaluate_all("rows => rows.map(row => row.dataset.threshold)")) == {"f1_oracle", ""}
    assert "saw test labels" in visible.first.inner_text() + visible.nth(2).inner_text()
    view.locator("#filters input[name=text]").fill("CAE ssim")
    methods = visible.evaluate_all("rows => rows.map(row => row.dataset.method)")
    assert sorted(methods) == ["all anomalous", "all normal", "cae · conv · ssim"]
    assert view.locator("#shown").inner_text() == "1 of 32 rows"


def test_rows_of_several_boards_are_not_numbered_together(opened: Any) -> None:
    view = opened()
    view.locator("#filters select[name=category]").select_option("")
    assert set(view.locator("#board tbody tr:visible td.rank").all_text_contents()) == {""}


def counts(view: Any) -> tuple[int, ...]:
    return tuple(
        int(view.locator(f"#{name}").inner_text())
        for name in ("right-normal", "false-alarms", "misses", "right-abnormal")
    )


def test_the_slider_moves_the_counts_and_a_threshold_gives_exactly_its_verdict(opened: Any, filled: Path) -> None:
    view = opened()
    case, at = with_ties(view), {}
    with Store(filled) as store:
        for verdict in judged(store):
            if f"{verdict.outcome.id} {verdict.pool}" == case:
                at[verdict.threshold] = verdict
    for button, threshold in (("f1_oracle (saw test labels)", "f1_oracle"), ("mean", "mean")):
        view.get_by_role("button", name=button, exact=True).click()
        found = at[threshold].counts
        assert found is not None
        assert counts(view) == (found.right_normal, found.n_normal - found.right_normal, found.n_abnormal - found.right_abnormal, found.right_abnormal)  # fmt: skip
        assert float(view.locator("#balanced").inner_text()) == pytest.approx(found.balanced_accuracy, abs=6e-4)
        assert float(view.locator("#f1").inner_text()) == pytest.approx(found.f1, abs=6e-4)
    slider = view.locator("#limit")
    slider.press("End")
    assert counts(view) == (6, 0, 6, 0), "nothing scores above the highest"
    slider.press("Home")
    assert counts(view) == (0, 6, 0, 6)
    assert "6 false alarms, 0 misses" in slider.get_attribute("aria-valuetext")
    assert view.locator("#limits button[aria-pressed=true]").count() == 0
    before = view.locator("#limit-value").inner_text()
    slider.press("PageUp")
    assert view.locator("#limit-value").inner_text() != before
    assert float(view.locator("#histogram .limit").get_attribute("x1")) > 8


def test_the_most_wrongly_judged_image_comes_first(opened: Any, filled: Path) -> None:
    view = opened()
    case = view.locator("#choice select[name=case]").input_value()
    with Store(filled) as store:
        verdict = next(v for v in judged(store, "mean") if f"{v.outcome.id} {v.pool}" == case)
    assert verdict.outcome.evidence is not None
    evidence = verdict.outcome.evidence
    assert verdict.limit is not None
    margin = (evidence.test["mean"] - verdict.limit) * np.where(evidence.labels, 1, -1)
    shown = view.locator(".tile").evaluate_all("tiles => tiles.map(tile => Number(tile.dataset.at))")
    assert shown == np.argsort(margin, kind="stable").tolist()
    wrong = view.locator(".tile.wrong")
    assert wrong.count() == ((evidence.test["mean"] > verdict.limit) != evidence.labels).sum()
    view.locator("#kinds button", has_text="misses").click()
    assert set(view.locator(".tile .decision").all_text_contents()) <= {"miss"}


def test_an_image_is_enlarged_and_left_by_keyboard_and_focus_returns(opened: Any) -> None:
    view = opened()
    tile = view.locator(".tile").nth(1)
    tile.focus()
    view.keyboard.press("Enter")
    dialog = view.locator("dialog#enlarged")
    assert dialog.is_visible()
    assert view.evaluate("document.getElementById('enlarged').contains(document.activeElement)")
    assert view.locator("#enlarged-pictures figure").count() == 3
    first = view.locator("#enlarged-title").inner_text()
    view.keyboard.press("ArrowRight")
    assert view.locator("#enlarged-title").inner_text() != first
    view.keyboard.press("ArrowLeft")
    assert view.locator("#enlarged-title").inner_text() == first
    view.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert view.evaluate("document.activeElement.dataset.at") == tile.get_attribute("data-at")


def test_the_error_map_lies_over_the_image_where_the_error_is(opened: Any) -> None:
    view = opened()
    view.wait_for_function("document.querySelector('.tile canvas').width === 16")
    alpha = view.evaluate(
        "() => { const c = document.querySelector('.tile canvas'); const d = c.getContext('2d').getImageData(0, 0, 16, 16).data;"
        " return [d[(5 * 16 + 5) * 4 + 3], d[(12 * 16 + 12) * 4 + 3]]; }"
    )
    assert alpha == [255, 0]
    view.locator("#choice input[name=strength]").fill("0")
    assert view.locator(".tile canvas").first.evaluate("canvas => getComputedStyle(canvas).opacity") == "0"
    assert view.locator(".tile svg path").count() == 2 * 6, "an outline for each defective image"
    view.locator("#choice input[name=outlines]").uncheck()
    assert view.locator(".tile svg path").count() == 0


def test_the_roc_curve_encloses_the_auroc(opened: Any, filled: Path) -> None:
    view = opened()
    case = with_ties(view)
    with Store(filled) as store:
        verdict = next(v for v in judged(store, "mean") if f"{v.outcome.id} {v.pool}" == case)
    drawn = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", view.locator("#roc .curve").get_attribute("d")), dtype=float)
    unit = (drawn - drawn[0]) / (drawn[-1] - drawn[0])
    assert np.trapezoid(unit[:, 1], unit[:, 0]) == pytest.approx(verdict.auroc, abs=0.005)
    for chart in ("pr", "training", "time", "critical"):
        assert view.locator(f"#{chart} svg[role=img]").get_attribute("aria-label")
        assert view.locator(f"#{chart} circle, #{chart} .curve").count()


@pytest.fixture
def measured(tmp_path: Path, filled: Path) -> Path:
    """The same store, in which two of the methods have been timed on `tile`, and one of them everywhere."""
    shutil.copytree(filled, tmp_path / "measured")
    with Store(tmp_path / "measured", write=True) as store:
        for out in list(store.outcomes()):
            if out.trial.model == "dae" and out.trial.loss == "mse":
                store.amend(out.id, lambda record: record.with_latencies([LATENCY]))
            if out.trial.model == "cae" and out.trial.category == "tile":
                slower = replace(LATENCY, p50_ms=50.0)
                store.amend(out.id, lambda record, slower=slower: record.with_latencies([slower]))
    return tmp_path / "measured"


LATENCY = Latency("ONNX <b>", "1", 1, 12.34, 13.0, 14.0, 80.0, 90.0, 10, 100, 2, "Some CPU", "Linux")


def test_latency_has_a_column_and_a_picture_only_where_it_was_measured(
    opened: Any, measured: Path, filled: Path
) -> None:
    view = opened()
    assert view.locator("#latency").count() == 0
    assert "latency ms" not in view.locator("#board thead").inner_text()
    view = opened("--thresholds", "mean,f1_oracle", "--store", measured)
    assert "ONNX <b>, 2 threads of Some CPU" in view.locator("figure", has=view.locator("#latency")).inner_text()
    view.locator("#filters select[name=category]").select_option("tile")
    assert sorted(column(view, 9)) == [12.34, 50.0, 50.0]
    assert view.locator("#latency circle").count() == 3
    label = view.locator("#latency svg").get_attribute("aria-label")
    assert "against the milliseconds of a decision, of 3 rows" in label
    heading = view.locator("#board thead th", has_text="latency ms")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending", "less is better"
    assert column(view, 9) == [12.34, 50.0, 50.0]
    assert "balanced" in view.locator("#latency svg").get_attribute("aria-label"), "a cost is not set against itself"
    view.locator("#filters input[name=text]").fill("dae ssim")
    assert view.locator("#latency").inner_text() == "No row here has a latency."


def test_a_row_leads_to_its_images(opened: Any) -> None:
    view = opened()
    view.locator("#filters select[name=category]").select_option("tile")
    view.locator("#board tbody tr:visible button.link", has_text="cae · conv · mse").click()
    assert view.locator("#choice select[name=case] option:checked").inner_text().startswith("cae · conv · mse")
    assert view.locator("#choice select[name=set] option:checked").inner_text() == "tile"
    assert view.evaluate("document.activeElement.id") == "images-title"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_light_and_dark(opened: Any, scheme: str) -> None:
    view = opened()
    view.emulate_media(color_scheme=scheme)

    def luminance(colour: str) -> float:
        red, green, blue = (float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3])
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    ground = luminance(view.locator("body").evaluate("e => getComputedStyle(e).backgroundColor"))
    assert (ground > 0.5) == (scheme == "light")
    for selector in ("body", ".facts", "nav a", ".legend", "#misses", "#right-normal", "abbr"):
        ink = luminance(view.locator(selector).first.evaluate("e => getComputedStyle(e).color"))
        contrast = (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05)
        assert contrast >= 4.5, (selector, contrast)


def test_a_narrow_window_needs_no_sideways_scrolling(opened: Any) -> None:
    view = opened()
    view.set_viewport_size({"width": 400, "height": 800})
    view.reload()
    view.wait_for_selector(".tile")
    view.evaluate(
        "for (const option of document.querySelectorAll('#choice option')) option.textContent += ' and more'.repeat(9)"
    )
    assert view.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize(
    ("low", "high"), [("1", "1.0000000000000004"), ("0.3", "0.30000000000000004"), ("0", "5e-324"), ("1", "1")]
)
def test_an_axis_of_values_that_differ_in_their_last_digits_ends(browser: Any, low: str, high: str) -> None:
    """An AUPRO of 1.0000000000000004 beside one of 1 kept the browser busy for ever."""
    axes = (resources.files("harness.report") / "templates" / "report" / "axes.js").read_text(encoding="utf-8")
    code = axes[axes.index("export function ticks") : axes.index("export function logTicks")].replace("export ", "")
    code = code.replace("found.push(", "if (found.length > 99) throw new Error('endless'); else found.push(")
    view = browser.new_page()
    marks = view.evaluate(f"() => {{ {code}; return ticks({low}, {high}, 5); }}")
    view.close()
    assert len(marks) <= 7
    assert all(math.isfinite(mark) for mark in marks)


def test_a_thousand_rows_are_sorted_and_filtered_at_once(browser: Any, tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        out = tmp_path / "report.html"
        verdicts = []
        thresholds = Registry.discover().choose(_threshold(), "mean")
        for seed in range(200):
            for category in ("tile", "pills", "bottle", "screws", "hazelnut"):
                made = outcome(TRIAL._replace(category=category, model=f"m{seed}"), seed / 500)
                verdicts += judge(made, thresholds)
        out.write_text(page(verdicts, store), encoding="utf-8")
    assert out.stat().st_size < 10e6
    view = browser.new_page()
    view.goto(out.as_uri())
    view.locator("#filters select[name=category]").select_option("")
    assert view.locator("#shown").inner_text() == "1200 of 1200 rows"
    milliseconds = view.evaluate(
        "() => { const start = performance.now(); document.querySelector('[data-column=\"5\"]').click();"
        " document.body.getBoundingClientRect(); return performance.now() - start; }"
    )
    view.close()
    assert milliseconds < 3000, "a few hundred on a machine that has nothing else to do"


def test_the_demo_with_full_sized_test_sets_stays_under_ten_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kinds = ("good",) * 20 + ("crack",) * 63
    names = tuple(map(str, range(83)))
    grain = rng.integers(0, 40, (83, 64, 64, 3), dtype=np.uint8)  # bolder than parts on a table are
    shot = Images(np.repeat(np.repeat(grain, 4, axis=1), 4, axis=2) + 90, names, kinds)
    maps = Maps((rng.random((83, 64, 64)) ** 3 * 31).astype(np.uint8), 1.0)
    kept = thumbnails(shot)
    with Store(tmp_path, write=True) as store:
        for category in ("a", "bb", "ccc", "dddd", "eeeee"):
            for number in range(12):
                made = outcome(TRIAL._replace(category=category, model=f"m{number}"), 0)
                scores = {"mean": rng.random(83)}
                store.put(Outcome(made.trial, "done", "", made.fingerprint, Evidence(scores, scores, kinds, names, maps), made.record))  # fmt: skip
            store.put_thumbnails(made.fingerprint, kept)
        text = page(judged(store), store)
    assert 1e6 < len(text) < 10e6
