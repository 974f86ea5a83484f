"""`--setting joint`: one model for several categories, fitted once and judged category by category."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness import Images
from harness.commands import main
from harness.trials.store import Store
from harness.trials.together import joined
from harness.trials.trial import Outcome

COUNTING = '''
import numpy as np
from pathlib import Path
from harness import Model, Scores, hookimpl

class Counting(Model):
    """The mean grey of what it was fitted to, and a line in a file for each fit."""
    name = "counting"
    def fit(self, normal, *, encoder, loss, run):
        with (Path(__file__).parent / "fits.txt").open("a") as file:
            file.write(f"{len(normal)}\\n")
        self.mean = float(normal.pixels.mean())
    def score(self, images):
        return Scores(images=np.abs(images.pixels.mean(axis=(1, 2, 3)) - self.mean))

@hookimpl
def harness_models(): return [Counting]
'''
GREYS = {"dark": 40, "grey": 100, "light": 200}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three categories, of another size each, one of them grey; a bad image is 30 levels lighter."""
    random = np.random.default_rng(1)
    for index, (name, grey) in enumerate(GREYS.items()):
        for kind, count, lift in (("train/good", 4 + index, 0), ("test/good", 2, 0), ("test/bad", 2, 30)):
            folder = tmp_path / "data" / name / kind
            folder.mkdir(parents=True)
            for number in range(count):
                shape = (20 + 10 * index, 30) if name == "grey" else (20 + 10 * index, 30, 3)
                pixels = random.integers(grey + lift - 5, grey + lift + 5, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    (tmp_path / "counting.py").write_text(COUNTING)
    return tmp_path


@pytest.fixture
def run(root: Path) -> Callable[..., Result]:
    def call(*words: str) -> Result:
        place = [
            "--data-root",
            str(root / "data"),
            "--store",
            str(root / "runs"),
            "--plugin",
            str(root / "counting.py"),
        ]
        return CliRunner().invoke(
            main, ["run", *place, "--models", "counting", "--image-size", "16", "--calibrate", "train", *words]
        )

    return call


def fits(root: Path) -> list[str]:
    file = root / "fits.txt"
    return file.read_text().split() if file.exists() else []


def stored(root: Path) -> dict[tuple[str, str], Outcome]:
    with Store(root / "runs") as store:
        return {(one.trial.category, one.trial.setting): one for one in store.outcomes() if not one.record.floor}


def test_one_fit_is_judged_by_category_with_a_limit_each_and_with_one_for_all(run: Callable[..., Result], root: Path):
    ended = run("--setting", "joint,joint-one-limit", "--jobs", "1")
    assert ended.exit_code == 0, ended.output
    assert fits(root) == ["15"]
    assert "6 fitted, 0 already there" in ended.output
    outcomes = stored(root)
    assert len(outcomes) == 6
    for category in GREYS:
        own, shared = outcomes[category, "joint"].evidence, outcomes[category, "joint-one-limit"].evidence
        assert own.test["-"].tolist() == shared.test["-"].tolist()
        assert len(own.normal["-"]) == 4 + list(GREYS).index(category)
        assert len(shared.normal["-"]) == 15
        assert set(own.normal["-"]) <= set(shared.normal["-"])
    again = run("--setting", "joint,joint-one-limit", "--jobs", "1")
    assert "0 fitted, 6 already there" in again.output
    assert fits(root) == ["15"]


def test_processes_side_by_side_fit_the_model_of_all_categories_once_too(run: Callable[..., Result], root: Path):
    ended = run("--setting", "joint", "--jobs", "2")
    assert ended.exit_code == 0, ended.output
    assert fits(root) == ["15"]
    assert "3 fitted" in ended.output


def test_other_images_of_one_category_make_another_trial_of_each(run: Callable[..., Result], root: Path):
    run("--setting", "joint", "--jobs", "1")
    before = {one.id for one in stored(root).values()}
    (root / "data" / "grey" / "train" / "good" / "0.png").unlink()
    run("--setting", "joint", "--jobs", "1", "--categories", "dark", "--together", "dark,grey,light")
    with Store(root / "runs") as store:
        (new,) = (one for one in store.outcomes() if one.id not in before and not one.record.floor)
    assert (new.trial.category, new.record.n_train) == ("dark", 14)


def test_a_fit_that_fails_fails_for_each_of_its_categories_and_is_tried_once(run: Callable[..., Result], root: Path):
    (root / "counting.py").write_text(
        COUNTING.replace("self.mean = ", "raise ValueError('too dark')\n        self.mean = ")
    )
    ended = run("--setting", "joint", "--jobs", "1")
    assert ended.exit_code == 3
    assert fits(root) == ["15"]
    with Store(root / "runs") as store:
        failed = [one for one in store.outcomes() if one.status == "error"]
    assert sorted(one.trial.category for one in failed) == list(GREYS)
    assert all("too dark" in one.reason for one in failed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--setting", "joint", "--categories", "grey"),
            "--setting joint: one model for several categories takes two or more, and there is only grey; give "
            "--setting one-class, or more --together",
        ),
        (
            ("--setting", "joint", "--categories", "grey", "--together", "dark,light"),
            "--together dark,light lacks grey, which is to be judged: add it, or leave it out of --categories",
        ),
        (("--setting", "all"), "--setting is 'all': expected some of one-class, joint, joint-one-limit"),
    ],
)
def test_what_no_joint_model_can_be_is_told_in_a_line_before_anything_is_fitted(
    words: tuple[str, ...], said: str, run: Callable[..., Result], root: Path
):
    told = run(*words)
    assert (told.exit_code, told.stderr.splitlines()[-1]) == (2, f"harness: {said}")
    assert fits(root) == []


def test_python_fits_cross_fitted_joint_models_and_categories_keep_their_own_scores(root: Path):
    results = harness.run(
        models="gaussian", encoders="conv", data_root=root / "data", image_size=32, setting="joint", store=root / "runs",
        calibrate="crossfit", quiet=True, floors=False, jobs=1,
    )  # fmt: skip
    assert {verdict.trial.category for verdict in results.verdicts} == set(GREYS)
    assert {len(next(iter(verdict.outcome.evidence.normal.values()))) for verdict in results.verdicts} == {4, 5, 6}


def test_joint_models_of_tiles_take_categories_of_other_sizes():
    small = Images(np.full((2, 20, 30, 3), 1, np.uint8), ("a", "b"))
    large = Images(np.full((1, 40, 10, 3), 2, np.uint8), ("a",), boxes=np.array([[0, 0, 40, 9]]))
    together = joined({"small": small, "large": large})
    assert together.pixels.shape == (3, 40, 30, 3)
    assert [one.shape for one in together.contents()] == [(20, 30, 3), (20, 30, 3), (40, 9, 3)]
    assert [int(one.max()) for one in together.contents()] == [1, 1, 2]
    assert together.paths == ("small/a", "small/b", "large/a")


def test_joint_trials_that_lack_a_corruption_get_it_from_one_more_fit(run: Callable[..., Result], root: Path) -> None:
    run("--setting", "joint")
    again = run("--setting", "joint", "--corrupt", "brightness")
    assert "3 fitted (3 of them again, for corruption brightness)" in " ".join(again.stderr.split())
    assert len((root / "fits.txt").read_text().splitlines()) == 2
    with Store(root / "runs") as store:
        found = [one for one in store.outcomes() if not one.record.floor]
    assert [list(one.evidence.corrupted) for one in found] == [["brightness"]] * 3
    assert "0 fitted, 3 already there" in run("--setting", "joint", "--corrupt", "brightness").stderr


def test_joint_trials_of_an_edited_model_are_fitted_again_once_for_all_categories(
    run: Callable[..., Result], root: Path
) -> None:
    run("--setting", "joint,joint-one-limit", "--jobs", "1")
    (root / "counting.py").write_text(COUNTING.replace("- self.mean)", "- self.mean + 1)"))
    words = ("--setting", "joint,joint-one-limit", "--jobs", "1", "--refit-edited")
    again = run(*words)
    assert "6 fitted (6 of them again, for the code that its parts have now)" in " ".join(again.stderr.split())
    assert fits(root) == ["15", "15"]
    assert "0 fitted, 6 already there" in run(*words).stderr
