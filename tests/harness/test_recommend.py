"""From a folder of photos to a detector: what people have, what they get, and what is said where it is too little."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness.api import Images, Model
from harness.commands import main
from harness.plugin.registry import Registry
from harness.recommending import answering
from harness.recommending import detectors as trying
from harness.recommending import trying as tries
from harness.recommending.detectors import FROZEN, TRAINED
from harness.recommending.fewer import of_large_photos, with_fewer_photos
from harness.recommending.photos import photos_in
from harness.recommending.two_groups import two_groups
from harness.report.recommendation import Few
from harness.trials.chosen import Chosen
from harness.trials.saved_model import _digest, read

SIZE = ("--image-size", "32")


@pytest.fixture(autouse=True, scope="module")
def _few_cheap_detectors() -> Iterator[None]:
    """Random features at 32 px: the way is the same, and takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trying, "FROZEN", ("gaussian", "knn"))
        patch.setattr(trying, "TRAINED", ())
        patch.setattr(answering, "backbone_at_hand", lambda *_: (None, "none are wanted here"))
        yield


def photo(seed: int, *, bad: bool = False) -> Image.Image:
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 120, (32, 32, 3), np.uint8)
    if bad:
        pixels[10:22, 10:22] = 255
    return Image.fromarray(pixels)


def photos(folder: Path, good: int, bad: Mapping[str, int], name: str = "good", bad_name: str = "bad") -> Path:
    for kind, n in {"": good, **bad}.items():
        place = folder / bad_name / kind if kind else folder / name
        place.mkdir(parents=True, exist_ok=True)
        for at in range(n):
            photo(1000 * len(kind) + at, bad=bool(kind)).save(place / f"{at}.png")
    return folder


def recommend(*words: object) -> Result:
    return CliRunner().invoke(main, ["recommend", *map(str, words), *SIZE])


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    place = tmp_path_factory.mktemp("line")
    photos(place / "parts", 24, {"scratch": 5, "dent": 4}, name="OK", bad_name="NG")
    (place / "parts" / "OK" / "broken.jpg").write_bytes(b"\xff\xd8no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return place, recommend("parts", "--minutes", 1000, "--defect-rate", "0.2%")


def test_the_answer_is_one_screen_in_words_of_the_line(answered: tuple[Path, Result]) -> None:
    _, result = answered
    assert result.exit_code == 0, result.output
    first, *lines = result.stdout.splitlines()
    assert " on random features (" in first
    assert first.endswith("limit from 24 good images, each scored by a model that had not seen it")
    said = {line[:15].strip(): line[15:] for line in lines}
    assert " of 24 good parts" in said["false alarms"]
    assert "with 95 % confidence; to show at most 1 % collect" in said["false alarms"]
    assert "0 of 9 bad parts   at most 28 %; found: dent 4 of 4, scratch 5 of 5" in said["misses"]
    assert "of 10,000 parts a day 20 are defective" in said["a day"]
    assert "1 photo cannot be read and is left out. (OK/broken.jpg)" in said["photos"]
    assert "random, which is much weaker" in said["weights"]
    assert "harness predict runs/models/recommended PHOTOS" in said["kept as"]
    assert said["next"].endswith("harness certify runs/models/recommended --images MORE")
    assert "of new good parts" in said["limit"]
    assert said["fewer photos"] == (
        "AUROC 1.000 with 3, 1.000 with 6, 1.000 with 12 (means of 3 draws), 1.000 with all 24: 3 would tell bad parts "
        "as well, and more photos only make the limit surer"
    )
    assert "large photos" not in said


def test_photos_much_larger_than_they_are_read_are_said_with_the_command_that_tries_tiles(tmp_path: Path) -> None:
    place = photos(tmp_path / "parts", 4, {"dent": 1})
    registry = Registry.discover()
    (found, *_) = trying.detectors(registry, None)
    best = tries.Try(found)
    told = of_large_photos(best, photos_in(registry, place, 8), 8)
    assert told.startswith("photos of up to 32 pixels are read at 8, where 4 of theirs are one: ")
    words = shlex.split(told.partition(":  ")[2])
    assert words[:2] == ["harness", "run"]
    assert words[-2:] == ["--tiles", "none,8"]
    assert of_large_photos(best, photos_in(registry, place, 32), 32) == ""


def test_fewer_photos_are_not_tried_without_time_or_bad_photos_and_the_former_is_said(tmp_path: Path) -> None:
    registry, said = Registry.discover(), list[str]()
    best = tries.Try(next(iter(trying.detectors(registry, None))), seconds=1)
    found = photos_in(registry, photos(tmp_path / "parts", 16, {"dent": 1}), 32)
    assert with_fewer_photos(best, found, {}, 0, said.append) == ()
    assert said == [
        "whether fewer good photos would do: gaussian on random features fitted to 2, 4, 8 of 16",
        "no time was left to fit 2",
    ]
    only_good = photos_in(registry, photos(tmp_path / "good", 16, {}), 32)
    assert with_fewer_photos(best, only_good, {}, 0, said.append) == ()
    assert len(said) == 2


def test_the_kept_model_decides_at_the_recommended_limit(answered: tuple[Path, Result]) -> None:
    place, _ = answered
    model = read(place / "runs" / "models" / "recommended")
    assert model.trial.calibrate == model.calibrated_on == "crossfit"
    loaded = harness.load(place / "runs" / "models" / "recommended")
    judged = loaded.predict(place / "parts" / "NG")
    assert {one.decision for one in judged} == {"anomalous"}
    assert max(one.p_value for one in judged) == pytest.approx(1 / 25)


def test_the_printed_command_makes_the_same_model_with_the_same_limit(
    answered: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, result = answered
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("made again"))
    words = shlex.split(line.removeprefix("made again"))
    monkeypatch.chdir(place)
    done = CliRunner().invoke(main, [*words[1:], "--store", "again"])
    assert done.exit_code == 0, done.output
    (again,) = (place / "again" / "models").iterdir()
    one, other = (read(folder) for folder in (again, place / "runs" / "models" / "recommended"))
    assert (one.limit, one.id, one.weights_hash) == (other.limit, other.id, other.weights_hash)


def test_the_page_opens_from_a_disk_and_shows_what_the_screen_says(answered: tuple[Path, Result]) -> None:
    place, _ = answered
    page = (place / "recommendation.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    assert "limit from 24 good images" in page
    assert "no photo that chooses also reports" in page.lower()
    assert page.count('<line class="bad"') == 9


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (2, {}, "holds 2 good photos: at least 4 are needed to set any limit"),
        (0, {}, "no photos at all: detectors learn from good photos"),
        (0, {"scratch": 3}, "holds no good photos, and 3 bad ones"),
    ],
)
def test_too_few_photos_are_one_line_that_says_what_is_needed(
    tmp_path: Path, good: int, bad: Mapping[str, int], said: str
) -> None:
    result = recommend(photos(tmp_path / "parts", good, bad), "--store", tmp_path / "runs")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_photos_of_two_different_parts_are_said(tmp_path: Path) -> None:
    place = photos(tmp_path / "parts", 8, {"scratch": 2})
    for at in range(8):
        Image.fromarray(255 - np.asarray(photo(at))).save(place / "good" / f"other{at}.png")
    answer = harness.recommend(place, store=tmp_path / "runs", image_size=32, minutes=0.001, quiet=True)
    assert "fall into two groups of 8 and 8" in dict(answer.lines)["photos"]


@pytest.mark.parametrize(("others", "said"), [(2, False), (3, True), (8, True)])
def test_two_groups_are_told_with_their_sizes_and_one_of_each_where_the_smaller_has_three(
    others: int, said: bool
) -> None:
    pixels = [np.asarray(photo(at)) for at in range(9)] + [255 - np.asarray(photo(at)) for at in range(others)]
    found = list(two_groups(Images(np.stack(pixels), tuple(f"{at}.png" for at in range(len(pixels))))))
    assert len(found) == said
    if said:
        assert found[0].sentence.startswith(
            f"The good photos fall into two groups of 9 and {others} that look different:"
        )
        assert (found[0].grave, found[0].count, sorted(found[0].examples)) == (True, others, ["0.png", "9.png"])


def test_photos_that_vary_alike_or_are_few_or_equal_are_one_group() -> None:
    pixels = np.stack([np.asarray(photo(at)) for at in range(12)])
    few = np.concatenate([pixels[:3], 255 - pixels[:4]])
    for some in (pixels, few, pixels[[0] * 12]):
        assert list(two_groups(Images(some, tuple(f"{at}.png" for at in range(len(some)))))) == []


def test_the_detectors_that_are_tried_are_installed_and_a_trained_one_gets_twenty_epochs() -> None:
    assert {*FROZEN, *(model for model, _, _ in TRAINED)} <= {*Registry.discover().offers(Model)}
    asked = Mock(dataset="photos", root="parts")
    trained = tries.settings_for(trying.Detector("dae", "conv", "ssim", trained=True), asked, {"seeds": "3"})
    assert (trained.epochs, trained.encoders, trained.losses, trained.seeds) == (20, ("conv",), ("ssim",), (3,))
    frozen = tries.settings_for(trying.Detector("knn", "-", "-"), asked, {"defect_rate": "0.1"})
    assert (frozen.epochs, frozen.models, frozen.calibrate, frozen.floors) == (None, ("knn",), "crossfit", False)


def test_a_fit_that_may_outlast_the_time_is_one_of_training_or_of_ten_times_the_longest_so_far() -> None:
    frozen, trained = trying.Detector("knn", "-", "-"), trying.Detector("dae", "conv", "ssim", trained=True)
    assert tries._may_outlast(trained, 1000, 1)
    assert tries._may_outlast(frozen, 9, 1)
    assert not tries._may_outlast(frozen, 10, 1)


def test_several_kinds_of_part_are_refused_with_their_names(tmp_path: Path) -> None:
    for part in ("nut", "bolt"):
        photos(tmp_path / part, 5, {"scratch": 1}, name="train/good", bad_name="test")
    result = recommend(tmp_path)
    assert result.exit_code == 2
    assert "holds 2 kinds of part (bolt, nut): a detector learns one" in result.stderr


def test_the_layout_of_mvtec_counts_false_alarms_on_its_own_good_test_images(tmp_path: Path) -> None:
    photos(tmp_path / "nut", 8, {"scratch": 3}, name="train/good", bad_name="test")
    for at in range(5):
        (tmp_path / "nut" / "test" / "good").mkdir(exist_ok=True)
        photo(77 + at).save(tmp_path / "nut" / "test" / "good" / f"{at}.png")
    answer = harness.recommend(tmp_path / "nut", store=tmp_path / "runs", image_size=32, minutes=0.1, quiet=True)
    assert answer.choice.false_alarms.of == 5
    assert "good parts that were kept for testing" in str(answer)


def test_good_photos_alone_choose_by_painted_defects_and_are_said_to_be_weaker(tmp_path: Path) -> None:
    place = tmp_path / "photos"
    place.mkdir()
    for at in range(12):
        photo(at).save(place / f"{at}.png")
    answer = harness.recommend(place, store=tmp_path / "runs", image_size=32, quiet=True)
    said = dict(answer.lines)
    assert answer.synthetic
    assert "weaker evidence than real ones" in said["weaker"]
    assert "parts with synthetic defects" in said["misses"]
    assert "scratch (synthetic)" in said["misses"]
    assert answer.choice.false_alarms.of == 12
    assert read(answer.kept).limit == pytest.approx(answer.choice.limit)
    assert len(read(answer.kept).calibration[read(answer.kept).pool]) == 12
    assert read(answer.kept).chosen == Chosen(among=2, share=answer.choice.share, painted=True)


def test_a_table_of_photos_is_a_folder_of_photos_too(tmp_path: Path) -> None:
    photos(tmp_path / "parts", 6, {"scratch": 2})
    lines = ["image,label,split"]
    for file in sorted((tmp_path / "parts").rglob("*.png")):
        good = file.parent.name == "good"
        name = file.relative_to(tmp_path).as_posix()
        lines.append(f"{name},{'good' if good else 'bad'},{'train' if good else 'test'}")
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n")
    answer = harness.recommend(
        tmp_path / "photos.csv", store=tmp_path / "runs", image_size=32, minutes=0.001, quiet=True
    )
    assert (answer.choice.false_alarms.of, answer.choice.misses.of) == (6, 2)
    assert "table[file=photos.csv]" in answer.command


def test_little_time_tries_one_detector_and_says_which_were_not(tmp_path: Path) -> None:
    place = photos(tmp_path / "parts", 6, {"scratch": 2})
    answer = harness.recommend(place, store=tmp_path / "runs", image_size=32, minutes=0.0001, quiet=True)
    assert [one.reason for one in answer.tried if one.reason] == ["no time was left"]
    assert "not tried" in dict(answer.lines)
    assert "fewer photos" not in dict(answer.lines)
    weaker = replace(answer, fewer=(Few(2, 0.5, 3), Few(3, 0.75, 3)))
    assert dict(weaker.lines)["fewer photos"] == (
        "AUROC .500 with 2, .750 with 3 (means of 3 draws), 1.000 with all 6: more may help"
    )


def test_a_share_of_false_alarms_that_so_few_photos_cannot_keep_is_refused(tmp_path: Path) -> None:
    result = recommend(photos(tmp_path / "parts", 6, {"scratch": 2}), "--max-false-alarms", "5%")
    assert result.exit_code == 2
    assert "59 are needed, so collect 53 more" in result.stderr


def test_wrong_requests_are_one_line(tmp_path: Path) -> None:
    for words, said in (
        ((tmp_path / "nowhere",), "no folder"),
        ((tmp_path, "--minutes", "never"), "--minutes is 'never': expected a number above 0"),
        ((tmp_path, "--seeds", "0,1"), "--seeds is 2 seeds: a recommendation takes one"),
    ):
        result = recommend(*words)
        assert result.exit_code == 2
        assert said in result.stderr


@pytest.mark.parametrize(
    ("good", "bad"),
    [("gut (ok)", "schlecht"), ("Good parts", "bad_parts"), ("OK-Teile", "Ausschuss"), ("bons", "de\u0301fauts"), ("i.O.", "n.i.O.")],
)  # fmt: skip
def test_folders_are_known_by_names_as_people_give_them(tmp_path: Path, good: str, bad: str) -> None:
    place = photos(tmp_path / "Müller", 5, {"Riß": 2}, name=f"{good}", bad_name=bad)
    found = photos_in(Registry.discover(), place, 32).split
    assert len(found.train) == 5
    assert list(found.test.defects) == ["Riß"] * 2


def test_folders_whose_names_say_nothing_are_named(tmp_path: Path) -> None:
    place = photos(tmp_path / "parts", 3, {}, name="2024-03-01")
    (place / "not good enough").mkdir()
    result = recommend(place)
    assert result.exit_code == 2
    assert (
        "has no folder whose name says that its photos are good (it has 2024-03-01, not good enough)" in result.output
    )
    assert "is one photo: give the folder" in recommend(place / "2024-03-01" / "0.png").output
    (tmp_path / "none").mkdir()
    assert "holds no photos: expected a folder with good/ and bad/" in recommend(tmp_path / "none").output


def test_images_of_a_data_set_become_a_folder_of_photos(tmp_path: Path) -> None:
    words = ["data", "--dataset", "synthetic", "--categories", "tile", "--image-size", "16", "--format", "json"]
    done = CliRunner().invoke(main, [*words, "--write", str(tmp_path / "parts")])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)
    assert len(list((tmp_path / "parts" / "good").iterdir())) > 10
    assert {kind.name for kind in (tmp_path / "parts" / "bad").iterdir()}
    again = CliRunner().invoke(main, [*words, "--write", str(tmp_path / "parts")])
    assert again.exit_code == 2
    assert "is not empty" in again.stderr


def test_bad_photos_among_the_good_are_named_as_the_least_alike(tmp_path: Path) -> None:
    place = photos(tmp_path / "parts", 20, {"scratch": 3})
    photo(5, bad=True).save(place / "good" / "slipped_in.png")
    answer = harness.recommend(place, store=tmp_path / "runs", image_size=32, minutes=0.001, quiet=True)
    assert answer.suspects[0] == "good/slipped_in.png"
    assert dict(answer.lines)["look at"].startswith("good/slipped_in.png")


def test_one_good_photo_that_sets_the_limit_is_named_with_what_the_limit_would_be_without_it(tmp_path: Path) -> None:
    """It is said and not done: the model is kept at the limit that the photo sets."""
    place = photos(tmp_path / "parts", 20, {"scratch": 6})
    spoilt = np.asarray(photo(5)).copy()
    spoilt[4:28, 4:28] = (255, 0, 0)
    Image.fromarray(spoilt).save(place / "good" / "spoilt.png")
    answer = harness.recommend(place, store=tmp_path / "runs", image_size=32, minutes=0.001, quiet=True)
    said = dict(answer.lines)["one photo"]
    assert said.startswith(
        "good/spoilt.png alone sets the limit: without it 0 of 6 (now 4) bad parts would be missed, "
    )
    assert "good parts called anomalous, itself counted as one. Look at it: " in said
    assert "left out for its score, it would make the limit too low and the bounds untrue" in said
    assert read(answer.kept).limit == pytest.approx(answer.good.max())
    (place / "good" / "spoilt.png").unlink()
    without = harness.recommend(place, store=tmp_path / "runs", image_size=32, minutes=0.001, quiet=True)
    assert "one photo" not in dict(without.lines)
    assert f"{without.choice.misses.wrong} of 6 (now" in said
    assert f"{without.choice.false_alarms.wrong + 1} of 21 (now" in said


def test_a_kind_of_defect_with_one_photo_and_a_tenth_of_a_minute_are_answered(tmp_path: Path) -> None:
    place = photos(tmp_path / "parts", 12, {"scratch": 3, "dent": 1})
    result = recommend(place, "--minutes", "0.1", "--store", tmp_path / "runs", "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "dent 1 of 1, scratch 3 of 3" in result.stdout
    assert "0 of 4 bad parts   at most 53 %" in result.stdout


def test_twenty_thousand_photos_are_drawn_from_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links to a few files: the harness reads a thousand of them, whatever they lead to."""
    place = photos(tmp_path / "parts", 4, {"scratch": 2})
    for at in range(20_000):
        (place / "good" / f"link{at}.png").symlink_to(place / "good" / f"{at % 4}.png")
    split = photos_in(Registry.discover(), place, 8).split
    assert len(split.train) == 1000
    (found,) = (one for one in split.findings if one.name == "drawn")
    assert found.sentence == "There are 20004 good photos, of which 1000 are drawn (photos[most=1000])."


def test_a_detector_that_outlasts_the_time_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "TRAINED", (("dae", "conv", "mse"),))
    monkeypatch.setattr(tries, "EPOCHS", 10**6)
    place = photos(tmp_path / "parts", 6, {"scratch": 2})
    begun = time.monotonic()
    answer = harness.recommend(place, store=tmp_path / "runs", image_size=32, minutes=0.2, quiet=True)
    assert time.monotonic() - begun < 60
    assert "it took longer than the time that was left" in dict(answer.lines)["not tried"]
    shutil.rmtree(place / "bad")
    answer = harness.recommend(place, store=tmp_path / "runs", image_size=32, minutes=0.1, quiet=True)
    assert "it took longer than the time that was left" in dict(answer.lines)["not tried"]


def test_a_model_whose_calibration_scores_are_gone_says_so(answered: tuple[Path, Result], tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(answered[0] / "runs" / "models" / "recommended", model)
    said = json.loads((model / "model.json").read_text())
    said["calibration"] = {pool: [] for pool in said["calibration"]}
    (model / "model.json").write_text(json.dumps(said))
    altered = CliRunner().invoke(main, ["predict", str(model), str(answered[0] / "parts" / "NG")])
    assert altered.exit_code == 2
    assert "was altered after it was written" in altered.stderr
    del said["digest"]
    (model / "model.json").write_text(json.dumps({**said, "digest": _digest(said)}))
    done = CliRunner().invoke(main, ["predict", str(model), str(answered[0] / "parts" / "NG")])
    assert done.exit_code == 0, done.output
    assert "its calibration scores are gone" in done.stderr
    assert "9 anomalous" in done.stderr
    other = CliRunner().invoke(main, ["predict", str(model), str(answered[0] / "parts"), "--threshold", "quantile"])
    assert other.exit_code == 2
    assert "Traceback" not in other.output


def test_a_certificate_says_that_its_calibration_photos_chose_the_detector_and_what_that_costs(
    answered: tuple[Path, Result], tmp_path: Path
) -> None:
    more = photos(tmp_path / "parts", 30, {"scratch": 5, "dent": 7}, name="OK", bad_name="NG")
    model = answered[0] / "runs" / "models" / "recommended"
    little = {
        "defects": "spot",
        "corruptions": "noise",
        "sizes": (0.1, 0.3),
        "contrasts": 0.9,
        "most": 4,
        "engines": (),
    }
    found = harness.certify(model, more, quiet=True, **little)
    held, chosen = found.found["guarantee"], read(model).chosen
    assert chosen is not None
    assert (chosen.among, chosen.painted, len(chosen.bad)) == (2, False, 9)
    assert held["promised"] == pytest.approx(chosen.share)
    assert held["by_rank"] <= held["promised"]
    assert held["promised_at_most"] is None, "that bound holds for a detector that other photos chose"
    assert held["misses"]["of"] == 3, "the nine that chose it are left out"
    said = str(found)
    assert "9 bad ones that the detector was chosen by were left out" in said
    assert "harness recommend chose it from 2 detectors by the same calibration photos" in said
    assert f"with the choice counted in {100 * chosen.share:.2g} %" in said
    only_known = harness.certify(model, photos(tmp_path / "parts_2", 30, {"dent": 4}), quiet=True, **little)
    assert "no new bad photos were given" in str(only_known)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not here: pip install '.[test]'")
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (768, "dark"), (390, "light")])
def test_the_page_of_a_recommendation_fits_a_browser_and_axe_finds_nothing(
    answered: tuple[Path, Result], browser: Any, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not here: pip install '.[test]'")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((answered[0] / "recommendation.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h2").count() >= 5
    assert page.locator("svg.marks line.bad").count() == 9
    assert "p-value" in page.locator("section[aria-labelledby=how]").inner_text()
    letters = "[...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() && one.innerText)"
    sizes = page.evaluate(f"{letters}.map((one) => parseFloat(getComputedStyle(one).fontSize))")
    assert min(sizes) >= 12, "nothing is too small to be read"
    assert page.locator("svg text").count() == 0, "text in a picture would shrink with it"
    words = page.locator(".tried tbody th").first.bounding_box()
    assert words["width"] > 150, "names are not broken into pieces"
    page.evaluate((files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []
    page.close()
    assert not faults
