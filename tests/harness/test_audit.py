"""What numbers made of a category may hide is found before anything is fitted, and only that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from harness.api import Dataset, Finding, Images, Ranking, Split
from harness.audit import Audit, audit
from harness.audit.duplicates import near_pairs, small_grey
from harness.audit.kept import directory, kept
from harness.audit.shortcuts import FAR, Clue, _time, _untied, clues
from harness.audit.statistics import NAMES, statistics_of, usual_statistics
from harness.errors import TrainingError
from harness.plugin.registry import Registry
from harness_floors import GlobalStatistics

Facts = dict[str, NDArray[np.generic]]
RNG = np.random.default_rng(0)


def photos(n: int, level: float = 120, seed: int = 0, side: int = 32) -> NDArray[np.uint8]:
    """Noisy pictures of something that lies elsewhere in each."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(level, 9, (n, side, side, 3)) + rng.normal(0, 3, (n, 1, 1, 1))
    for image in pixels:
        row, column = rng.integers(0, side - 12, 2)
        image[row : row + 12, column : column + 12] += rng.normal(30, 10)
    return pixels.clip(0, 255).astype(np.uint8)


def images(pixels: NDArray[np.uint8], defects: tuple[str, ...] = (), name: str = "train", **other: object) -> Images:
    return Images(pixels, tuple(f"{name}/{index}.png" for index in range(len(pixels))), defects, **other)  # type: ignore[arg-type]


def split(good: float = 120, bad: float = 120, n: int = 40, train_facts: Facts | None = None, **other: object) -> Split:
    test = np.concatenate([photos(n, good, 1), photos(n, bad, 2)])
    return Split(
        images(photos(80), facts=train_facts or {}), images(test, ("good",) * n + ("bad",) * n, "test", **other)
    )


def named(found: Audit, name: str) -> list[Finding]:
    return [finding for finding in found.findings if finding.name == name]


def test_alike_images_of_both_classes_have_no_grave_finding() -> None:
    assert audit(split()).grave == ()


def test_a_light_that_tells_the_classes_apart_is_a_grave_shortcut_named_in_one_sentence() -> None:
    (finding,) = named(audit(split(bad=140)), "shortcut")
    assert finding.grave
    assert finding.sentence.startswith("The brightness alone tells normal and defective test images apart (AUROC 1.00")
    assert finding.examples[0] == "brightness 1.00"


def test_a_light_that_changed_between_training_and_test_is_a_grave_shift() -> None:
    (finding,) = named(audit(split(good=100, bad=100)), "shift")
    assert finding.grave
    assert "alone tells training images and normal test images apart" in finding.sentence
    assert "will not hold on the test images" in finding.sentence


def test_a_difference_beyond_chance_that_is_not_large_is_mentioned_and_not_grave() -> None:
    (finding,) = named(audit(split(bad=124)), "shortcut")
    assert not finding.grave
    assert "by more than chance" in finding.sentence


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("camera", np.array(["A"] * 40 + ["B"] * 40)),
        ("size of the file", np.r_[np.arange(1000, 1040), np.arange(2000, 2040)]),
        ("time it was taken at", np.array([f"2026:01:{1 + at // 8:02} 10:00:00" for at in range(80)])),
    ],
)
def test_what_files_say_is_a_shortcut_too(name: str, values: NDArray[np.generic]) -> None:
    fact = {"size of the file": "file_bytes", "time it was taken at": "taken_at"}.get(name, name)
    (finding,) = named(audit(split(facts={fact: values}, train_facts={fact: values})), "shortcut")
    assert finding.grave
    assert f"The {name} alone" in finding.sentence


@pytest.mark.parametrize("fact", ["camera", "compression", "taken_at"])
def test_texts_that_differ_in_every_file_are_no_shortcut(fact: str) -> None:
    minutes = np.random.default_rng(1).permutation(200)
    texts = np.array([f"2026:01:01 {at // 60:02}:{at % 60:02}:00" for at in minutes])
    assert named(audit(split(facts={fact: texts[:80]}, train_facts={fact: texts[80:160]})), "shortcut") == []


def test_times_count_by_their_order_though_each_file_has_its_own() -> None:
    times = np.array([f"2026:01:01 {at // 60:02}:{at % 60:02}:{at % 7:02}" for at in range(80)])
    (finding,) = named(audit(split(facts={"taken_at": times}, train_facts={"taken_at": times})), "shortcut")
    assert finding.examples == ("time it was taken at 1.00",)
    assert (_time("2026:11:28 06:50:00"), _time(""), _time("2026:11:28 06:50:00.125")) == (
        20261128065000,
        0,
        20261128065000,
    )


def test_clues_are_called_what_a_person_would_call_them() -> None:
    assert (
        *("brightness", "mean of red", "mean of green", "mean of blue", "spread of red", "spread of green"),
        *("spread of blue", "darkest percentile", "brightest percentile", "sharpness"),
    ) == NAMES
    known = ("file_bytes", "mode", "depth", "frames", "compression", "taken_at", "another")
    facts = {name: np.repeat([0, 1], 40) for name in known}
    (finding,) = named(audit(split(facts=facts, train_facts=facts)), "shortcut")
    assert sorted(example.rpartition(" ")[0] for example in finding.examples) == sorted(
        [
            "size of the file",
            "mode of the pixels",
            "depth of the pixels",
            "number of frames",
            "JPEG compression",
            "time it was taken at",
            "another",
        ]
    )


def test_images_are_compared_as_32_by_32_grey_cells() -> None:
    assert small_grey(photos(2, side=64)).shape == (2, 1024)
    halves = np.zeros((1, 64, 64, 3), np.uint8)
    halves[:, 32:] = 200
    assert small_grey(halves).reshape(32, 32)[:, 0].tolist() == [0] * 16 + [200] * 16


def test_what_says_much_the_same_is_named_once() -> None:
    (finding,) = named(audit(split(bad=160)), "shortcut")
    assert len({example.rpartition(" ")[0].split()[0] for example in finding.examples}) == len(finding.examples) > 2
    assert sum(example.startswith(("brightness", "mean of")) for example in finding.examples) == 1


def test_of_a_thousand_categories_without_a_clue_about_one_in_a_hundred_has_one() -> None:
    rng = np.random.default_rng(3)
    found = sum(
        bool(clues({f"{at}": (rng.normal(size=20), rng.normal(size=60)) for at in range(10)})) for _ in range(1000)
    )
    assert found <= 25


@pytest.mark.parametrize(("crossing", "grave"), [("train-test", True), ("good-bad", True), ("bad-bad", False)])
def test_an_image_that_occurs_twice_is_found_and_named(crossing: str, grave: bool) -> None:
    one = split()
    source = {"train-test": one.train.pixels[3], "good-bad": one.test.pixels[5], "bad-bad": one.test.pixels[50]}
    one.test.pixels[60] = source[crossing]
    (finding,) = named(audit(one), "duplicates")
    assert finding.grave is grave
    first = {"train-test": "train/3.png", "good-bad": "test/5.png", "bad-bad": "test/50.png"}[crossing]
    assert finding.examples == (f"{first} = test/60.png",)


def test_a_copy_in_another_light_is_found(tmp_path: Path) -> None:
    one = split()
    one.test.pixels[60] = one.train.pixels[3] + np.uint8(12)
    (finding,) = named(audit(one), "duplicates")
    assert finding.examples == ("train/3.png = test/60.png",)


def test_copies_are_counted_as_images_and_not_as_pairs() -> None:
    one = split()
    one.test.pixels[[50, 60]] = one.train.pixels[3] = one.train.pixels[4]
    crossing, within = named(audit(one), "duplicates")
    assert crossing.sentence == "2 test images are training images, so they are no test."
    assert within.count == 2


def test_a_category_of_one_picture_is_told_so_in_one_line() -> None:
    one = split()
    one.train.pixels[:], one.test.pixels[:] = one.train.pixels[0], one.train.pixels[0]
    (finding,) = named(audit(one), "duplicates")
    assert finding.grave
    assert finding.sentence.startswith("All 160 images are the same picture")


def test_a_single_image_is_no_copy_of_anything() -> None:
    one = Split(images(photos(1)), images(photos(0), (), "test"))
    assert named(audit(one), "duplicates") == []


def test_of_two_images_alone_a_difference_below_a_grey_level_makes_them_one() -> None:
    rows = np.full((2, 64), 100, np.float32)
    rows[1] += 0.5
    assert [(pair.one, pair.other) for pair in near_pairs(rows)] == [(0, 1)]


def test_an_image_saved_again_as_jpeg_is_still_the_same_image(tmp_path: Path) -> None:
    one = Split(images(photos(12, side=256)), images(photos(6, seed=1, side=256), name="test"))
    Image.fromarray(one.train.pixels[7]).save(tmp_path / "again.jpg", quality=85)
    one.test.pixels[2] = np.asarray(Image.open(tmp_path / "again.jpg"))
    (finding,) = named(audit(one), "duplicates")
    assert finding.examples == ("train/7.png = test/2.png",)


def test_one_pair_and_several_are_told_in_words_that_fit_and_five_are_named() -> None:
    one = split()
    one.test.pixels[0] = one.train.pixels[-1]
    one.test.pixels[45] = one.test.pixels[5]
    one.train.pixels[1] = one.train.pixels[0]
    told = {finding.sentence: finding for finding in named(audit(one), "duplicates")}
    assert list(told) == [
        "1 test image is a training image, so it is no test.",
        "1 image is among the normal and among the defective images, so one label is wrong.",
        "1 image occurs twice among images of one kind, so it counts twice.",
    ]
    assert [finding.grave for finding in told.values()] == [True, True, False]
    one.test.pixels[1:7] = one.train.pixels[10:16]
    one.test.pixels[45:47] = one.test.pixels[8:10]
    one.train.pixels[3] = one.train.pixels[2]
    crossing, contrary, within = named(audit(one), "duplicates")
    assert crossing.sentence == "7 test images are training images, so they are no test."
    assert (crossing.count, len(crossing.examples)) == (7, 5)
    assert (
        contrary.sentence == "2 images are among the normal and among the defective images, so some labels are wrong."
    )
    assert within.sentence == "2 images occur twice or more among images of one kind, so they count as often."


@pytest.mark.parametrize(
    ("apart", "usual", "found"),
    [(0.9, 100, True), (1.0, 90.50966799187809, False), (1.1, 100, False), (0.2, 1.5, True), (0.6, 1.5, False)],
)
def test_images_are_one_where_they_differ_by_less_than_a_grey_level_and_far_less_than_others(
    apart: float, usual: float, found: bool
) -> None:
    """Of images that hardly differ, as of a plain surface, a small difference says nothing."""
    rows = np.zeros((6, 64), np.float32)
    rows[:, :6] = np.eye(6) * usual * np.sqrt(64 / 2)
    rows[5] = rows[0]
    rows[5, 63] = apart * np.sqrt(64)
    assert [(pair.one, pair.other) for pair in near_pairs(rows)] == [(0, 5)] * found


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 40), st.integers(0, 2**32 - 1))
def test_pairs_are_found_whatever_the_block_they_lie_in(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(100, 20, (n, 64)).astype(np.float32)
    one, other = sorted(rng.choice(n, 2, replace=False).tolist())
    rows[other] = rows[one]
    with mock.patch("harness.audit.duplicates._AT_ONCE", 7):
        assert [(pair.one, pair.other) for pair in near_pairs(rows)] == [(one, other)]


def test_blank_images_are_grave() -> None:
    one = split()
    one.train.pixels[4] = 0
    one.test.pixels[9] = (10, 20, 30)
    (finding,) = named(audit(one), "blank")
    assert (finding.grave, finding.examples) == (True, ("train/4.png", "test/9.png"))


def test_of_many_blank_images_five_are_named_and_one_that_varies_in_a_single_colour_is_not_blank() -> None:
    one = split()
    one.train.pixels[2:9] = 7
    one.test.pixels[3, ..., :2] = 0
    (finding,) = named(audit(one), "blank")
    assert (finding.count, finding.examples) == (7, tuple(f"train/{at}.png" for at in range(2, 7)))
    assert finding.sentence == "There are 7 images of one colour: nothing is to be seen there."


@pytest.mark.parametrize(("full", "grave"), [(1, False), (20, False), (21, True), (40, True)])
def test_masks_over_nearly_all_of_the_image_are_grave_where_they_are_most_of_those_of_defects(
    full: int, grave: bool
) -> None:
    masks = np.zeros((80, 32, 32), np.uint8)
    masks[40:, 4:9, 4:9] = 1
    masks[40 : 40 + full, :30] = 1
    (finding,) = named(audit(split(masks=masks)), "masks")
    assert (finding.grave, finding.count, len(finding.examples)) == (grave, full, min(full, 5))


def test_grave_findings_come_first() -> None:
    one = split(bad=124)
    one.train.pixels[1] = one.train.pixels[0]
    one.test.pixels[7] = 0
    found = audit(one).findings
    assert [finding.grave for finding in found] == sorted([finding.grave for finding in found], reverse=True)
    assert {finding.grave for finding in found} == {True, False}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=40), st.lists(st.integers(0, 3), min_size=4, max_size=40))
def test_a_clue_is_what_a_rank_sum_test_with_ties_finds_unlikely(first: list[int], second: list[int]) -> None:
    p = stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=False).pvalue
    found = clues({"empty": (np.array([]), np.array(second)), "number": (np.array(first), np.array(second))})
    if abs(2 * p - 0.01) > 1e-9 and p == p:
        assert [clue.name for clue in found] == ["number"] * int(2 * p < 0.01)


@pytest.mark.parametrize(("n", "p", "found"), [(9, 0.01235, False), (10, 0.00769, True)])
def test_a_clue_begins_where_chance_is_less_likely_than_one_in_a_hundred(n: int, p: float, found: bool) -> None:
    first, second = np.arange(8) * 2.0, np.arange(n) * 2.0 + 6.5
    exact = stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=False).pvalue
    assert exact == pytest.approx(p, abs=1e-5)
    assert bool(clues({"number": (first, second)})) is found


def test_a_clue_is_grave_where_its_whole_interval_lies_beyond_what_is_far() -> None:
    just, beyond = Clue("x", 0.9, FAR, 1.0), Clue("x", 0.9, FAR + 0.01, 1.0)
    assert (just.grave, beyond.grave) == (False, True)
    assert (Clue("x", 0.1, 0.0, 1 - FAR).grave, Clue("x", 0.1, 0.0, 0.99 - FAR).grave) == (False, True)


def test_the_strongest_clue_is_named_first_and_five_at_most() -> None:
    found = clues({f"{at}": (np.arange(400), np.arange(400) + 60 + 9 * at) for at in range(7)})
    assert [clue.name for clue in found] == ["6", "5", "4", "3", "2", "1", "0"]
    one = split(facts={f"fact {at}": np.repeat([0, at + 1], 40) for at in range(7)})
    (finding,) = named(audit(one), "shortcut")
    assert finding.count == len(finding.examples) == 7


def test_findings_are_kept_for_the_same_images_files_and_version_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    asked: list[str] = []

    def find(one: Split, version: int = 1) -> None:
        kept(one, version, lambda: asked.append("looked") or (Finding("x", "Something.", examples=("a", "b")),))

    one = split()
    facts = {"file_bytes": np.arange(80)}
    others = [
        replace(one, train=images(photos(80, seed=9))),
        replace(one, findings=(Finding("y", "Read oddly."),)),
        replace(one, train=images(photos(80, side=48))),
        replace(one, train=replace(one.train, facts=facts)),
        replace(one, test=replace(one.test, facts=facts)),
    ]
    for times in (1, 1):
        find(one)
        assert len(asked) == times
    for number, other in enumerate(others, 2):
        find(other)
        assert len(asked) == number
    find(one, version=2)
    assert len(asked) == len(others) + 2
    assert kept(one, 1, tuple) == (Finding("x", "Something.", examples=("a", "b")),), "as it was found"


def test_findings_are_kept_in_the_harness_cache_else_in_that_of_the_user() -> None:
    assert directory({"HARNESS_CACHE": "/here", "XDG_CACHE_HOME": "/there"}) == Path("/here/audits")
    assert directory({"XDG_CACHE_HOME": "/there"}) == Path("/there/anomaly-harness/audits")
    assert directory({}) == Path.home() / ".cache/anomaly-harness/audits"


def test_masks_that_mark_nothing_everything_or_normal_images_are_found() -> None:
    masks = np.zeros((80, 32, 32), np.uint8)
    masks[40:, 4:9, 4:9] = 1
    assert named(audit(split(masks=masks)), "masks") == []
    empty, full, wrong = masks.copy(), masks.copy(), masks.copy()
    empty[41], full[42], wrong[3, 0, 0] = 0, 1, 1
    assert "a mask that marks nothing" in named(audit(split(masks=empty)), "masks")[0].sentence
    assert "are they inverted?" in named(audit(split(masks=full)), "masks")[0].sentence
    assert "normal image with a mask" in named(audit(split(masks=wrong)), "masks")[0].sentence
    assert not named(audit(split(masks=empty)), "masks")[0].grave
    assert named(audit(split(masks=masks * 0)), "masks")[0].grave


@pytest.mark.parametrize(("kinds", "said"), [(("good",) * 6, "misses can not"), (("bad",) * 6, "false alarms can not")])
def test_test_images_of_one_kind_are_said(kinds: tuple[str, ...], said: str) -> None:
    one = Split(images(photos(10)), images(photos(6, seed=9), kinds, "test"))
    assert said in named(audit(one), "labels")[0].sentence


def test_no_test_images_are_said() -> None:
    one = Split(images(photos(10)), images(photos(0), (), "test"))
    assert [finding.name for finding in audit(one).findings] == ["labels"]


def test_statistics_are_those_of_numpy() -> None:
    pixels = photos(5)
    found = dict(zip(NAMES, statistics_of(pixels).T, strict=True))
    assert found["mean of green"] == pytest.approx(pixels[..., 1].mean(axis=(1, 2)))
    assert found["spread of red"] == pytest.approx(pixels[..., 0].std(axis=(1, 2)))
    grey = np.array([np.asarray(Image.fromarray(one).convert("L")) for one in pixels]).reshape(len(pixels), -1)
    assert found["darkest percentile"] == pytest.approx(np.percentile(grey, 1, axis=1), abs=1)
    assert found["brightest percentile"] == pytest.approx(np.percentile(grey, 99, axis=1), abs=1)
    assert found["brightness"] == pytest.approx((pixels @ [0.299, 0.587, 0.114]).mean(axis=(1, 2)), abs=0.6)


def test_sharpness_is_the_mean_second_difference_of_grey_along_every_other_row() -> None:
    pixels = photos(3)
    sharpness = statistics_of(pixels)[:, NAMES.index("sharpness")]
    for one, found in zip(pixels, sharpness, strict=True):
        rows = np.asarray(Image.fromarray(one).convert("L"))[::2].astype(float)
        assert found == pytest.approx(np.abs(np.diff(rows, n=2, axis=1)).mean())
    assert statistics_of(pixels[:, :, :2])[:, NAMES.index("sharpness")].tolist() == [0, 0, 0], (
        "two columns bend nowhere"
    )


def test_percentiles_are_the_first_grey_levels_that_so_many_pixels_reach() -> None:
    ramp = np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 3, axis=2)[None]
    found = dict(zip(NAMES, statistics_of(ramp)[0], strict=True))
    assert (found["darkest percentile"], found["brightest percentile"]) == (0, 98)
    assert found["brightness"] == found["mean of red"] == pytest.approx(49.5)
    assert found["spread of blue"] == pytest.approx(np.arange(100).std())
    half_white = np.full((1, 8, 8, 3), 255, np.uint8)
    half_white[:, :4] = 100
    found = dict(zip(NAMES, statistics_of(half_white)[0], strict=True))
    assert (found["darkest percentile"], found["brightest percentile"]) == (100, 255)


def test_of_no_images_nothing_is_usual_and_of_some_it_is_mean_and_deviation() -> None:
    assert usual_statistics(np.empty((0, 8, 8, 3), np.uint8)) == {}
    pixels = photos(40)
    usual = usual_statistics(pixels)
    assert [*usual] == list(NAMES)
    means = pixels[..., 0].mean(axis=(1, 2))
    assert usual["mean of red"] == pytest.approx((means.mean(), means.std()))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=12))
def test_ties_lessen_the_variance_of_ranks_as_scipy_says(values: list[int]) -> None:
    assert _untied(np.array(values, float)) == pytest.approx(stats.tiecorrect(stats.rankdata(values)))


def test_one_value_has_no_variance_of_ranks() -> None:
    assert _untied(np.array([3.0])) == 0


def test_the_floor_of_global_statistics_is_a_mahalanobis_distance() -> None:
    train = RNG.normal(size=(200, 4)) * [1, 2, 3, 4]
    others = RNG.normal(size=(50, 4)) * [3, 2, 3, 4]
    centred = others - train.mean(axis=0)
    exact = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(np.cov(train.T)), centred)
    floor = GlobalStatistics()
    floor.learn(train)
    assert floor.distances(others) == pytest.approx(exact, rel=0.02)


def test_the_floor_takes_statistics_that_never_vary_and_one_training_image() -> None:
    floor = GlobalStatistics()
    floor.learn(np.array([[1.0, 5.0]]))
    assert floor.distances(np.array([[1.0, 5.0], [2.0, 5.0]]))[0] == pytest.approx(0)
    floor.learn(np.ones((9, 3)))
    assert np.isfinite(floor.distances(np.full((2, 3), 2.0))).all()
    with pytest.raises(TrainingError, match="no training images"):
        floor.learn(np.empty((0, 2)))


def real(shared: Path, category: str) -> Split:
    dataset = Registry.discover().make(Dataset, "mvtec_ad")
    dataset.root = shared / "data/mvtec_ad_256"
    return dataset.load(category, 256)


def test_screw_has_a_shortcut_and_a_shift_that_are_grave(shared: Path) -> None:
    found = audit(real(shared, "screw"))
    assert [finding.name for finding in found.grave] == ["shortcut", "shift"]
    assert "The brightness alone" in found.grave[0].sentence
    assert "AUROC 1.00" in found.grave[0].sentence


def test_bottle_has_nothing_grave(shared: Path) -> None:
    one = real(shared, "bottle")
    found = audit(one)
    assert found.grave == ()
    floor = GlobalStatistics()
    floor.learn(found.train)
    assert Ranking(floor.distances(found.test), one.test.labels).auroc() == pytest.approx(0.757, abs=0.03)
