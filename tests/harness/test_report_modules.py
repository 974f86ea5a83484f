"""The modules of the report's script, each alone, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness.report.script as bundling
from harness.metrics.guarantees import p_values
from harness.metrics.intervals import wilson
from harness.metrics.significance import mcnemar
from harness.report.script import script

FOLDER = Path(bundling.__file__).parent / "templates" / "report"
MODULES = sorted(FOLDER.glob("*.js"))
_DEFINED = re.compile(r"^(?:export )?(?:async )?(?:function|const|let) (?:\[([^\]]*)\]|(\w+))", flags=re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|const|let) (\w+)", flags=re.MULTILINE)
_IMPORTED = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', flags=re.MULTILINE)


def names_in(found: str) -> set[str]:
    return {name.strip() for name in found.split(",") if name.strip()}


def defined_in(text: str) -> list[str]:
    return [name for several, one in _DEFINED.findall(text) for name in (names_in(several) or {one})]


def test_the_page_has_every_module_once_and_no_two_define_the_same_name() -> None:
    defined = [name for file in MODULES for name in defined_in(file.read_text())]
    assert len(defined) == len(set(defined)), sorted(name for name in set(defined) if defined.count(name) > 1)
    whole = script()
    assert sorted(defined_in(whole)) == sorted(defined), "a module that nobody imports is in no page"
    assert not re.search(r"^(?:import|export)\b", whole, flags=re.MULTILINE)


def test_a_module_names_what_it_takes_from_others_and_takes_nothing_else() -> None:
    exported = {name: file.stem for file in MODULES for name in _EXPORTED.findall(file.read_text())}
    for file in MODULES:
        text = file.read_text()
        imported = {name: source for found, source in _IMPORTED.findall(text) for name in names_in(found)}
        code = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', _IMPORTED.sub("", text))
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", code, flags=re.DOTALL)
        used = {name for name in exported if re.search(rf"(?<![\w.$]){name}\b(?!:)", code)} - set(defined_in(text))
        assert used - imported.keys() - locals_of(code) == set(), file.name
        assert imported == {name: exported[name] for name in imported}, file.name
        unused = {name for name in imported if not re.search(rf"\b{name}\b", code)}
        assert not unused, file.name


def locals_of(code: str) -> set[str]:
    """Names that a function defines for itself."""
    found = set(re.findall(r"\b(?:const|let) (\w+)", code))
    for several in re.findall(r"\b(?:const|let) [\[{]([^\]}]*)[\]}]", code):
        found |= set(re.findall(r"\w+", several))
    for parameters in re.findall(r"function \w*\(([^)]*)\)|\(([^()]*)\) =>|(\w+) =>", code):
        found |= set(re.findall(r"\w+", " ".join(parameters)))
    return found


def test_modules_stay_small() -> None:
    for file in MODULES:
        assert len(file.read_text().splitlines()) <= 150, file.name
        assert file.read_text().startswith("/* "), f"{file.name} says what it holds"
    assert len(script()) < 80_000


@pytest.fixture(scope="module")
def load(browser: Any) -> Iterator[Callable[[str, str], Any]]:
    """Runs JavaScript with a module's exports as `m`, in a page that has nothing else."""

    def answer(route: Any) -> None:
        name = route.request.url.rpartition("/")[2]
        if name:
            route.fulfill(body=(FOLDER / name).read_text(encoding="utf-8"), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>modules</title>", content_type="text/html")

    page = browser.new_page()
    page.route("http://modules.test/**", answer)
    page.goto("http://modules.test/")
    yield lambda name, code: page.evaluate(
        f"async () => {{ const m = await import('http://modules.test/{name}.js'); {code} }}"
    )
    page.close()


def test_figures_are_short_and_scores_have_three_digits(load: Callable[[str, str], Any]) -> None:
    shown = load("elements", "return [0, 1, 0.98765, 1234.5, 1e7, 0.00001, null, NaN].map(m.short)")
    assert shown == ["0", "1", "0.988", "1230", "1.00e+7", "1.00e-5", "\u2013", "\u2013"]
    assert load("elements", "return [0.5, 0.00012, 0].map(m.digits)") == ["0.500", "1.20e-4", "0.00"]
    assert load("elements", "return [m.share(1, 4), m.share(0, 0)]") == ["0.250", "\u2013"]


def test_text_never_becomes_markup(load: Callable[[str, str], Any]) -> None:
    assert load("elements", "return m.element('p', {}, '<b>x</b>').innerHTML") == "&lt;b&gt;x&lt;/b&gt;"
    assert load("elements", "return m.shape('text', {}, '<b>').innerHTML") == "&lt;b&gt;"


def test_ticks_are_round_numbers_inside_the_range(load: Callable[[str, str], Any]) -> None:
    assert load("axes", "return m.ticks(0, 1, 5)") == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert load("axes", "return m.ticks(-3, 17, 4)") == [0, 5, 10, 15]
    assert len(load("axes", "return m.ticks(1, 1 + 1e-15, 5)")) < 20, "values that hardly differ end too"
    assert load("axes", "return m.logTicks(1, 100)") == [1, 3, 10, 30, 100]


def test_a_roc_curve_takes_ties_together(load: Callable[[str, str], Any]) -> None:
    curves = load("roc", "return m.curvesOf([3, 2, 2, 1], [true, true, false, false])")
    assert curves["roc"] == [[0, 0], [0, 0.5], [0.5, 1], [1, 1]]
    assert curves["precision"][0] == [0, 1]
    assert curves["precision"][-1] == [1, 0.5]


def test_images_are_counted_by_what_they_are_and_are_called(load: Callable[[str, str], Any]) -> None:
    counted = load(
        "tally",
        "return m.countsOf([[true, true], [true, false], [false, true], [false, false], [false, false]]"
        ".map(([defective, called]) => ({ defective, called })))",
    )
    assert counted == {"rightNormal": 2, "falseAlarms": 1, "misses": 1, "rightAbnormal": 1}
    assert load("tally", "return m.verdictOn({ defective: true, called: false })") == "miss"


def test_intervals_and_the_paired_test_are_those_of_the_harness(load: Callable[[str, str], Any]) -> None:
    cases = [(0, 12), (12, 12), (3, 40), (1, 2), (0, 0)]
    bounds = load("statistics", f"return {[list(case) for case in cases]}.map(([k, n]) => m.wilson(k, n))")
    assert np.allclose(bounds, [wilson(*case) for case in cases], atol=1e-6)
    for won, lost in ((0, 1), (3, 9), (40, 2), (5, 5), (300, 250)):
        first, second = [True] * won + [False] * lost, [False] * won + [True] * lost
        assert load("statistics", f"return m.mcnemar({won}, {lost})") == pytest.approx(mcnemar(first, second), abs=1e-9)


def test_p_values_are_those_of_the_harness_and_are_explained_in_words(load: Callable[[str, str], Any]) -> None:
    calibration, scores = np.arange(40.0), np.array([-1.0, 20.0, 39.0, 99.0])
    as_high = [40, 20, 1, 0]
    case = {"calibration": 40, "as_high": as_high, "unfitted": True}
    found = load("pvalues", f"return [0, 1, 2, 3].map((at) => m.pOf({json.dumps(case)}, at))")
    assert np.allclose(found, p_values(calibration, scores), atol=1e-12)
    said = load("pvalues", f"return m.pInWords({json.dumps(case)}, 2)")
    assert said.startswith("p 0.049: 1 of the 40 normal images that the limit was set on score as high as this one")
    assert "no more than 0.049 of all" in said
    fitted = {**case, "unfitted": False}
    assert "too small for new ones" in load("pvalues", f"return m.pInWords({json.dumps(fitted)}, 2)")
    assert "never below 0.024" in load("pvalues", f"return m.pExplained({json.dumps(case)})")
    assert "no proof of a defect" in load("pvalues", f"return m.pExplained({json.dumps(case)})")
    assert "promises nothing" in load("pvalues", f"return m.pExplained({json.dumps(fitted)})")
    gone = {"calibration": 0, "as_high": [0], "unfitted": True}
    assert load("pvalues", f"return [m.pOf({json.dumps(gone)}, 0), m.pText(null)]") == [None, ""]


def test_the_front_holds_what_nothing_beats_in_both(load: Callable[[str, str], Any]) -> None:
    points = "[[1, 0.5], [2, 0.9], [3, 0.8], [2, 0.7], [9, 0.95], [0.5, 0.2]].map(([x, y]) => ({ x, y }))"
    front = load("statistics", f"return m.frontOf({points})")
    assert [(one["x"], one["y"]) for one in front] == [(0.5, 0.2), (1, 0.5), (2, 0.9), (9, 0.95)]


def test_names_beside_points_cover_neither_each_other_nor_a_point(load: Callable[[str, str], Any]) -> None:
    rng = np.random.default_rng(0)
    points = [{"x": float(x), "y": float(y), "name": "patchcore · vgg16"} for x, y in rng.uniform(30, 370, (25, 2))]
    placed = load("labels", f"return m.placeLabels({json.dumps(points)}, {{ width: 400, height: 400 }})")
    assert len(placed) > 5
    boxes = []
    for one in placed:
        long = 6.1 * len(one["point"]["name"])
        left = one["x"] - {"start": 0, "middle": long / 2, "end": long}[one["anchor"]]
        boxes.append((left, left + long, one["y"] - 10, one["y"] + 3))
    dots = [(p["x"] - 5, p["x"] + 5, p["y"] - 5, p["y"] + 5) for p in points]
    for at, box in enumerate(boxes):
        for other in (*boxes[:at], *dots):
            assert not (box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3])
    assert load("labels", "return m.fitted('patchcore · effnet, versions 3', 90)").endswith("s 3")


def test_defects_are_counted_by_kind_and_images_once_whatever_the_seeds(load: Callable[[str, str], Any]) -> None:
    sets = "{ a: { defects: ['ok', 'hole', 'hole', 'scratch'], normal: 'ok' } }"
    cases = (
        "[{ one: { set: 'a', title: 'knn', scores: [9, 1, 3, 3] }, limit: 2 },"
        " { one: { set: 'a', title: 'knn', scores: [0, 3, 3, 0] }, limit: 2 }]"
    )
    found = load("counting", f"return m.foundByKind({cases}, {sets})")
    assert found["kinds"] == [{"kind": "hole", "n": 2}, {"kind": "scratch", "n": 1}]
    assert found["rows"] == [{"name": "knn", "found": [0.75, 0.5]}]
    counts = load("counting", "return m.binned([0, 1, 1, 0.5], [false, true, true, false])")
    assert (sum(counts["normal"]), sum(counts["defect"]), counts["defect"][-1]) == (2, 2, 2)


def test_what_two_methods_make_of_the_same_images_is_said_in_words(load: Callable[[str, str], Any]) -> None:
    judged = load(
        "agreement",
        "const set = { names: ['a', 'b'], defects: ['ok', 'hole'], normal: 'ok' };"
        "return m.judgedByBoth(set, [{ scores: [0, 2] }, { scores: [3, 1] }], [1, 2])",
    )
    assert [one["right"] for one in judged] == [[True, False], [True, False]]
    said = load(
        "agreement",
        "const image = (a, b) => ({ right: [a, b] });"
        "return [[image(true, true)], Array(9).fill(image(true, false)), [image(true, false)]].map((images) => m.testInWords(images, ['knn', 'dae']))",
    )
    assert said[0] == "knn and dae judge each of these 1 images alike."
    assert "9 are judged rightly by knn alone and 0 by dae alone" in said[1]
    assert "p = 0.004), more than chance: knn judges more of them rightly" in said[1]
    assert "1 is judged rightly by knn alone" in said[2]
    assert "which may be chance" in said[2]


def test_equal_values_share_a_number(load: Callable[[str, str], Any]) -> None:
    assert load("ranks", "return m.numbersOf([0.9, null, 0.8, 0.8, 0.7])") == [1, "", 2, 2, 4]
