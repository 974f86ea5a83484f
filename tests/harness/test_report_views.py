"""The views of the report as people see them: axe-core, pictures kept in tests/golden/views, phones, saving and print."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from harness import Images, Threshold
from harness.metrics.guarantees import p_values
from harness.plugin.registry import Registry
from harness.report.html import page as page_of
from harness.trials.latencies import Latency
from harness.trials.pictures import Maps, thumbnails
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge

GOLDEN = Path(__file__).parent.parent / "golden" / "views"
KINDS = ("good",) * 10 + ("crack",) * 6 + ("hole",) * 4
NAMES = tuple(f"{at:02}.png" for at in range(len(KINDS)))
LITE0 = "timm[name=tf_efficientnet_lite0.in1k]"
METHODS = (
    ("patchcore", LITE0, "-"),
    ("knn", LITE0, "-"),
    ("knn[features=pooled]", LITE0, "-"),
    ("dae", "conv", "ssim"),
)
FAR = 0.055
"""How far a view may lie from its golden picture: the root of the mean square, of pixels from 0 to 1 that were blurred."""


def outcome(number: int, category: str) -> Outcome:
    model, encoder, loss = METHODS[number]
    trial = Trial("folder", category, model, encoder, loss, 0, 64, 3, 32, 1e-4, 0.2, "fp32", "pretrained")
    rng = np.random.default_rng([number, len(category)])
    strength = (4.0, 3.6, 2.0, 0.6)[number]
    test = rng.normal(size=20) + strength * np.array([kind != "good" for kind in KINDS])
    maps = np.zeros((20, 16, 16), np.uint8)
    maps[:, 4:8, 4:8] = 31
    evidence = Evidence({"max": rng.normal(size=40)}, {"max": test}, KINDS, NAMES, Maps(maps, 2.0))
    latency = Latency(
        "ONNX Runtime", "1", 1, 9.0 * number + 4, 9, 9, 80.0, 60.0 + 30 * number, 10, 100, 2, "CPU", "Linux"
    )
    record = Record(
        fit_seconds=3.0 * (number + 1),
        default_pool="max",
        loss_history=(0.5, 0.3, 0.2) if loss != "-" else (),
        calibrated_on="holdout",
        latency=(latency,),
        versions={"torch": "2"},
        finished_at="2026-01-02T03:04:05+00:00",
    )
    return Outcome(trial, "done", "", f"f00d{len(category):04}", evidence, record)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    pixels = np.full((20, 32, 32, 3), 120, np.uint8)
    masks = np.zeros((20, 32, 32), np.uint8)
    masks[10:, 8:16, 8:16] = 1
    judges = Registry.discover().choose(Threshold, "conformal,mean")
    with Store(folder, write=True) as store:
        for category in ("tile", "bottle"):
            for number in range(len(METHODS)):
                store.put(made := outcome(number, category))
            store.put_thumbnails(made.fingerprint, thumbnails(Images(pixels, NAMES, KINDS, masks)))
        verdicts = [verdict for one in store.outcomes() for verdict in judge(one, judges)]
        text = page_of(verdicts, store)
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module", params=[(1440, "light"), (768, "dark"), (390, "light"), (390, "dark")], ids=lambda one: f"{one[0]}-{one[1]}")  # fmt: skip
def view(request: pytest.FixtureRequest, browser: Any, report: Path) -> Iterator[Any]:
    width, scheme = request.param
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(report.as_uri())
    opened.wait_for_selector(".tile")
    yield opened
    opened.close()
    assert wrong == []


def test_the_first_screen_names_the_method_and_how_often_it_is_wrong(view: Any) -> None:
    use = view.locator(".answer .use")
    assert use.inner_text().startswith("Use patchcore · effnet_lite0 with the limit conformal")
    assert use.locator("strong").get_attribute("title") == f"patchcore + {LITE0}"
    assert view.locator(".answer").bounding_box()["y"] < 900
    assert view.locator("#filters select[name=threshold]").input_value() == "conformal"
    assert "patchcore · effnet_lite0" in view.locator("#looking").inner_text()
    assert view.locator("#limits button[aria-pressed=true]").inner_text() == "conformal"


def test_each_image_has_its_p_value_and_the_page_says_what_it_means(view: Any) -> None:
    shown = {float(text.removeprefix("p ")) for text in view.locator(".tile .p").all_inner_texts()}
    calibration = outcome(0, view.locator("#looking").inner_text().partition(" ")[0]).evidence
    assert calibration is not None
    expected = p_values(calibration.normal["max"], calibration.test["max"])
    assert shown == {round(float(one), 3) for one in expected}
    assert "no proof of a defect" in view.locator("#p-note").inner_text()
    view.locator(".tile").first.click()
    assert "of the 40 normal images that the limit was set on" in view.locator("#enlarged-p").inner_text()
    view.keyboard.press("Escape")


def test_axe_finds_nothing_and_nothing_needs_sideways_scrolling(view: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not here: pip install '.[test]'")
    view.evaluate((files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    again = (view.viewport_size["width"], view.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")) == (
        390,
        True,
    )
    rules = ", runOnly: ['color-contrast']" if again else ""  # the light page of this width is held to the others
    for step, part in (("() => undefined", "document"), ("() => document.querySelector('.tile').click()", "'dialog'")):
        view.evaluate(step)
        found = view.evaluate(f"axe.run({part}, {{ resultTypes: ['violations']{rules} }})")["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []
    view.keyboard.press("Escape")
    assert view.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_thumb_can_hit_everything_on_a_phone(view: Any) -> None:
    small = view.evaluate(
        "[...document.querySelectorAll('a, button, select, input:not([type=checkbox]), summary')]"
        ".filter((one) => one.checkVisibility() && one.getBoundingClientRect().width)"
        ".filter((one) => { const box = one.getBoundingClientRect(); return box.height < 43.5 || box.width < 43.5; })"
        ".map((one) => one.outerHTML.slice(0, 100))"
    )
    assert not small or view.viewport_size["width"] > 640
    cards = view.locator("#board tbody tr:visible").first.locator("td.key:visible")
    assert cards.count() == 3, "false alarms, misses and what ranks"
    if view.viewport_size["width"] <= 640:
        assert view.locator("#board tbody tr:visible").first.locator("td:visible").count() == 4, "and the rank"


def test_names_in_pictures_can_be_told_apart_and_have_one_size(view: Any) -> None:
    sizes = view.evaluate(
        "[...document.querySelectorAll('.chart svg')].filter((one) => one.getBoundingClientRect().width)"
        ".map((one) => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"
    )
    assert len(sizes) > 6
    assert np.allclose(sizes, 1, atol=0.02), "what is drawn is drawn in its own size, whatever else is on the page"
    named = view.locator("#critical text.strong").all_text_contents()
    assert not named or len(set(named)) == len(named)


def test_two_methods_are_seen_on_the_same_images(view: Any) -> None:
    assert view.locator("#pair-choice select[name=first] option:checked").inner_text() == "patchcore · effnet_lite0"
    said = view.locator("#pair-test").inner_text()
    assert "patchcore · effnet_lite0" in said
    counts = [int(text.split()[-1]) for text in view.locator("#pair-kinds button").all_text_contents()]
    assert sum(counts) == len(KINDS)
    view.locator("#pair-choice select[name=second]").select_option(label="dae · conv · ssim")
    assert "McNemar" in view.locator("#pair-test").inner_text()
    view.locator("#pair-kinds button", has_text="only the first").click()
    assert view.locator("#pair-gallery .pair").count() > 0
    assert view.locator("#pair-gallery .pair").first.locator("canvas").count() == 2


@pytest.mark.parametrize("name", ["answer", "leaderboard", "pair"])
def test_a_view_looks_like_its_golden_picture(view: Any, name: str, tmp_path: Path) -> None:
    if shutil.which("fc-match"):
        font = subprocess.run(["fc-match", "sans-serif"], check=False, capture_output=True, text=True).stdout.strip()
        if "DejaVu" not in font:
            pytest.skip(f"the golden pictures were drawn with DejaVu Sans, and text is drawn with {font} here")
    """Letters differ between machines, and so does the last pixel: pictures are compared small and blurred."""
    scheme = "dark" if view.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    file = GOLDEN / f"{name}-{view.viewport_size['width']}-{scheme}.png"
    view.reload()  # as nobody has touched it
    view.wait_for_selector(".tile")
    view.mouse.move(0, 0)
    shot = tmp_path / "view.png"
    view.locator(f"#{name}").screenshot(path=shot)
    with Image.open(shot) as opened:
        seen = opened.convert("RGB").reduce(6)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.parent.mkdir(exist_ok=True)
        seen.quantize(32).save(file, optimize=True)
    with Image.open(file) as opened:
        golden = opened.convert("RGB")
    assert seen.size[1] == pytest.approx(golden.size[1], rel=0.08), "as high as it was"
    assert distance(seen, golden) < FAR, f"{file.name} differs: look at it, then UPDATE_GOLDEN=1 pytest writes it anew"


def distance(one: Image.Image, other: Image.Image) -> float:
    a, b = (
        np.asarray(image.resize((80, 160)).filter(ImageFilter.GaussianBlur(1.5)), float) / 255 for image in (one, other)
    )
    return float(np.sqrt(np.mean((a - b) ** 2)))


@pytest.mark.parametrize(("theme", "start"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_a_picture_is_saved_with_its_caption(
    browser: Any, report: Path, tmp_path: Path, theme: str, start: bytes
) -> None:
    opened = browser.new_page(viewport={"width": 1000, "height": 800})
    opened.goto(report.as_uri())
    opened.wait_for_selector(".tile")
    with opened.expect_download() as download:
        opened.get_by_role("button", name=f"Save Time against accuracy as {theme}").click()
    download.value.save_as(tmp_path / "picture")
    opened.close()
    written = (tmp_path / "picture").read_bytes()
    assert download.value.suggested_filename == f"time-against-accuracy.{theme.lower()}"
    assert written.startswith(start)
    if theme == "SVG":
        text = written.decode()
        assert "Time against accuracy of the rows above" in text
        assert "knn · effnet_lite0" in text
        assert "class=" not in text
        assert "var(" not in text
    else:
        assert len(written) > 5000


def test_on_paper_there_are_neither_buttons_nor_filters(browser: Any, report: Path) -> None:
    opened = browser.new_page(viewport={"width": 1000, "height": 800})
    opened.goto(report.as_uri())
    opened.wait_for_selector(".tile")
    opened.emulate_media(media="print")
    assert opened.locator(".filters:visible, .save:visible, #limit:visible, .look:visible").count() == 0
    assert opened.locator(".answer .use").is_visible()
    assert len(opened.pdf()) > 10_000
    opened.close()
