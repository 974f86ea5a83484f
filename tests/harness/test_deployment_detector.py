"""A kept model decides on new files as the harness decided on them when it judged the trial."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import DataError, ModelError, Threshold, TrainingError, UsageError
from harness.deployment.detector import Detector
from harness.deployment.loading import load
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.saved_model import DESCRIPTION, WEIGHTS, ModelFolder, SavedModel, find, read, read_weights, write
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

SIZE = 32


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small category in folders: 40x36 files, one of another size and one of another mode."""
    root = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(0)
    for folder, count in (("train/good", 6), ("test/good", 3), ("test/spot", 3)):
        (root / folder).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(90, 110, (36, 40, 3), dtype=np.uint8)
            if folder == "test/spot":
                pixels[8:16, 8:16] = 250
            image = Image.fromarray(pixels)
            image = image.resize((50, 36)) if (folder, index) == ("test/good", 1) else image
            image.convert("L" if (folder, index) == ("test/good", 2) else "RGB").save(root / folder / f"{index}.png")
    return root


def trial_of(model: str, encoder: str = "-", loss: str = "-", **other: object) -> Trial:
    trains = model.startswith(("dae", "cae", "feature_ae"))
    base = Trial(
        "folder", "parts0", model, encoder, loss, 0, SIZE, int(trains), 4 * trains, 1e-3 * trains, 0.0, "fp32", "-"
    )
    return base._replace(**other)  # type: ignore[arg-type]


def kept(trial: Trial, root: Path, folder: Path, plugin: Path, threshold: str = "mean") -> tuple[Outcome, Path]:
    place = WorkerConfig(data_root=root, plugin_files=(plugin,), threads=1, keep=ModelFolder(folder, threshold))
    worker = Worker(place, Registry.discover([plugin]))
    outcome = worker.perform(trial._replace(category=root.name), Observer())
    assert outcome.status == "done", outcome.reason
    assert not outcome.unkept
    directory = find(folder, outcome.id)
    assert directory is not None
    return outcome, directory


@pytest.mark.parametrize(
    "trial",
    [
        trial_of("mean_image"),
        trial_of("brightest"),
        trial_of("dae", "conv", "mse"),
        trial_of("cae[latent_dim=8]", "conv", "ssim[window=5]"),
        trial_of("dae", "conv", "mse", holdout=0.4, precision="bf16"),
        trial_of("patchcore[memory=50]", "conv"),
        trial_of("padim[features=8]", "conv"),
        trial_of("feature_ae", "conv"),
    ],
    ids=lambda trial: trial.method.replace(" ", ""),
)
def test_scores_of_files_equal_the_stored_ones_to_the_last_bit(
    parts: Path, tmp_path: Path, dots_plugin: Path, trial: Trial
) -> None:
    outcome, directory = kept(trial, parts, tmp_path, dots_plugin)
    detector = load(directory, Registry.discover([dots_plugin]))
    assert outcome.evidence is not None
    pixels = np.stack([detector.read(parts / name) for name in outcome.evidence.paths])
    together = detector.decide(pixels)
    alone = [detector.decide(pixels[i : i + 1]) for i in range(len(pixels))]
    stored = outcome.evidence.test[detector.pool]
    assert together.scores.tolist() == stored.tolist()
    assert [one.scores[0] for one in alone] == stored.tolist()
    assert together.anomalous.tolist() == (stored > detector.limit).tolist()
    assert detector.limit == threshold("mean", dots_plugin).fit(outcome.evidence.normal[detector.pool])
    for pool, scores in outcome.evidence.normal.items():
        assert detector.saved.calibration[pool].tolist() == scores.tolist()
    if trial.model == "brightest":
        assert together.maps is None
        assert detector.pool == "-"
    else:
        assert together.maps is not None
        assert together.maps.shape == (len(pixels), SIZE, SIZE)
    assert not detector.remarks
    for at_once in (detector.decide_at_once(pixels[:1]), detector.decide_at_once(pixels)):
        count = len(at_once.scores)
        assert at_once.scores == pytest.approx(stored[:count], rel=1e-4)
        assert at_once.anomalous.tolist() == together.anomalous[:count].tolist()
        if together.maps is not None:
            assert at_once.maps is not None
            assert at_once.maps.shape == (count, SIZE, SIZE)
            assert np.abs(at_once.maps - together.maps[:count]).max() <= 1e-4 * np.abs(together.maps).max()


@pytest.fixture
def detector(parts: Path, tmp_path: Path, dots_plugin: Path) -> Detector:
    _, directory = kept(trial_of("mean_image"), parts, tmp_path, dots_plugin)
    return load(directory, Registry.discover([dots_plugin]))


def threshold(text: str, plugin: Path) -> Threshold:
    return Registry.discover([plugin]).make(Threshold, text)


def test_other_thresholds_and_pools_follow_from_the_calibration_scores(detector: Detector, dots_plugin: Path) -> None:
    other = detector.judging(threshold("quantile[q=0.5]", dots_plugin), "max")
    assert (other.pool, other.threshold) == ("max", "quantile[q=0.5]")
    assert other.limit == np.quantile(detector.saved.calibration["max"], 0.5)
    assert detector.judging() is detector


def test_a_threshold_that_needs_labels_is_refused(detector: Detector, dots_plugin: Path) -> None:
    with pytest.raises(UsageError, match="'peek' needs test labels"):
        detector.judging(threshold("peek", dots_plugin))


def test_a_pool_that_the_model_lacks_is_refused(detector: Detector, dots_plugin: Path) -> None:
    with pytest.raises(UsageError, match=r"no pool 'mena'\. Did you mean 'mean'"):
        detector.judging(threshold("mean", dots_plugin), "mena")


def test_a_threshold_that_cannot_decide_says_why(detector: Detector, dots_plugin: Path) -> None:
    with pytest.raises(ModelError, match="threshold lazy gives no limit: ValueError: needs 1000 scores"):
        detector.judging(threshold("lazy", dots_plugin))


def test_a_model_whose_threshold_fails_is_not_kept_and_its_scores_are(
    parts: Path, tmp_path: Path, dots_plugin: Path
) -> None:
    place = WorkerConfig(data_root=parts, plugin_files=(dots_plugin,), keep=ModelFolder(tmp_path, "lazy"))
    worker = Worker(place, Registry.discover([dots_plugin]))
    outcome = worker.perform(trial_of("mean_image", category=parts.name), Observer())
    assert outcome.status == "done"
    assert outcome.evidence is not None
    assert "threshold lazy gives no limit" in outcome.unkept
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_image_is_named(detector: Detector, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text\.png is not an image"):
        detector.read(tmp_path / "text.png")


def test_no_images_give_no_decisions(detector: Detector) -> None:
    decided = detector.decide(np.empty((0, SIZE, SIZE, 3), np.uint8))
    assert len(decided.scores) == len(decided.anomalous) == 0


def test_a_missing_plugin_is_named_with_its_version(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    _, directory = kept(trial_of("mean_image"), parts, tmp_path, dots_plugin)
    with pytest.raises(ModelError, match=r"needs model 'mean_image' of .*dots\.py [0-9a-f]{8}: no model.*--plugin"):
        load(directory, Registry.discover())


def test_a_plugin_of_another_version_is_named_with_both(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    _, directory = kept(trial_of("mean_image"), parts, tmp_path, dots_plugin)
    changed = tmp_path / "dots.py"
    changed.write_text(dots_plugin.read_text() + "\n# changed\n")
    (remark,) = load(directory, Registry.discover([changed])).remarks
    assert f"fitted with model mean_image of {dots_plugin.name} " in remark
    assert f"here it is of {changed.name} " in remark


def test_the_same_plugin_file_at_another_place_is_the_same(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    _, directory = kept(trial_of("mean_image"), parts, tmp_path, dots_plugin)
    copied = tmp_path / "dots.py"
    copied.write_text(dots_plugin.read_text())
    assert load(directory, Registry.discover([copied])).remarks == ()


def rewritten(directory: Path, folder: Path, trial: Trial | None = None, **arrays: np.ndarray) -> Path:
    """The model with another trial or other arrays, properly signed."""
    saved: SavedModel = read(directory)
    state = {**read_weights(directory, saved), **arrays}
    return write(replace(saved, trial=trial or saved.trial), state, folder)


def test_weights_of_another_shape_are_an_error_in_one_line(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    _, directory = kept(trial_of("dae", "conv", "mse"), parts, tmp_path, dots_plugin)
    name = min(name for name in read_weights(directory, read(directory)) if name.endswith("weight"))
    other = rewritten(directory, tmp_path / "other", **{name: np.zeros((3, 5), np.float32)})
    with pytest.raises(ModelError, match="dae cannot take what it learned: RuntimeError") as caught:
        load(other, Registry.discover())
    assert "\n" not in str(caught.value)


def test_an_option_that_the_part_no_longer_has_is_named(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    _, directory = kept(trial_of("mean_image"), parts, tmp_path, dots_plugin)
    other = rewritten(directory, tmp_path / "other", read(directory).trial._replace(model="mean_image[width=3]"))
    with pytest.raises(ModelError, match="no option 'width'"):
        load(other, Registry.discover([dots_plugin]))


def test_what_is_kept_names_no_folder_of_the_data_and_no_person(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    _, directory = kept(trial_of("dae", "conv", "mse"), parts, tmp_path, dots_plugin)
    said = json.loads((directory / DESCRIPTION).read_text())
    assert str(parts.parent) not in json.dumps(said)
    assert sorted(file.name for file in directory.iterdir()) == [DESCRIPTION, WEIGHTS]
    assert said["sizes"] == ["40x36", "50x36"]
    assert said["modes"] == ["RGB", "L"]


def test_at_once_a_score_at_the_limit_is_decided_as_stored(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    """The image that sets the limit is normal, although its last digits differ where a batch is not filled up."""
    outcome, directory = kept(trial_of("dae", "conv", "mse"), parts, tmp_path, dots_plugin, "highest")
    detector = load(directory, Registry.discover([dots_plugin]))
    assert outcome.evidence is not None
    worst = int(np.argmax(outcome.evidence.normal["mean"]))
    pixels = detector.read(sorted((parts / "train" / "good").iterdir())[worst])[None]
    assert detector.decide_at_once(pixels).scores.tolist() == [detector.limit]
    assert not detector.decide_at_once(pixels).anomalous.any()


def test_a_score_that_is_no_number_is_an_error_at_once_too(parts: Path, tmp_path: Path, dots_plugin: Path) -> None:
    _, directory = kept(trial_of("dae", "conv", "mse"), parts, tmp_path, dots_plugin)
    saved = read(directory)
    state = read_weights(directory, saved)
    name = min(name for name in state if name.endswith("weight"))
    broken = rewritten(directory, tmp_path / "broken", **{name: np.full_like(state[name], np.nan)})
    with pytest.raises(TrainingError, match="gave image 0 the score nan"):
        load(broken, Registry.discover()).decide_at_once(np.zeros((1, SIZE, SIZE, 3), np.uint8))
