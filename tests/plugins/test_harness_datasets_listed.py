"""Data sets whose files are listed: one's own table, Real-IAD's descriptions, and KolektorSDD2's pairs; and MPDD."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import DataError, Dataset
from harness.testing import checks_for
from harness_datasets.kolektor import KolektorSdd2
from harness_datasets.published import Mpdd
from harness_datasets.real_iad import RealIad
from harness_datasets.table import TableDataset


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path).encode()))
    Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)


def mask(path: Path, value: int = 255) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("L", (24, 20))
    drawn.paste(value, (0, 0, 12, 20))
    drawn.save(path)


def at(dataset: Dataset, root: Path) -> Dataset:
    dataset.root = root
    return dataset


ROWS = [
    ("a/1.png", "good", "train", "", "", "bolt"),
    ("a/2.png", "OK", "train", "", "", "bolt"),
    ("a/3.png", "0", "test", "", "", "bolt"),
    ("b/4.png", "anomalous", "test", "crack", "m/4.png", "bolt"),
    ("b/5.png", "ng", "test", "", "m/5.png", "bolt"),
    ("b/6.png", "good", "calibration", "", "", "bolt"),
    ("c/7.png", "normal", "train", "", "", "nut"),
    ("c/8.png", "dent", "test", "", "", "nut"),
]
HEAD = ("Image", " label ", "split", "defect", "mask", "category")


def table(root: Path, rows: list[tuple[str, ...]] = ROWS, delimiter: str = ",") -> Path:
    for row in ROWS:
        image(root / row[0])
        if row[4]:
            mask(root / row[4])
    with (root / "parts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([HEAD, *rows])
    return root


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_says_what_each_image_is(tmp_path: Path, delimiter: str) -> None:
    dataset = at(TableDataset(), table(tmp_path / "data", delimiter=delimiter))
    assert dataset.categories() == ("bolt", "nut")
    split = dataset.load("bolt", 16)
    assert split.train.paths == ("a/1.png", "a/2.png")
    assert dict(zip(split.test.paths, split.test.defects, strict=True)) == {
        "a/3.png": "good",
        "b/4.png": "crack",
        "b/5.png": "defective",
    }
    assert split.test.masks is not None
    assert split.test.masks.any(axis=(1, 2)).tolist() == [False, True, True]
    assert split.calibration is not None
    assert split.calibration.paths == ("b/6.png",)
    other = dataset.load("nut", 16)
    assert (other.train.paths, other.test.defects) == (("c/7.png",), ("dent",))
    assert dataset.load("bolt", 16).fingerprint == split.fingerprint


def test_a_table_passes_the_conformance_checks(tmp_path: Path) -> None:
    dataset = at(TableDataset(), table(tmp_path / "data"))
    for check in checks_for(dataset):
        check(dataset)


def test_a_table_may_be_parquet_and_lack_the_columns_that_are_optional(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed, with which pandas reads Parquet")
    table(tmp_path / "data")
    (tmp_path / "data" / "parts.csv").unlink()
    frame = pandas.DataFrame([row[:3] for row in ROWS], columns=["image", "label", "split"])
    frame.to_parquet(tmp_path / "data" / "parts.parquet")
    dataset = at(TableDataset(), tmp_path / "data")
    assert dataset.categories() == ("parts",)
    assert len(dataset.load("parts", 16).train) == 3
    frame.loc[2, "image"] = None
    frame.to_parquet(tmp_path / "data" / "parts.parquet")
    with pytest.raises(DataError, match=r"parts\.parquet, row 3: image is empty"):
        dataset.load("parts", 16)
    (tmp_path / "data" / "parts.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"parts\.parquet cannot be read: "):
        dataset.load("parts", 16)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a/9.png", "good", "train", "", "", "bolt"), "there is no file"),
        (("../x.png", "good", "train", "", "", "bolt"), "expected a path below"),
        (("/etc/passwd", "good", "train", "", "", "bolt"), "expected a path below"),
        (("C:\\x.png", "good", "train", "", "", "bolt"), "expected a path below"),
        (("a/1.png", "good", "training", "", "", "bolt"), "split is 'training', expected train, test"),
        (("a/1.png", "", "test", "", "", "bolt"), "label is empty"),
        (("b/4.png", "crack", "train", "", "", "bolt"), "a 'crack' image in train: expected good ones alone"),
        (("a/1.png", "good", "test", "crack", "", "bolt"), "expected no defect for a good image"),
        (("", "good", "test", "", "", "bolt"), "image is empty"),
        (("a/1.png", "good"), "fewer cells than the 6 columns"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path: Path, row: tuple[str, ...], said: str) -> None:
    root = table(tmp_path / "data", [*ROWS[:6], row])
    with pytest.raises(DataError, match=r"parts\.csv, line 8: .*") as caught:
        at(TableDataset(), root).load("bolt", 16)
    assert said in str(caught.value)


def test_a_missing_column_and_two_tables_are_said(tmp_path: Path) -> None:
    root = table(tmp_path / "data")
    (root / "other.csv").write_text("image,label\na/1.png,good\n")
    with pytest.raises(DataError, match=r"several tables \(other\.csv, parts\.csv\): choose one"):
        at(TableDataset(), root).categories()
    with pytest.raises(DataError, match="lacks the column 'split': it has image, label"):
        at(TableDataset(file="other.csv"), root).categories()
    assert at(TableDataset(file="parts.csv"), root).categories() == ("bolt", "nut")


def kolektor(root: Path) -> Path:
    for split, first in (("train", 10000), ("test", 20000)):
        for index in range(4):
            image(root / split / f"{first + index}.png")
            mask(root / split / f"{first + index}_GT.png", value=255 * (index == 3))
    return root


def test_kolektor_sdd2_takes_its_labels_from_masks_and_leaves_defective_training_images_out(tmp_path: Path) -> None:
    dataset = at(KolektorSdd2(), kolektor(tmp_path / "data"))
    split = dataset.load("kolektor_sdd2", 16)
    assert split.train.paths == tuple(f"train/1000{index}.png" for index in range(3))
    assert split.test.defects == ("good", "good", "good", "defect")
    assert "3 of 2085 training images" in split.incomplete
    (finding,) = [one for one in split.findings if one.name == "passed over"]
    assert finding.examples == ("train/10003.png",)
    (tmp_path / "data" / "test" / "20001_GT.png").unlink()
    with pytest.raises(DataError, match=r"20001\.png has no mask: expected 20001_GT\.png beside it"):
        dataset.load("kolektor_sdd2", 16)


def real_iad(root: Path) -> Path:
    listed: dict[str, list[dict[str, object]]] = {"train": [], "test": []}
    for split, kind, number in (("train", "OK", 1), ("train", "OK", 2), ("test", "OK", 3), ("test", "HS", 4)):
        folder = f"{'OK' if kind == 'OK' else f'NG/{kind}'}/S{number:04}"
        name, drawn = f"{folder}/usb_{number}.jpg", None
        image(root / "realiad_256" / "usb" / name)
        if kind != "OK":
            drawn = f"{folder}/usb_{number}.png"
            mask(root / "realiad_256" / "usb" / drawn)
        listed[split].append({"category": "usb", "anomaly_class": kind, "image_path": name, "mask_path": drawn})
    (root / "realiad_jsons" / "realiad_jsons").mkdir(parents=True)
    described = {"meta": {"prefix": "usb/", "normal_class": "OK"}, **listed}
    (root / "realiad_jsons" / "realiad_jsons" / "usb.json").write_text(json.dumps(described))
    return root


def test_real_iad_follows_its_descriptions(tmp_path: Path) -> None:
    dataset = at(RealIad(), real_iad(tmp_path / "data"))
    assert dataset.categories() == ("usb",)
    split = dataset.load("usb", 16)
    assert len(split.train) == 2
    assert split.test.defects == ("scratch", "good")
    assert split.test.masks is not None
    assert split.test.masks.any(axis=(1, 2)).tolist() == [True, False]
    (tmp_path / "data" / "realiad_256" / "usb" / "OK" / "S0002" / "usb_2.jpg").unlink()
    assert dataset.load("usb", 16).incomplete == "usb has 1 of 2 training images"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"anomaly_class": "OK", "image_path": "../x.jpg"}, "usb.json, train 3: image_path is '../x.jpg'"),
        ({"anomaly_class": "HS", "image_path": "x.jpg"}, "usb.json, train 3: anomaly_class is 'HS', expected OK"),
        ("x", "usb.json, train 3: expected an entry with image_path"),
    ],
)
def test_a_wrong_entry_of_real_iad_is_named_with_its_number(tmp_path: Path, entry: object, said: str) -> None:
    root = real_iad(tmp_path / "data")
    file = root / "realiad_jsons" / "realiad_jsons" / "usb.json"
    described = json.loads(file.read_text())
    described["train"].append(entry)
    file.write_text(json.dumps(described))
    with pytest.raises(DataError) as caught:
        at(RealIad(), root).load("usb", 16)
    assert said in str(caught.value)


def test_mpdd_is_laid_out_as_mvtec_ad(tmp_path: Path) -> None:
    for where in ("train/good", "test/good", "test/hole"):
        image(tmp_path / "data" / "tubes" / where / "000.png")
    mask(tmp_path / "data" / "tubes" / "ground_truth" / "hole" / "000_mask.png")
    dataset = at(Mpdd(), tmp_path / "data")
    assert dataset.categories() == ("tubes",)
    assert dataset.load("tubes", 16).test.defects == ("good", "hole")
