"""Limits are set on the normal images that a data set keeps apart for that, where it does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import Dataset, Images, Split
from harness.commands import main
from harness.testing.datasets import check_splits_are_disjoint_by_content, check_train_is_all_normal
from harness.trials.holdout import normal_images
from harness.trials.remote import portable
from harness.trials.store import Store

PLUGIN = '''
import numpy as np
from harness import GOOD, Dataset, Images, Model, Scores, Split, hookimpl

def images(n, folder, size, kinds=(), start=0):
    pixels = np.arange(start, start + n, dtype=np.uint8)[:, None, None, None] + np.zeros((1, size, size, 3), np.uint8)
    return Images(pixels, tuple(f"{folder}/{i}.png" for i in range(n)), kinds)

class Apart(Dataset):
    """Steps of grey."""
    name = "apart"
    needs_root = False
    def categories(self):
        return ("grey",)
    def load(self, category, image_size):
        test = images(4, "test", image_size, (GOOD, GOOD, "bad", "bad"), 100)
        return Split(images(6, "train", image_size), test, calibration=images(3, "validation", image_size, start=50))

class Level(Model):
    """Scores an image by its grey."""
    name = "level"
    def fit(self, normal, *, encoder, loss, run):
        self.n = len(normal)
    def score(self, images):
        return Scores(images=images.pixels.mean(axis=(1, 2, 3)))

@hookimpl
def harness_datasets():
    return [Apart]
@hookimpl
def harness_models():
    return [Level]
'''


def some(n: int, start: int, **more: object) -> Images:
    pixels = np.arange(start, start + n, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 4, 3), np.uint8)
    return Images(pixels, tuple(f"{start}/{i}.png" for i in range(n)), **more)


SPLIT = Split(some(6, 0), some(3, 100))
APART = replace(SPLIT, calibration=some(2, 50))


def test_a_split_without_validation_images_has_the_fingerprint_it_always_had() -> None:
    assert SPLIT.fingerprint == "8c267889cb655063"
    assert replace(SPLIT, calibration=None).fingerprint == SPLIT.fingerprint


def test_the_fingerprint_changes_with_validation_images() -> None:
    others = [SPLIT, replace(SPLIT, calibration=some(2, 51)), replace(SPLIT, calibration=some(3, 50))]
    assert APART.fingerprint not in {other.fingerprint for other in others}


def test_validation_images_calibrate_unless_some_are_to_be_held_out() -> None:
    fitted, calibration, where = normal_images(APART, 0.0, 0)
    assert (fitted, calibration, where) == (APART.train, APART.calibration, "validation")
    assert normal_images(SPLIT, 0.0, 0) == (SPLIT.train, SPLIT.train, "fitted")
    fitted, calibration, where = normal_images(APART, 0.5, 0)
    assert (len(fitted), len(calibration), where) == (3, 3, "holdout")


def test_validation_images_travel_to_other_machines() -> None:
    moved = portable(APART)
    assert moved.calibration is not None
    assert moved.calibration.paths == APART.calibration.paths
    assert moved.fingerprint == APART.fingerprint


@pytest.mark.parametrize("holdout", ["0", "0.5"])
def test_a_run_says_once_on_what_limits_are_set_and_records_it(tmp_path: Path, holdout: str) -> None:
    plugin, store = tmp_path / "apart.py", tmp_path / "runs"
    plugin.write_text(PLUGIN)
    words = [
        "run",
        "--no-floors",
        "--plugin",
        plugin,
        "--dataset",
        "apart",
        "--models",
        "level",
        "--image-size",
        4,
        "--store",
        store,
    ]
    words += [
        "--holdout",
        holdout,
        "--jobs",
        1,
        "--device",
        "cpu",
        "--thresholds",
        "mean,quantile",
        "--quiet",
        "--keep-models",
    ]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    said = "Limits are set on the 3 normal images that the data set keeps for validation"
    assert done.stderr.count(said) == (holdout == "0")
    with Store(store) as opened:
        (outcome,) = opened.outcomes()
    record = outcome.record
    assert (record.n_calibration, record.calibrated_on) == (3, "validation" if holdout == "0" else "holdout")
    (model,) = (store / "models").glob("*/model.json")
    kept = json.loads(model.read_text())["calibration"]["-"]
    assert kept == list(outcome.evidence.normal["-"])
    assert (min(kept) >= 50) == (holdout == "0"), "the grey of the validation images begins there"


def test_data_shows_how_many_validation_images_there_are(tmp_path: Path) -> None:
    plugin = tmp_path / "apart.py"
    plugin.write_text(PLUGIN)
    shown = CliRunner().invoke(
        main, ["data", "--plugin", str(plugin), "--dataset", "apart", "--image-size", "16", "--format", "json"]
    )
    assert json.loads(shown.stdout)[0]["calibration"] == 3, shown.output


class Given(Dataset):
    """A split as it is given."""

    name = "given"
    needs_root = False

    def __init__(self, split: Split) -> None:
        self.split = split

    def categories(self) -> tuple[str, ...]:
        return ("one",)

    def load(self, category: str, image_size: int) -> Split:
        return self.split


def test_the_conformance_kit_refuses_validation_images_that_are_seen_elsewhere_or_not_normal() -> None:
    check_splits_are_disjoint_by_content(Given(APART))
    with pytest.raises(AssertionError, match="calibration image '0/0.png' is training image"):
        check_splits_are_disjoint_by_content(Given(replace(SPLIT, calibration=some(2, 0))))
    with pytest.raises(AssertionError, match="test image '100/0.png' is calibration image"):
        check_splits_are_disjoint_by_content(Given(replace(SPLIT, calibration=some(2, 100))))
    with pytest.raises(AssertionError, match="calibration images have defect kinds"):
        check_train_is_all_normal(Given(replace(SPLIT, calibration=some(2, 50, defects=("good", "bad")))))
