"""`harness predict` on files and folders."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.commands import main
from harness.deployment.image_files import Found
from harness.deployment.loading import load
from harness.deployment.predicting import BATCH
from harness.deployment.predicting import predict as predict_files
from harness.plugin.registry import Registry
from harness.trials.saved_model import read
from harness.trials.store import Store

SIZE = 32


def photo(seed: int, *, spot: bool = False, width: int = 40, height: int = 36) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(90, 110, (height, width, 3), dtype=np.uint8)
    if spot:
        pixels[8:16, 8:16] = 250
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder with the data set `parts`, and the store `runs` with models fitted to it."""
    root = tmp_path_factory.mktemp("line")
    for folder, count, spot in (("train/good", 5, False), ("test/good", 3, False), ("test/spot", 3, True)):
        (root / "parts" / folder).mkdir(parents=True)
        for index in range(count):
            photo(len(folder) * 100 + index, spot=spot).save(root / "parts" / folder / f"{index}.png")
    dots = Path(__file__).parent.parent / "plugin_files" / "dots.py"
    words = f"run --store {root}/runs --dataset folder --data-root {root}/parts --plugin {dots} --device cpu --jobs 1"
    words += f" --models mean_image,brightest,dae --losses mse --image-size {SIZE} --epochs 1 --precision fp32"
    result = CliRunner().invoke(main, [*words.split(), "--keep-models", "--thresholds", "highest,mean"])
    assert result.exit_code == 0, result.output
    return root


Predict = Callable[..., Result]


@pytest.fixture
def predict(line: Path, dots_plugin: Path) -> Predict:
    def call(*arguments: object, model: str = "mean_image", plugin: bool = True) -> Result:
        words = ["predict", str(model_of(line, model)), "--device", "cpu", "--store", str(line / "runs")]
        words += ["--plugin", str(dots_plugin)] if plugin else []
        return CliRunner().invoke(main, [*words, *map(str, arguments)])

    return call


def model_of(line: Path, model: str) -> Path:
    (found,) = (line / "runs" / "models").glob(f"parts-{model}*")
    return found


def rows_of(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("model", ["mean_image", "brightest", "dae"])
def test_scores_and_decisions_are_those_of_the_store_to_the_last_bit(line: Path, predict: Predict, model: str) -> None:
    result = predict(line / "parts" / "test", "--format", "json", model=model)
    assert result.exit_code == 0, result.output
    saved = read(model_of(line, model))
    with Store(line / "runs") as store:
        (outcome,) = store.outcomes([saved.id])
    assert outcome.evidence is not None
    stored = dict(zip(outcome.evidence.paths, outcome.evidence.test[saved.pool].tolist(), strict=True))
    found = {Path(str(row["image"])).relative_to(line / "parts").as_posix(): row["score"] for row in rows_of(result)}
    assert found == stored
    limit = saved.limit
    assert {row["limit"] for row in rows_of(result)} == {limit}
    assert all((row["decision"] == "anomalous") == (row["score"] > limit) for row in rows_of(result))


def test_folders_are_searched_at_any_depth_in_sorted_order(tmp_path: Path, predict: Predict) -> None:
    for name in ("b/2.png", "b/10.png", "a/deep/er/1.PNG", "c.jpeg", ".hidden/x.png", "b/.y.png", "b/notes.txt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        photo(1).save(tmp_path / "in" / name, "JPEG" if name.endswith("jpeg") else "PNG")
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in")
    result = predict(tmp_path / "in", "--format", "json")
    names = [Path(str(row["image"])).relative_to(tmp_path / "in").as_posix() for row in rows_of(result)]
    assert names == ["a/deep/er/1.PNG", "b/10.png", "b/2.png", "c.jpeg"]


def test_people_see_score_decision_and_a_count(line: Path, predict: Predict) -> None:
    result = predict(line / "parts" / "test")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("mean_image fitted on parts of folder, 32 px · limit ")
    assert lines[0].endswith(
        "of threshold highest on pool mean · p against 5 normal images that were fitted, so too small for new ones"
    )
    assert lines[1].split() == ["score", "p", "decision", "image"]
    assert [row.split()[2] for row in lines[2:]][3:] == ["anomalous"] * 3
    assert result.stderr.splitlines()[-1].startswith("6 images: ")
    assert "\x1b" not in result.stdout


def test_csv_has_a_line_an_image_and_no_cell_that_is_a_formula(
    tmp_path: Path, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo(1).save(tmp_path / "=cmd|calc.png", "PNG")
    result = predict("=cmd|calc.png", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert row["image"] == "'=cmd|calc.png"
    assert list(row) == ["image", "score", "limit", "decision", "heat_map", "problem", "p_value"]
    assert row["decision"] in ("normal", "anomalous")


def test_an_unreadable_image_is_one_line_and_the_rest_goes_on(tmp_path: Path, predict: Predict) -> None:
    photo(1).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image at all")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:900])
    (tmp_path / "d.png").touch()
    photo(2).save(tmp_path / "e.png")
    result = predict(tmp_path, tmp_path / "absent.png", "--format", "json")
    assert result.exit_code == 3
    rows = {Path(str(row["image"])).name: row for row in rows_of(result)}
    assert [name for name, row in rows.items() if row["decision"] == "unreadable"] == [
        "b.png",
        "c.png",
        "d.png",
        "absent.png",
    ]
    assert rows["b.png"]["score"] is None
    assert "is not an image" in str(rows["b.png"]["problem"])
    told = result.stderr.splitlines()
    assert [sum(name in one for one in told) for name in ("b.png", "c.png", "d.png", "absent.png")] == [1] * 4
    assert told[-1].endswith("4 unreadable")
    assert "b.png" not in predict(tmp_path).stdout


def test_a_pipe_is_not_waited_for(tmp_path: Path, predict: Predict) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    result = predict(tmp_path / "pipe.png")
    assert result.exit_code == 3
    assert "is not a regular file" in result.stderr


def test_an_empty_folder_is_named(tmp_path: Path, predict: Predict) -> None:
    result = predict(tmp_path)
    assert result.exit_code == 3
    assert f"folder {tmp_path} holds no image: expected .png" in result.stderr


def test_another_size_and_another_mode_are_said_once_each(tmp_path: Path, predict: Predict) -> None:
    photo(1).save(tmp_path / "a.png")
    photo(2, width=80).save(tmp_path / "b.png")
    photo(3, width=90).save(tmp_path / "c.png")
    photo(4).convert("L").save(tmp_path / "d.png")
    photo(5, width=80).convert("RGBA").save(tmp_path / "e.png")
    result = predict(tmp_path)
    assert result.exit_code == 0
    size, mode, count = result.stderr.splitlines()
    assert "b.png is 80x36, most images of the data set that the model was fitted on are 40x36" in size
    assert "d.png is L, most images" in mode
    assert "resized to 32x32" in mode
    assert count.startswith("5 images")


def test_anomalies_change_the_exit_code_on_request_only(line: Path, predict: Predict, tmp_path: Path) -> None:
    spots, good = line / "parts" / "test" / "spot", line / "parts" / "train" / "good"
    assert predict(spots).exit_code == 0
    assert predict(spots, "--fail-on-anomaly").exit_code == 1
    assert predict(good, "--fail-on-anomaly").exit_code == 0
    assert predict(spots, tmp_path / "absent.png", "--fail-on-anomaly").exit_code == 1


def test_threshold_and_pool_judge_otherwise_without_data(line: Path, predict: Predict) -> None:
    saved = read(model_of(line, "mean_image"))
    by_mean = rows_of(predict(line / "parts" / "test", "--format", "json", "--threshold", "mean_std[k=2]"))
    scores = saved.calibration["mean"]
    assert by_mean[0]["limit"] == pytest.approx(scores.mean() + 2 * scores.std(ddof=1), rel=0.2)
    by_max = rows_of(predict(line / "parts" / "test", "--format", "json", "--pool", "max"))
    assert by_max[0]["limit"] == saved.calibration["max"].max()
    assert [row["score"] for row in by_max] != [row["score"] for row in by_mean]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--threshold", "peek"], "needs test labels"),
        (["--threshold", "maen"], "Did you mean 'mean'?"),
        (["--pool", "meen"], "Did you mean 'mean'?"),
        (["--watch", "."], "one of the two"),
        (["--device", "cuda:9"], "no device 'cuda:9' here"),
    ],
)
def test_a_wrong_request_is_one_line(line: Path, predict: Predict, arguments: list[str], reason: str) -> None:
    result = predict(line / "parts" / "test", *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_nothing_to_judge_is_refused(predict: Predict) -> None:
    assert "expected images or folders to judge, or --watch" in predict().stderr
    assert "--watch '/absent' is not a folder" in predict("--watch", "/absent").stderr


def test_a_model_is_found_in_the_store_by_name_beginning_or_trial_id(line: Path, dots_plugin: Path) -> None:
    directory = model_of(line, "mean_image")
    ask = ["--store", line / "runs", "--plugin", dots_plugin, line / "parts" / "test", "--format", "json"]
    answers = {
        CliRunner().invoke(main, ["predict", model, *map(str, ask)]).stdout
        for model in (str(directory), directory.name, "parts-mean", read(directory).id)
    }
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) == 6


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("parts-", "'parts-' is the beginning of 3 models in"),
        ("parts-mean_imago-seed0", "Did you mean 'parts-mean_image-seed0-"),
        ("", "'' is the beginning of 3 models in"),
        ("../models", "no model '../models'"),
    ],
)
def test_what_names_no_model_or_several_is_refused(line: Path, model: str, reason: str) -> None:
    result = CliRunner().invoke(main, ["predict", model, str(line), "--store", str(line / "runs")])
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_damaged_model_is_refused_in_one_line(line: Path, tmp_path: Path, dots_plugin: Path) -> None:
    copied = shutil.copytree(model_of(line, "mean_image"), tmp_path / "model")
    weights = copied / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    result = CliRunner().invoke(main, ["predict", str(copied), str(tmp_path), "--plugin", str(dots_plugin)])
    assert result.exit_code == 2
    assert "weights.safetensors' is not what was written" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_plugin_is_one_line(line: Path, predict: Predict) -> None:
    result = predict(line / "parts" / "test", plugin=False)
    assert result.exit_code == 2
    assert "needs model 'mean_image'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_heat_maps_keep_the_shape_of_the_image_and_glow_where_the_spot_is(
    line: Path, predict: Predict, tmp_path: Path
) -> None:
    photo(7, spot=True, width=80, height=36).save(tmp_path / "wide.jpg", quality=100)
    result = predict(
        line / "parts" / "test", tmp_path / "wide.jpg", "--heat-maps", tmp_path / "heat", "--format", "json"
    )
    assert result.exit_code == 0, result.output
    paths = [Path(str(row["heat_map"])).relative_to(tmp_path / "heat").as_posix() for row in rows_of(result)]
    assert paths[0] == "test/good/0.png"
    assert paths[-1] == "wide.jpg.png"
    image, heat = (
        np.asarray(Image.open(path).convert("RGB")).astype(int)
        for path in (line / "parts" / "test" / "spot" / "0.png", tmp_path / "heat" / "test" / "spot" / "0.png")
    )
    assert heat.shape == image.shape
    changed = np.abs(heat - image).max(axis=2)
    assert changed[9:15, 9:15].min() > 50
    assert np.median(changed[22:, 22:]) < 25
    with Image.open(tmp_path / "heat" / "wide.jpg.png") as wide:
        assert wide.size == (80, 36)
        assert wide.format == "PNG"


def test_images_of_one_name_have_heat_maps_of_their_own(line: Path, predict: Predict, tmp_path: Path) -> None:
    test = line / "parts" / "test"
    result = predict(test / "good" / "0.png", test / "spot" / "0.png", "--heat-maps", tmp_path, "--format", "json")
    assert [Path(str(row["heat_map"])).name for row in rows_of(result)] == ["0.png", "0-2.png"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0-2.png", "0.png"]


def test_heat_maps_of_a_jpg_and_of_a_png_called_after_it_are_two_files(predict: Predict, tmp_path: Path) -> None:
    photo(1).save(tmp_path / "a.jpg")
    photo(2).save(tmp_path / "a.jpg.png")
    rows = rows_of(predict(tmp_path, "--heat-maps", tmp_path / "heat", "--format", "json"))
    assert len({row["heat_map"] for row in rows}) == 2
    assert all(Path(str(row["heat_map"])).is_file() for row in rows)


def test_links_are_judged_like_the_files_they_lead_to_and_what_is_no_image_is_counted(
    predict: Predict, tmp_path: Path
) -> None:
    (tmp_path / "in" / "@eaDir").mkdir(parents=True)
    (tmp_path / "camera").mkdir()
    photo(1).save(tmp_path / "camera" / "1.png")
    photo(2).save(tmp_path / "in" / "@eaDir" / "thumbnail.png")
    (tmp_path / "in" / "today").symlink_to(tmp_path / "camera")
    (tmp_path / "in" / "2.png").symlink_to(tmp_path / "camera" / "1.png")
    (tmp_path / "in" / "notes.txt").touch()
    result = predict(tmp_path / "in", "--format", "json")
    assert [Path(str(row["image"])).relative_to(tmp_path).as_posix() for row in rows_of(result)] == [
        "in/2.png",
        "in/today/1.png",
    ]
    assert "2 images" in result.stderr
    assert "Passed over: 1 x folder of a system or storage device, 1 x no image by its name (.txt)" in result.stderr


@pytest.mark.parametrize("target", ["nowhere.png", "lost.png"])
def test_a_link_that_leads_nowhere_is_an_image_that_could_not_be_read(
    predict: Predict, tmp_path: Path, target: str
) -> None:
    photo(1).save(tmp_path / "1.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / target)
    result = predict(tmp_path, "--format", "json", "--fail-on-anomaly")
    assert result.exit_code == 3 or "anomalous" in result.stdout
    assert f"{tmp_path}/lost.png: link that leads" in result.stderr


def test_heat_maps_below_the_images_are_not_judged_the_next_time(predict: Predict, tmp_path: Path) -> None:
    photo(1).save(tmp_path / "a.png")
    for _ in range(2):
        result = predict(tmp_path, "--heat-maps", tmp_path / "heat", "--format", "json")
        assert len(rows_of(result)) == 1


def test_a_model_without_maps_says_so_once(line: Path, predict: Predict, tmp_path: Path) -> None:
    result = predict(line / "parts" / "test", "--heat-maps", tmp_path / "heat", model="brightest")
    assert result.exit_code == 0
    assert result.stderr.count("model 'brightest' has no maps") == 1
    assert not (tmp_path / "heat").exists()


def test_a_heat_map_that_cannot_be_written_costs_no_decision(line: Path, predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "heat").write_text("a file")
    result = predict(line / "parts" / "test", "--heat-maps", tmp_path / "heat", "--format", "json")
    assert result.exit_code == 3
    assert [row["decision"] for row in rows_of(result)].count("unreadable") == 0
    assert "cannot be written" in result.stderr


def test_predictions_come_before_all_files_are_read(line: Path, dots_plugin: Path) -> None:
    asked = []

    def endless() -> Iterator[Found]:
        for number in itertools.count():
            asked.append(number)
            yield Found(line / "parts" / "train" / "good" / "0.png", Path(f"{number}.png"))

    detector = load(model_of(line, "mean_image"), Registry.discover([dots_plugin]))
    assert next(predict_files(detector, endless())).name == Path("0.png")
    assert len(asked) <= 3 * BATCH


def test_control_characters_of_a_name_do_not_reach_the_terminal(predict: Predict, tmp_path: Path) -> None:
    name = "a\x1b[31mb\nc.png"
    photo(1).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / name)
    (tmp_path / "bad\x1b[2J.png").write_text("none")
    result = predict(tmp_path)
    assert "\x1b" not in result.stdout + result.stderr
    assert len(result.stdout.splitlines()) == 3


def test_an_image_on_which_the_model_stumbles_is_named_and_its_batch_goes_on(
    line: Path, tmp_path: Path, dots_plugin: Path
) -> None:
    """A plugin that raises, and one that scores no number, where an image is all white."""
    source = (
        dots_plugin.read_text()
        .replace(
            "class Brightest",
            """class Delicate(MeanImage):
    name = "delicate"

    def score(self, images: Images) -> Scores:
        white = (images.pixels == 255).all(axis=(1, 2, 3))
        if white.any() and self.gain == 2:
            raise ZeroDivisionError("all white")
        maps = super().score(images).maps
        return Scores(maps=np.where(white[:, None, None], np.nan, maps))


class Brightest""",
        )
        .replace("[MeanImage, ", "[MeanImage, Delicate, ")
    )
    plugin = tmp_path / "dots.py"
    plugin.write_text(source)
    for name in ("a", "c"):
        photo(1).save(tmp_path / f"{name}.png")
    Image.new("RGB", (40, 36), "white").save(tmp_path / "b.png")
    for gain, reason in ((1, "the score nan, which is not finite"), (2, "ZeroDivisionError: all white")):
        store = tmp_path / f"runs{gain}"
        words = f"run --store {store} --dataset folder --data-root {line}/parts --plugin {plugin} --jobs 1 --device cpu"
        words += f" --models delicate[gain={gain}] --image-size 32 --keep-models"
        assert CliRunner().invoke(main, words.split()).exit_code == 0
        (model,) = (store / "models").iterdir()
        words = f"predict {model} {tmp_path / 'a.png'} {tmp_path / 'b.png'} {tmp_path / 'c.png'} --plugin {plugin}"
        result = CliRunner().invoke(main, [*words.split(), "--format", "json"])
        assert result.exit_code == 3
        a, b, c = rows_of(result)
        assert a["score"] == c["score"] is not None
        assert b["decision"] == "unreadable"
        assert reason in str(b["problem"])
        assert f"{tmp_path / 'b.png'}" in str(b["problem"])
