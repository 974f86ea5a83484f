"""A certificate says how far a kept model can be trusted, comes out again, and refuses what it cannot rest on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness.api import Images
from harness.certifying.asked import Asked
from harness.certifying.certificate import Certificate, canonical, digest_of
from harness.certifying.checking import compared
from harness.certifying.photos import _joined
from harness.commands import main
from harness.trials import saved_model

PLUGIN = Path(__file__).parents[1] / "plugin_files" / "dots.py"
LITTLE = (
    *(
        "--sizes",
        "0.1,0.2,0.4",
        "--contrasts",
        "0.06,0.8",
        "--defects",
        "spot,crack",
        "--corruptions",
        "brightness,noise",
    ),
    *("--most", "6", "--quiet", "--plugin", PLUGIN),
)


def photo(seed: int, *, bad: bool = False) -> Image.Image:
    """A light disc before a dark ground; a bad one has a dark hole."""
    random = np.random.default_rng(seed)
    y, x = np.ogrid[:32, :32]
    part = np.hypot(y - 16, x - 16) < 12
    pixels = np.where(part[..., None], 180, 20) + random.normal(0, 4, (32, 32, 3))
    if bad:
        pixels[12:20, 12:20] = 40
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def photos(folder: Path, good: range, bad: int = 0) -> Path:
    for kind, seeds in (("good", good), ("bad", range(bad))):
        for seed in seeds:
            (folder / kind).mkdir(parents=True, exist_ok=True)
            photo(seed + 5000 * (kind == "bad"), bad=kind == "bad").save(folder / kind / f"{seed}.png")
    return folder


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that a model was fitted to, and others with some of these among them."""
    folder = tmp_path_factory.mktemp("certified")
    photos(folder / "line", range(30))
    photos(folder / "more", range(25, 42), bad=5)
    photos(folder / "only_good", range(100, 112))
    for at, file in enumerate(sorted((photos(folder / "today", range(200, 215)) / "good").iterdir())):
        darker = np.asarray(Image.open(file)).astype(float) * (0.9 - 0.002 * at)
        Image.fromarray(darker.astype(np.uint8)).save(file)
    done = call(
        "run", "--dataset", "photos", "--data-root", folder / "line", "--models", "mean_image", "--plugin", PLUGIN, "--image-size", 32,
        "--calibrate", "crossfit", "--thresholds", "conformal[alpha=0.05]", "--pools", "max", "--keep-models", "--no-floors",
        "--jobs", 1, "--quiet", "--store", folder / "runs",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (kept,) = (folder / "runs" / "models").iterdir()
    kept.rename(folder / "model")
    return folder


@pytest.fixture(scope="module")
def answered(place: Path) -> Iterator[tuple[Path, Result]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield place, call("certify", "model", "--images", "more", "--today", "today", "--engines", "torch", *LITTLE)


@pytest.fixture
def certificate(answered: tuple[Path, Result]) -> dict[str, Any]:
    assert answered[1].exit_code == 0, answered[1].output
    found: dict[str, Any] = json.loads((answered[0] / "certificate.json").read_text(encoding="utf-8"))
    return found


def test_the_screen_says_what_is_found_what_breaks_it_what_is_promised_and_what_it_costs(
    answered: tuple[Path, Result],
) -> None:
    _, result = answered
    assert result.exit_code == 0, result.output
    heading, *lines = result.stdout.splitlines()
    assert heading == "mean_image (line), judged by 12 good photos that it had never seen"
    said = {line[:19].strip(): line[19:] for line in lines}
    assert "10 % or less (10 or less to " in said["spot"]
    assert said["spot"].index("at contrast 0.8") < said["spot"].index("at contrast 0.06")
    assert "false alarms from" in said["brightness"]
    assert "% brighter or darker (" in said["brightness"]
    assert " of 12 good parts, at most " in said["false alarms"]
    assert "by its 30 calibration photos the limit (conformal) promises" in said["false alarms"]
    assert said["misses"] == "0 of 5 bad parts, at most 45 % with 95 % confidence"
    assert "calibration and unseen photos: no difference shown" in said["one distribution"]
    assert "calibration and today's photos differ (p = " in said["one distribution"]
    assert said["photos"] == "5 that the model knows were left out"
    assert "torch: model 'mean_image' cannot be packed" in said["cost"]
    assert said["written"] == (
        "certificate.json and certificate.html; computed again by:  harness certify --check certificate.json"
    )


def test_larger_and_plainer_defects_are_found_more_often(certificate: dict[str, Any]) -> None:
    rungs = {(one["defect"], one["contrast"]): one for one in certificate["found"]["smallest"]}
    assert set(rungs) == {(kind, contrast) for kind in ("spot", "crack") for contrast in (0.06, 0.8)}
    for kind in ("spot", "crack"):
        assert sum(rungs[kind, 0.8]["found"]) >= sum(rungs[kind, 0.06]["found"])
    plain = rungs["spot", 0.8]
    assert plain["found"][-1] == plain["of"] == 6
    assert plain["curve"]["size"] <= 0.4


def test_the_rates_without_a_change_are_those_of_the_detector_and_grow_with_severity(
    certificate: dict[str, Any],
) -> None:
    breaks = certificate["found"]["breaks"]
    assert breaks["bad_are"] == "real"
    for one in breaks["corruptions"]:
        assert len(one["false_alarms"]) == len(one["misses"]) == 6
        assert one["misses"][0] == 0
        assert one["misses"][1] <= 1, "the slightest change hides no hole"
        doubled = one["false_alarms_double"]
        assert doubled is not None
        assert doubled["after"] == one["false_alarms"][doubled["severity"]] >= 2
        assert all(count < 2 * max(1, one["false_alarms"][0]) for count in one["false_alarms"][: doubled["severity"]])
        assert doubled["amount"] == one["amounts"][doubled["severity"] - 1]


def test_the_guarantee_counts_what_predict_decides(certificate: dict[str, Any], place: Path) -> None:
    held = certificate["found"]["guarantee"]
    loaded = harness.load(place / "model", plugins=[PLUGIN])
    judged = loaded.predict([place / "more" / "good" / f"{seed}.png" for seed in range(30, 42)])
    assert held["false_alarms"]["wrong"] == sum(one.decision == "anomalous" for one in judged)
    assert held["limit"] == loaded.limit
    assert held["scores"]["unseen"] == pytest.approx(sorted(one.score for one in judged), rel=1e-5)
    assert held["promised"] == pytest.approx((held["above"] + 1) / 31)
    assert held["promised_at_most"] == pytest.approx(harness.at_most(held["above"], 30))


def test_the_json_is_canonical_and_holds_hashes_of_all_it_rests_on(certificate: dict[str, Any], place: Path) -> None:
    text = (place / "certificate.json").read_text(encoding="utf-8")
    assert text == canonical(certificate) + "\n"
    assert certificate.pop("digest") == digest_of(certificate)
    assert {name for name, value in certificate["hashes"].items() if len(value) == 64} == {
        *("images", "today", "model", "weights", "code", "machine")
    }


def test_a_certificate_comes_out_again_and_an_altered_one_is_refused(certificate: dict[str, Any], place: Path) -> None:
    again = call("certify", "--check", "certificate.json", "--quiet", "--plugin", PLUGIN)
    assert (again.exit_code, again.stdout) == (
        0,
        "equal: every finding came out again\nphotos, model, weights, code and machine are what they were\n",
    )
    better = json.loads(json.dumps(certificate))
    better["found"]["guarantee"]["false_alarms"]["of"] = 1000
    Path("altered.json").write_text(canonical(better), encoding="utf-8")
    refused = call("certify", "--check", "altered.json", "--plugin", PLUGIN)
    assert refused.exit_code == 2
    assert "altered.json was altered after it was written: its digest is another" in refused.stderr


def test_a_forged_certificate_and_other_photos_are_told_by_name(certificate: dict[str, Any], place: Path) -> None:
    forged = json.loads(json.dumps(certificate))
    forged.pop("digest")
    forged["found"]["breaks"]["corruptions"][0]["false_alarms"][5] = 0
    Path("forged.json").write_text(canonical({**forged, "digest": digest_of(forged)}), encoding="utf-8")
    done = call("certify", "--check", "forged.json", "--quiet", "--plugin", PLUGIN)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[:2] == [
        "differs",
        f"breaks.corruptions[0].false_alarms[5] was 0, is {certificate['found']['breaks']['corruptions'][0]['false_alarms'][5]}",
    ]
    other = call("certify", "--check", "certificate.json", "--images", "only_good", "--quiet", "--plugin", PLUGIN)
    assert other.exit_code == 1
    assert other.stdout.splitlines()[-1] == "not what they were: images"


@pytest.mark.parametrize(("differing", "more"), [(5, []), (6, ["and 1 more"]), (8, ["and 3 more"])])
def test_differences_are_told_by_name_with_both_values_five_at_most(differing: int, more: list[str]) -> None:
    def made(value: int, weights: str) -> Certificate:
        found = {f"n{at}": {"counts": [1, value]} for at in range(differing)}
        return Certificate(Asked("model", "photos"), {"weights": weights, "code": "c"}, found, {})

    told = compared(made(2, "a"), made(3, "b"))
    assert list(told.differences) == [f"n{at}.counts[1] was 2, is 3" for at in range(5)] + more
    assert (told.equal, told.changed) == (False, ("weights",))
    assert compared(made(2, "a"), made(2, "a")).equal


def test_scores_may_differ_in_their_last_digits_and_counts_may_not() -> None:
    def made(score: object) -> Certificate:
        return Certificate(Asked("model", "photos"), {}, {"score": score}, {})

    assert compared(made(1.0), made(1.00009)).equal
    assert not compared(made(1.0), made(1.0003)).equal
    assert not compared(made(1), made(1.0)).equal
    assert not compared(made(1.0), made(True)).equal


def test_asked_for_nothing_else_it_paints_twenty_photos_in_eight_sizes_and_three_contrasts() -> None:
    asked = Asked.of("model", "photos")
    assert (len(asked.sizes), asked.contrasts, asked.most) == (8, (0.1, 0.25, 0.5), 20)
    assert (asked.today, asked.seed, asked.repetitions) == ("", 0, 100)
    assert asked.defects == asked.corruptions == asked.engines == ("all",)


def test_photos_of_equal_names_stay_apart() -> None:
    def some(*names: str) -> Images:
        return Images(np.zeros((len(names), 2, 2, 3), np.uint8), names)

    assert _joined([some("a", "b"), some(), some("c")]).paths == ("a", "b", "c")
    assert _joined([some("a", "b"), some("b")]).paths == ("0:a", "1:b", "2:b")


def test_without_bad_photos_misses_are_counted_on_painted_defects_and_python_gives_the_same(place: Path) -> None:
    found = harness.certify(
        place / "model", place / "only_good", sizes=(0.1, 0.4), contrasts=[0.8], defects="spot", corruptions=["noise"],
        most=5, engines=(), quiet=True, plugins=[PLUGIN],
    )  # fmt: skip
    assert found.found["breaks"]["bad_are"] == "painted"
    assert found.found["guarantee"]["misses"] is None
    assert "no bad photos were given" in str(found)
    page = found.write(place / "python.json")
    assert page.name == "python.html"
    again = harness.open_certificate(place / "python.json", plugins=(PLUGIN,))
    assert again.found == found.found
    assert again.check().equal


def test_a_model_of_an_older_harness_is_judged_by_the_test_photos_of_its_own_data_or_told_not_to_know(
    place: Path, tmp_path: Path
) -> None:
    saved = saved_model.read(place / "model")
    assert len(saved.known) == 30
    older = _changed(place / "model", tmp_path / "older", lambda said: said.pop("known"))
    assert saved_model.read(older).known == frozenset()
    refused = call("certify", older, "--images", place / "line", *LITTLE)
    assert refused.exit_code == 2
    assert "all 30 normal photos in" in refused.stderr
    done = call(
        "certify", older, "--images", place / "only_good", "--engines", "none", "--out", tmp_path / "c.json", *LITTLE
    )
    assert done.exit_code == 0, done.output
    assert "does not say which photos it knows: all are taken for new to it" in done.stdout


def _changed(model: Path, to: Path, change: Any) -> Path:
    shutil.copytree(model, to)
    said = json.loads((to / "model.json").read_text())
    said.pop("digest")
    change(said)
    (to / "model.json").write_text(json.dumps({**said, "digest": saved_model._digest(said)}))
    return to


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model",), "expected a model and --images FOLDER, or --check FILE"),
        (("model", "--images", "nowhere"), "no folder nowhere: expected a folder with good/ and bad/"),
        (("model", "--images", "line"), "all 30 normal photos in line were used to fit the model or to set its limit"),
        (("model", "--images", "few"), "few holds 2 normal photos: a certificate takes at least 4, so add 2"),
        (
            ("model", "--images", "more", "--today", "few"),
            "few holds 2 photos of today: a certificate takes at least 4",
        ),
        (("model", "--images", "more", "--corruptions", "fogg"), "no corruption 'fogg'. Available: brightness,"),
        (("model", "--images", "more", "--defects", "spott"), "no defect 'spott'. Did you mean 'spot'?"),
        (("model", "--images", "more", "--engines", "torhc"), "no engine 'torhc'. Did you mean 'torch'?"),
        (("model", "--images", "more", "--sizes", "0.1"), "sizes is '0.1': expected numbers from 0.001 to 1, two"),
        (("model", "--images", "more", "--contrasts", "2"), "contrasts is '2': expected a number from 0.001 to 1"),
        (("model", "--images", "more", "--most", "3"), "most is '3': expected a whole number from 4 to 10000"),
        (("model", "--images", "all_odd"), "0 of 6 normal photos that the model never saw are called normal"),
        (("mode", "--images", "more"), "no model 'mode'"),
        (("--check", "nothing.json"), "no certificate nothing.json: expected what `harness certify` wrote"),
        (("--check", "no.json"), "no.json is no certificate: expected what `harness certify` wrote as JSON"),
        (("--check", "certificate.json", "--seed", "4"), "--seed: a certificate is computed again as it was"),
        (("gone", "--images", "more"), "the model holds no calibration scores of pool 'max'"),
        (("unlimited", "--images", "more"), "describes no model: limit is None, expected"),
    ],
)
def test_what_it_cannot_rest_on_is_one_clear_line(
    answered: tuple[Path, Result], words: tuple[str, ...], said: str
) -> None:
    place, _ = answered
    if not (place / "few").exists():
        photos(place / "few", range(300, 302))
        for seed in range(6):
            photo(seed, bad=True).save(
                (place / "all_odd" / "good").mkdir(parents=True, exist_ok=True)
                or place / "all_odd" / "good" / f"{seed}.png"
            )
        (place / "no.json").write_text("[1, 2]")
        _changed(place / "model", place / "gone", lambda said: said["calibration"].update(max=[]))
        _changed(place / "model", place / "unlimited", lambda said: said.update(limit=None))
    result = call("certify", *words, "--plugin", PLUGIN)
    assert result.exit_code == 2
    (line,) = (one for one in result.stderr.splitlines() if said in one)
    assert line.startswith("harness: ")
    assert "smallest defect" not in result.stderr, "it is said before minutes have passed"
    assert result.stdout == ""
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("given", "said"), [({"seed": -1}, "seed is -1"), ({"most": True}, "most is True"), ({"size": 3}, "no setting of a certificate 'size'"), ({"sizes": []}, "sizes is")])  # fmt: skip
def test_python_is_told_of_wrong_values_as_well(given: dict[str, Any], said: str) -> None:
    with pytest.raises(harness.UsageError, match=said):
        Asked.of("model", "images", **given)


BROKEN = """
from dataclasses import dataclass
from harness import Corruption, Defect, hookimpl

@dataclass
class Tears(Defect):
    name = "tears"
    size: float = 0.1
    contrast: float = 0.5

    def paint(self, pixels, part, random):
        raise RuntimeError("no <b>paint</b> left")

@dataclass
class Cuts(Corruption):
    name = "cuts"
    severity: int = 3

    def apply(self, pixels, random):
        return pixels[1:]

@hookimpl
def harness_defects(): return [Tears]

@hookimpl
def harness_corruptions(): return [Cuts]
"""


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"defects": "tears"}, "defect 'tears' cannot be painted: RuntimeError: no <b>paint</b> left"),
        ({"corruptions": "cuts"}, "corruption 'cuts' gave .* expected a photo of \\(32, 32, 3\\), uint8"),
    ],
)
def test_a_plugin_that_fails_is_named(place: Path, tmp_path: Path, asked: dict[str, str], said: str) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    usual = {"defects": "spot", "corruptions": "noise", "sizes": (0.1, 0.2), "contrasts": 0.5, "most": 4, "engines": ()}
    with pytest.raises(harness.TrainingError, match=said):
        harness.certify(place / "model", place / "more", quiet=True, plugins=[PLUGIN, tmp_path / "broken.py"], **{**usual, **asked})  # fmt: skip


@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_opens_in_a_browser_at_desktop_and_phone_width_and_asks_for_nothing(
    answered: tuple[Path, Result], browser: Any, width: int
) -> None:
    place, _ = answered
    heard: list[str] = []
    view = browser.new_page(viewport={"width": width, "height": 900})
    view.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    view.on("pageerror", lambda error: heard.append(f"error: {error}"))
    view.on("request", lambda asked: heard.append(asked.url) if not asked.url.startswith("file:") else None)
    view.goto((place / "certificate.html").as_uri())
    assert view.locator("h1").inner_text() == "How far to trust mean_image"
    assert view.evaluate("document.documentElement.scrollWidth") <= width, "nothing lies beside the screen"
    assert view.locator(".panels figure").count() == 2
    drawn = view.locator(".panels svg[role=img]").first.bounding_box()
    assert 250 < drawn["width"] < width
    key = view.locator(".panels svg.key").first.bounding_box()
    assert key["width"] < 40
    assert view.locator(".breaks tbody tr").count() == 4
    assert view.locator(".notice").first.inner_text().startswith("Scores of calibration and today photos differ")
    for region in view.locator(".breaks").all():
        assert region.bounding_box()["width"] <= width
    axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not here: pip install '.[test]'")
    view.evaluate((files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    found = view.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []
    view.close()
    assert heard == []


def test_the_page_has_a_strict_policy_and_no_address(answered: tuple[Path, Result]) -> None:
    place, _ = answered
    page = (place / "certificate.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[\w+/=]+'", unescape(policy))
    assert "script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert " style=" not in page
