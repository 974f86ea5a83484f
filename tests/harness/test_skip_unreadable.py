"""One picture that cannot be read costs that picture: it is counted, named and recorded. HEIC is read, or named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness.commands import main
from harness.images import heic
from harness.images.decoding import read_image


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(90, 110, (40, 40, 3), dtype=np.uint8))


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A category as MVTec AD's, with a broken training image and a broken mask."""
    for at, name in enumerate(["train/good"] * 5 + ["test/good", "test/bent", "test/bent"]):
        place = tmp_path / "parts" / name
        place.mkdir(parents=True, exist_ok=True)
        picture(at).save(place / f"{at}.png")
        if "bent" in name:
            (tmp_path / "parts" / "ground_truth" / "bent").mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40), 255, np.uint8)).save(
                tmp_path / "parts" / "ground_truth" / "bent" / f"{at}_mask.png"
            )
    (tmp_path / "parts" / "train" / "good" / "broken.png").write_bytes(b"\x89PNG no picture")
    (tmp_path / "parts" / "ground_truth" / "bent" / "7_mask.png").write_bytes(b"")
    return tmp_path / "parts"


def run(parts: Path, *words: object) -> Result:
    shared = [
        "run",
        "--data-root",
        parts,
        "--models",
        "knn",
        "--image-size",
        32,
        "--no-floors",
        "--quiet",
        "--format",
        "json",
    ]
    return CliRunner().invoke(main, [*map(str, [*shared, "--store", parts.parent / "runs", *words])])


def test_a_run_fails_by_default_and_names_the_picture(parts: Path) -> None:
    done = run(parts)
    assert done.exit_code == 3
    assert "broken.png" in done.stderr


@pytest.mark.parametrize("jobs", [1])
def test_it_costs_that_picture_where_asked_and_is_recorded(parts: Path, jobs: int) -> None:
    done = run(parts, "--skip-unreadable", "--jobs", jobs)
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert (row["n_train"], row["n_normal"], row["n_abnormal"]) == (5, 1, 1)
    said = "2 photos cannot be read and are left out: train/good/broken.png, test/bent/7.png"
    assert row["incomplete"] == said
    clean = [
        parts / "train" / "good" / "broken.png",
        parts / "ground_truth" / "bent" / "7_mask.png",
        parts / "test" / "bent" / "7.png",
    ]
    for file in clean:
        file.unlink()
    (again,) = json.loads(run(parts).stdout)
    assert again["trial"] == row["trial"], "the same images are the same trial"


def test_where_no_good_picture_can_be_read_one_says_why(parts: Path) -> None:
    for file in (parts / "train" / "good").iterdir():
        file.write_bytes(b"no picture")
    done = run(parts, "--skip-unreadable")
    assert done.exit_code == 3
    assert "none of the 6 good photos in" in done.stderr
    assert "is not an image" in done.stderr


def as_heic(picture: Image.Image, file: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(picture).save(file, quality=-1)


def test_heic_is_read_where_pillow_heif_is(tmp_path: Path) -> None:
    as_heic(picture(1), tmp_path / "IMG_1.HEIC")
    found = read_image(tmp_path / "IMG_1.HEIC", 40)
    assert np.abs(found.pixels.astype(int) - np.asarray(picture(1))).mean() < 4


def test_a_heic_under_another_name_stays_shut(tmp_path: Path) -> None:
    as_heic(picture(1), tmp_path / "a.heic")
    (tmp_path / "a.heic").rename(tmp_path / "a.jpg")
    with pytest.raises(harness.DataError, match="is not an image"):
        read_image(tmp_path / "a.jpg", 40)


def test_without_pillow_heif_recommend_counts_and_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic, "_registered", lambda: False)
    place = tmp_path / "parts" / "good"
    place.mkdir(parents=True)
    for at in range(5):
        picture(at).save(place / f"{at}.png")
    (place / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    dataset = harness.plugin.registry.Registry.discover().make(harness.Dataset, "photos")
    dataset.root = tmp_path / "parts"
    split = dataset.load("parts", 32)
    (found,) = (one for one in split.findings if one.name == "unreadable")
    assert found.sentence == (
        "1 photo cannot be read and is left out: HEIC takes pillow-heif (pip install 'anomaly-harness[heic]')."
    )
    assert found.examples == ("good/IMG_1.HEIC",)
    with pytest.raises(
        harness.DataError, match=r"is HEIC, which takes pillow-heif: pip install 'anomaly-harness\[heic\]'"
    ):
        read_image(place / "IMG_1.HEIC", 32)


@pytest.fixture
def stored(parts: Path) -> Path:
    done = run(parts, "--skip-unreadable", "--calibrate", "crossfit", "--keep-models", "--models", "gaussian")
    assert done.exit_code == 0, done.output
    return parts.parent / "runs"


def ask(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_what_a_run_left_out_is_left_out_when_it_is_made_judged_or_packed_again(parts: Path, stored: Path) -> None:
    place = ("--data-root", parts, "--store", stored)
    (trial,) = {row["trial"] for row in json.loads(ask("leaderboard", "--store", stored, "--format", "json").stdout)}
    again = ask("reproduce", trial, *place, "--format", "json")
    assert again.exit_code == 0, again.output
    exported = ask("export", "--store", stored, "--out", parts.parent / "rows.jsonl")
    assert exported.exit_code == 0, exported.output
    words = ("--sample", 1, "--seed", 0, "--no-isolate", "--data-root", parts)
    verified = ask("verify", parts.parent / "rows.jsonl", *words)
    assert verified.exit_code == 0, verified.output
    judged = ask("conventions", *place)
    assert judged.exit_code == 0, judged.output
    assert "cannot be read" not in judged.output + again.output
    pytest.importorskip("onnxruntime", reason="onnxruntime is not here: pip install '.[onnx]'")
    (model,) = (stored / "models").iterdir()
    packed = ask("pack", model, "--format", "onnx", "--out", parts.parent / "line.onnx", "--data-root", parts)
    assert packed.exit_code == 0, packed.output


def test_a_picture_that_has_become_unreadable_since_is_named(parts: Path, stored: Path) -> None:
    (trial,) = {row["trial"] for row in json.loads(ask("leaderboard", "--store", stored, "--format", "json").stdout)}
    (parts / "train" / "good" / "0.png").write_bytes(b"\x89PNG cut")
    again = ask("reproduce", trial, "--data-root", parts, "--store", stored)
    assert again.exit_code == 3
    assert "its data has changed: 3 photos cannot be read and are left out: train/good/0.png" in " ".join(
        again.output.split()
    )
