"""Protocols: axes that change how images are presented, and whose results are ranked only among their own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness import GOOD, Images, Model, Scores, Split
from harness.commands import main
from harness.errors import DataError, UsageError
from harness.plugin.registry import Registry
from harness.trials.holdout import normal_images
from harness.trials.protocols.augmentation import augmented
from harness.trials.protocols.axes import PROTOCOLS, crossed, presented
from harness.trials.protocols.contamination import defective
from harness.trials.repeat import command_of
from harness.trials.settings import Settings
from harness.trials.store import Store
from harness.trials.trial import PROTOCOL, Trial, named, spelt

USUAL = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")


def some(n: int, folder: str, kinds: tuple[str, ...] = ()) -> Images:
    pixels = np.random.default_rng(len(folder)).integers(0, 256, (n, 4, 4, 3), np.uint8)
    return Images(pixels, tuple(f"{folder}/{i}" for i in range(n)), kinds)


SPLIT = Split(some(40, "train"), some(30, "test", (GOOD,) * 10 + ("crack",) * 12 + ("hole",) * 8))


def trained_on(**protocol: Any) -> tuple[str, ...]:
    return presented(SPLIT, USUAL._replace(**protocol)).train.paths


def test_every_field_of_a_protocol_belongs_to_one_module() -> None:
    owned = [name for protocol in PROTOCOLS for name in protocol.fields]
    assert sorted(owned) == sorted(PROTOCOL)


def test_the_usual_protocol_has_no_name_and_leaves_the_images_as_they_are() -> None:
    assert (USUAL.protocol, spelt(USUAL.protocol), USUAL.title) == ((), "", "large · mean_image · seed 0")
    assert presented(SPLIT, USUAL) is SPLIT
    assert not set(PROTOCOL) & set(USUAL.written())


def test_a_protocol_is_named_by_its_options_in_titles_and_in_the_command_that_makes_a_trial_again() -> None:
    trial = USUAL._replace(shots=4, contaminate=0.05, reserve=0.1)
    assert trial.title == "large · mean_image · shots 4, contaminate 0.05, reserve 0.1 · seed 0"
    assert "--shots 4 --contaminate 0.05 --reserve 0.1 " in command_of(trial, ("dots",))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_shots_are_nested_and_drawn_by_the_seed(few: int, more: int, seed: int) -> None:
    few, more = sorted((few, more))
    drawn = trained_on(shots=few, seed=seed)
    assert len(drawn) == few
    assert set(drawn) <= set(trained_on(shots=more, seed=seed)) <= set(SPLIT.train.paths)


def test_another_seed_draws_other_shots_on_the_same_data() -> None:
    draws = {trained_on(shots=4, seed=seed) for seed in range(6)}
    assert len(draws) == 6
    assert presented(SPLIT, USUAL._replace(shots=4)).fingerprint == SPLIT.fingerprint


def test_what_shots_leave_out_sets_limits_only_where_it_is_asked_to() -> None:
    trial = USUAL._replace(shots=4)
    few = normal_images(presented(SPLIT, trial), 0.0, 0, trial.calibrate)
    assert (few.calibration, few.where) == (few.fitted, "fitted")
    trial = trial._replace(calibrate="rest")
    fitted, calibration, where = normal_images(presented(SPLIT, trial), 0.0, 0, trial.calibrate)
    assert (len(calibration), where) == (36, "rest")
    assert set(fitted.paths) | set(calibration.paths) == set(SPLIT.train.paths)


@given(st.lists(st.floats(0.01, 0.3), min_size=2, max_size=2).map(sorted), st.integers(0, 5), st.integers(4, 40))
def test_trials_of_all_shares_seeds_and_shots_are_judged_on_the_same_images(
    shares: list[float], seed: int, shots: int
) -> None:
    less, most = (round(share, 3) for share in shares)
    of_less = presented(SPLIT, USUAL._replace(contaminate=less, reserve=most, seed=seed))
    of_none = presented(SPLIT, USUAL._replace(reserve=most, shots=shots))
    assert of_less.test.paths == of_none.test.paths
    assert of_less.fingerprint == of_none.fingerprint != SPLIT.fingerprint
    assert not set(of_less.train.paths) & set(of_less.test.paths)


def test_a_share_of_the_training_images_is_defective_and_nobody_is_told() -> None:
    split = presented(SPLIT, USUAL._replace(contaminate=0.2, reserve=0.2))
    dirty = [path for path in split.train.paths if path.startswith("test")]
    assert (len(dirty), len(split.train)) == (10, 50)
    assert set(split.train.defects) == {GOOD}
    assert split.train.masks is None
    for path, pixels in zip(split.train.paths, split.train.pixels, strict=True):
        whole = SPLIT.test if path.startswith("test") else SPLIT.train
        assert np.array_equal(pixels, whole.pixels[whole.paths.index(path)])
    kinds = [SPLIT.test.defects[SPLIT.test.paths.index(path)] for path in dirty]
    assert sorted(kinds) == ["crack"] * 6 + ["hole"] * 4, "as they are there"


def test_a_larger_share_of_one_seed_holds_the_images_of_a_smaller_one() -> None:
    less, more = (set(trained_on(contaminate=share, reserve=0.3)) for share in (0.1, 0.25))
    assert less < more
    assert less != set(trained_on(contaminate=0.1, reserve=0.3, seed=1))


def test_images_that_do_not_suffice_are_an_error_also_without_a_plan() -> None:
    with pytest.raises(DataError, match="41 shots of 40 training images"):
        presented(SPLIT, USUAL._replace(shots=41))
    with pytest.raises(DataError, match="a reserve of 0.5 takes 40 of 20 defective images"):
        presented(SPLIT, USUAL._replace(reserve=0.5))


@given(st.floats(0.001, 0.5), st.integers(1, 500))
def test_a_share_is_one_of_all_training_images(share: float, normal: int) -> None:
    dirty = defective(share, normal)
    assert abs(dirty / (dirty + normal) - share) <= 0.5 / normal + 1e-9


def test_axes_are_crossed_and_the_largest_share_is_the_reserve_of_all() -> None:
    asked = Settings.of({"shots": "2,all", "contaminate": "0,5%"})
    assert [spelt(protocol) for protocol in crossed(asked)] == [
        "shots 2, reserve 0.05",
        "shots 2, contaminate 0.05, reserve 0.05",
        "reserve 0.05",
        "contaminate 0.05, reserve 0.05",
    ]
    assert crossed(Settings()) == [()]
    assert [named(one) for one in crossed(Settings(contaminate=0.02, reserve="10%"))] == [
        {"contaminate": 0.02, "reserve": 0.1}
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"shots": 0}, "shots is 0: expected whole numbers from 1, or all, such as 1,2,4,all"),
        ({"shots": "2,few"}, "shots is '2,few': expected whole numbers from 1, or all, such as 1,2,4,all"),
        ({"shots": []}, "shots is []: expected whole numbers from 1, or all, such as 1,2,4,all"),
        ({"contaminate": "1"}, "contaminate is '1': expected shares from 0 and below 1, such as 0,0.02,5%"),
        ({"contaminate": "0,much"}, "contaminate is '0,much': expected shares from 0 and below 1, such as 0,0.02,5%"),
    ],
)
def test_values_that_are_none_are_told(asked: Mapping[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.of(asked)
    assert str(caught.value) == said


Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`harness run` on the dots data set, whose categories have 6 training images and 4 defective ones."""
    store, plugin = tmp_path_factory.mktemp("axes"), Path(__file__).parent.parent / "plugin_files" / "dots.py"

    def call(*words: str) -> Result:
        asked = ["run", "--plugin", str(plugin), "--store", str(store), "--dataset", "dots", "--models", "mean_image"]
        asked += ["--categories", "large,small", "--jobs", "1", "--thresholds", "highest", *words]
        return CliRunner().invoke(main, asked)

    return call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--shots 2,7", "--shots 7: large has 6 training images; ask for at most 6, or all"),
        ("--shots 6 --calibrate rest", "--shots 6: large has 6 training images, one of which must be left to set limits on; ask for at most 5"),
        ("--shots 2,all --calibrate rest", "--calibrate rest sets limits on the training images that --shots leaves out, and --shots all leaves none out: give numbers, such as --shots 4,8"),
        ("--contaminate 0.4", "--contaminate 0.4: large would need 4 defective images among its 6 training images, and has 4, of which some must stay in the test set; ask for at most 0.33"),
        ("--contaminate 0.05", "--contaminate 0.05: beside 6 training images of large that is not one defective image; ask for at least 0.08"),
        ("--contaminate 0.3 --reserve 0.2", "--reserve 0.2 is less than --contaminate 0.3: give at least that"),
    ],
)  # fmt: skip
def test_what_a_category_cannot_be_presented_as_is_told_before_anything_is_fitted(
    run: Run, words: str, said: str
) -> None:
    result = run(*words.split())
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"harness: {said}\n")


def test_a_category_that_cannot_be_read_costs_the_others_nothing(run: Run) -> None:
    result = run("--categories", "broken,small", "--shots", "2", "--no-floors")
    assert result.exit_code == 3
    assert "1 fitted" in result.stderr


def test_a_run_over_axes_ranks_each_protocol_by_itself_and_goes_on_where_it_stopped(run: Run) -> None:
    words = ("--shots", "1,2,all", "--contaminate", "0,0.25", "--seeds", "0,1", "--calibrate", "crossfit")
    refused = run(*words)
    assert "beside 1 training image of large that is not one" in refused.stderr
    words = ("--shots", "2,4,all", "--contaminate", "0,0.25", "--seeds", "0,1", "--calibrate", "crossfit")
    first = run(*words)
    assert first.exit_code == 0, first.output
    titles = [line for line in first.stdout.splitlines() if line.startswith("dots · mean over categories")]
    assert len(titles) == 6
    assert sum("shots 4, contaminate 0.25, reserve 0.25" in title for title in titles) == 1
    again = run(*words, "--format", "csv")
    assert "0 fitted, 24 already there" in again.stderr
    rows = list(csv.DictReader(io.StringIO(again.stdout)))
    assert {row["shots"] for row in rows} == {"2", "4", ""}
    assert {row["floor"] for row in rows} == {"True", "False"}, "floors are fitted to as few images"


def test_rows_of_the_usual_protocol_have_no_columns_for_others(run: Run) -> None:
    header = run("--format", "csv", "--no-floors").stdout.splitlines()[0].split(",")
    assert not set(PROTOCOL) & set(header)


def test_one_shot_takes_its_limit_from_the_fitted_image_and_says_so(run: Run) -> None:
    result = run(
        "--shots", "1,3", "--calibrate", "crossfit", "--no-floors", "--categories", "small", "--format", "json"
    )
    assert result.exit_code == 0, result.output
    assert "--shots 1: limits are set on the fitted image, for --calibrate crossfit needs two" in result.stderr
    assert {row["shots"]: row["calibrate"] for row in json.loads(result.stdout)} == {1: "", 3: "crossfit"}


def test_python_asks_for_the_same_trials_as_the_command(run: Run, dots_plugin: Path, tmp_path: Path) -> None:
    said = run("--shots", "2,5", "--contaminate", "0,25%", "--no-floors", "--format", "json")
    results = harness.run(
        models=["mean_image"], dataset="dots", categories=["large", "small"], plugins=[dots_plugin], shots=[2, 5],
        contaminate=[0, 0.25], thresholds="highest", floors=False, jobs=1, quiet=True, store=tmp_path / "python",
    )  # fmt: skip
    assert sorted(row["trial"] for row in json.loads(said.stdout)) == sorted(v.outcome.id for v in results.verdicts)
    with Store(tmp_path / "python") as store:
        assert {outcome.record.n_train for outcome in store.outcomes()} == {2, 3, 5, 7}


def test_a_trial_with_a_protocol_is_exported_read_and_fitted_again(run: Run, dots_plugin: Path, tmp_path: Path) -> None:
    words = ("--shots", "4", "--contaminate", "0.25", "--no-floors", "--categories", "small", "--store")
    (row,) = json.loads(run(*words, str(tmp_path / "runs"), "--format", "json").stdout)
    plugin = ("--plugin", str(dots_plugin))
    exported = tmp_path / "export.jsonl"
    assert (
        CliRunner()
        .invoke(main, ["export", "--store", str(tmp_path / "runs"), "--out", str(exported), *plugin])
        .exit_code
        == 0
    )
    shown = CliRunner().invoke(main, ["leaderboard", "--store", str(exported), "--format", "json", *plugin])
    (of_export,) = [one for one in json.loads(shown.stdout) if one["threshold"] == "mean"]
    assert {name: of_export[name] for name in ("trial", "shots", "contaminate", "reserve")} == {
        "trial": row["trial"], "shots": 4, "contaminate": 0.25, "reserve": 0.25
    }  # fmt: skip
    again = CliRunner().invoke(main, ["reproduce", row["trial"], "--store", str(tmp_path / "runs"), *plugin])
    assert again.exit_code == 0, again.output
    assert "equal" in again.stdout


def test_each_augmentation_adds_one_changed_copy_of_every_training_image() -> None:
    registry = Registry.discover()
    trial = USUAL._replace(augment="flip,brightness[severity=2],shift")
    found = augmented(SPLIT.train, trial, registry)
    n = len(SPLIT.train)
    assert len(found) == len(set(found.paths)) == 4 * n
    assert np.array_equal(found.pixels[:n], SPLIT.train.pixels)
    assert np.array_equal(found.pixels[n : 2 * n], SPLIT.train.pixels[:, :, ::-1])
    factors = found.pixels[2 * n : 3 * n].mean(axis=(1, 2, 3)) / SPLIT.train.pixels.mean(axis=(1, 2, 3))
    assert 0.88 < factors.min() < 0.97 < 1.0 < factors.max() < 1.12, "up to 10 %, as severity 2 is"
    assert np.array_equal(augmented(SPLIT.train, trial, registry).pixels, found.pixels)
    assert not np.array_equal(augmented(SPLIT.train, trial._replace(seed=1), registry).pixels, found.pixels)
    assert augmented(SPLIT.train, USUAL, registry) is SPLIT.train


def test_a_flip_mirrors_what_an_image_fills_of_its_frame() -> None:
    boxes = np.array([[0, 0, 4, 3], [1, 0, 3, 4]])
    images = Images(np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3), ("a", "b"), boxes=boxes)
    found = augmented(images, USUAL._replace(augment="flip,flip_up_down"), Registry.discover())
    assert found.boxes is not None
    assert found.boxes.tolist() == [[0, 0, 4, 3], [1, 0, 3, 4], [0, 1, 4, 4], [1, 0, 3, 4], [0, 0, 4, 3], [1, 0, 3, 4]]
    for at in (0, 1):
        assert np.array_equal(found.contents()[2 + at], images.contents()[at][:, ::-1])


def test_ways_to_augment_are_crossed_and_spelt_in_full_and_an_unknown_one_is_told_with_a_suggestion(run: Run) -> None:
    asked = Settings.of({"augment": "none,flip+brightness[severity=3]+flip,flip", "shots": "2,all"})
    assert [spelt(one) for one in crossed(asked, Registry.discover())] == [
        "shots 2", "shots 2, augment flip+brightness", "shots 2, augment flip",
        "", "augment flip+brightness", "augment flip",
    ]  # fmt: skip
    refused = run("--augment", "none,flip+brightnes")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("harness: --augment: no augmentation 'brightnes'. Did you mean 'brightness'?")
    refused = run("--augment", "none+flip+shift")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "harness: --augment none+flip+shift: none cannot be joined with others; give none,flip+shift for both\n",
    )


def test_a_stored_way_to_augment_is_named_as_its_option_takes_it() -> None:
    trial = USUAL._replace(augment="flip,shift[severity=2]")
    assert trial.title == "large · mean_image · augment flip+shift[severity=2] · seed 0"
    assert "--augment 'flip+shift[severity=2]' " in command_of(trial, ("dots",))
    asked = Settings.of({"augment": "flip+shift[severity=2]"})
    assert crossed(asked, Registry.discover()) == [trial.protocol], "so stored trials are found again"


def test_what_sets_limits_has_no_copy_among_the_fitted_images(run: Run) -> None:
    words = ("--augment", "flip", "--no-floors", "--categories", "small", "--format", "json")
    rows = json.loads(run("--augment", "none,flip", *words[2:]).stdout)
    without, plain = sorted(rows, key=lambda row: row.get("augment", ""))
    assert (without.get("augment", ""), without["n_train"]) == ("", 6)
    (held,) = json.loads(run(*words, "--holdout", "0.5").stdout)
    assert (plain["augment"], plain["n_train"], held["n_train"]) == ("flip", 6, 3)
    again = run(*words)
    assert "0 fitted, 1 already there" in again.stderr
    crossed_fits = run(*words, "--calibrate", "crossfit")
    assert crossed_fits.exit_code == 0, crossed_fits.output


def test_a_model_that_leaves_images_out_by_itself_is_fitted_in_folds_to_augmented_ones(tmp_path: Path) -> None:
    counted: list[int] = []

    class Counts(Model):
        name = "counts"

        def fit(self, normal: Images, **parts: object) -> None:
            counted.append(len(normal))

        def score(self, images: Images) -> Scores:
            return Scores(images=images.pixels.mean(axis=(1, 2, 3)))

        def score_left_out(self, images: Images, without: object) -> Scores:
            raise AssertionError("a copy of what is left out would stay")

    results = harness.run(
        models=[Counts], dataset="synthetic", categories=["tile"], augment="flip", calibrate="crossfit",
        image_size=32, floors=False, quiet=True, store=tmp_path,
    )  # fmt: skip
    assert [verdict.status for verdict in results.verdicts] == ["done"]
    whole, *folds = counted
    assert len(folds) == 5
    assert whole % 2 == 0
    assert max(folds) < whole
