"""`harness submit-maps`: maps of MVTec AD 2's private test images, in the files that its server takes."""

from __future__ import annotations

import shlex
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness.commands import main
from harness.deployment.float_tiff import write_float16


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Category can with private images of 96x64 in two folders, and a model that was kept of it."""
    root = tmp_path_factory.mktemp("ad_2")
    random = np.random.default_rng(0)
    folders = {"train/good": 4, "validation/good": 4, "test_public/good": 1, "test_public/bad": 1}
    for folder, count in {**folders, "test_private": 2, "test_private_mixed": 3}.items():
        (root / "data/can" / folder).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(90, 110, (64, 96, 3), np.uint8)
            if "private" in folder and index == 1:
                pixels[20:40, 60:80] = 250
            light = "mixed" if "mixed" in folder else "regular"
            Image.fromarray(pixels).save(root / "data/can" / folder / f"{index:03}_{light}.png")
    truth = root / "data/can/test_public/ground_truth/bad"
    truth.mkdir(parents=True)
    Image.fromarray(np.full((64, 96), 255, np.uint8)).save(truth / "000_regular_mask.png")
    harness.run(
        models="gaussian", encoders="conv", dataset="mvtec_ad_2", data_root=root / "data", image_size=32,
        store=root / "runs", keep_models=True, quiet=True, floors=False, jobs=1,
    )  # fmt: skip
    return root


def submit(place: Path, *words: str) -> Result:
    asked = ["submit-maps", "can", "--store", str(place / "runs"), "--data-root", str(place / "data"), *words]
    return CliRunner().invoke(main, asked)


def read_float16(file: Path) -> np.ndarray:
    """A strip of a TIFF file by its tags, read without our writer."""
    data = file.read_bytes()
    order, magic, at = struct.unpack_from("<2sHI", data)
    assert (order, magic) == (b"II", 42)
    (count,) = struct.unpack_from("<H", data, at)
    found = [struct.unpack_from("<HHII", data, at + 2 + 12 * index) for index in range(count)]
    tags = {tag: value for tag, _, _, value in found}
    assert [tag for tag, *_ in found] == sorted(tags)
    assert (tags[258], tags[259], tags[277], tags[339]) == (16, 1, 1, 3)
    strip = data[tags[273] : tags[273] + tags[279]]
    return np.frombuffer(strip, "<f2").reshape(tags[257], tags[256])


def test_each_private_image_gets_a_map_and_a_thresholded_one_of_its_own_size(place: Path, tmp_path: Path):
    told = submit(place, "--out", str(tmp_path))
    assert told.exit_code == 0, told.output
    assert "can test_private: 2 maps by gaussian + conv" in told.stderr
    names = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*")}
    private = [f"can/test_private/00{index}_regular" for index in range(2)]
    mixed = [f"can/test_private_mixed/00{index}_mixed" for index in range(3)]
    maps = {f"anomaly_images/{name}.tiff" for name in private + mixed}
    white = {f"anomaly_images_thresholded/{name}.png" for name in private + mixed}
    assert names == maps | white
    values = read_float16(tmp_path / "anomaly_images/can/test_private/001_regular.tiff")
    decided = np.asarray(Image.open(tmp_path / "anomaly_images_thresholded/can/test_private/001_regular.png"))
    assert values.shape == decided.shape == (64, 96)
    usual = np.asarray(Image.open(tmp_path / "anomaly_images_thresholded/can/test_private/000_regular.png"))
    assert set(np.unique(decided)) | set(np.unique(usual)) == {0, 255}
    assert (usual == 0).any()
    assert values[20:40, 60:80].max() > 1
    assert ((values > 1.001) <= (decided == 255)).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 6)])
def test_a_map_is_read_as_it_was_written_and_what_float16_cannot_hold_is_its_largest_number(
    shape: tuple[int, int], tmp_path: Path
):
    values = np.random.default_rng(0).normal(0, 100, shape).astype(np.float32)
    values[0, 0] = 1e9
    write_float16(tmp_path / "a.tiff", values)
    expected = np.clip(values, -65504, 65504).astype(np.float16)
    assert (read_float16(tmp_path / "a.tiff") == expected).all()


def test_other_programs_read_the_maps(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile", reason="pip install tifffile")
    values = np.random.default_rng(0).normal(0, 100, (7, 9)).astype(np.float32)
    write_float16(tmp_path / "a.tiff", values)
    found = tifffile.imread(tmp_path / "a.tiff")
    assert found.dtype == np.float16
    assert (found == values.astype(np.float16)).all()


def test_what_cannot_be_submitted_is_told_in_a_line(place: Path, tmp_path: Path):
    twice = submit(place, "can", "--out", str(tmp_path))
    assert (twice.exit_code, twice.stderr.splitlines()[-1]) == (
        2,
        "harness: can and can are both of can: give one of them",
    )
    moved = tmp_path / "data" / "can"
    (moved / "train/good").mkdir(parents=True)
    asked = ["submit-maps", "can", "--store", str(place / "runs"), "--data-root", str(tmp_path / "data"), "--out", "x"]
    bare = CliRunner().invoke(main, asked)
    assert bare.exit_code == 2
    assert "has no test images without labels of can" in bare.stderr
    assert not Path("x").exists()
    (tmp_path / "file").touch()
    onto = CliRunner().invoke(main, [*asked[:-1], str(tmp_path / "file")])
    assert (onto.exit_code, "is a file" in onto.stderr) == (2, True)


def test_the_command_of_the_readme_writes_a_submission(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    lines = (Path(__file__).parents[2] / "harness/deployment/README.md").read_text().splitlines()
    (words,) = [shlex.split(line)[1:] for line in lines if line.startswith("    harness submit-maps")]
    words = [str(place / "data") if word == "/data/mvtec_ad_2" else word for word in words]
    assert CliRunner().invoke(main, [*words, "--store", str(place / "runs")]).exit_code == 0
    assert len(list(Path("submission").rglob("*.tiff"))) == 5
