"""Each published layout, and one's own folders, on generated trees of the official shape and on real images."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import DataError, Dataset, UsageError
from harness.testing import checks_for
from harness_datasets import harness_datasets
from harness_datasets.folders import FileDataset, FolderDataset
from harness_datasets.loco import MvtecLoco
from harness_datasets.photos import Photos
from harness_datasets.published import MVTEC_AD_COUNTS, Btad, MvtecAd, MvtecAd2
from harness_datasets.table import TableDataset
from harness_datasets.visa import Visa

FILE_DATASETS = [MvtecAd, MvtecAd2, MvtecLoco, Visa, Btad, FolderDataset]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def image(path: Path, width: int = 24, height: int = 20) -> None:
    """An image that no other file equals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(os.fsencode(path)))
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)


def mask(path: Path, box: tuple[int, int, int, int] = (0, 0, 12, 20), value: int = 255, width: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("L", (width, 20))
    drawn.paste(value, box)
    drawn.save(path)


def at(kind: type[Dataset], root: Path | None) -> Dataset:
    dataset = kind()
    dataset.root = root
    return dataset


def mvtec_like(category: Path) -> Path:
    for index in range(3):
        image(category / f"train/good/{index:03}.png")
        image(category / f"test/good/{index:03}.png")
    for kind in ("scratch", "dent"):
        image(category / f"test/{kind}/000.png")
        mask(category / f"ground_truth/{kind}/000_mask.png")
    return category


def btad_like(root: Path) -> Path:
    for name in ("01", "03"):
        image(root / name / "train/ok/0000.bmp")
        image(root / name / "train/ok/0001.bmp")
        image(root / name / "test/ok/0000.bmp")
        image(root / name / "test/ko/0000.bmp")
        mask(root / name / f"ground_truth/ko/0000.{'png' if name == '01' else 'bmp'}")
    return root


def loco_like(root: Path) -> Path:
    category = root / "pushpins"
    image(category / "train/good/000.png")
    image(category / "validation/good/000.png")
    image(category / "test/good/000.png")
    for kind in ("logical_anomalies", "structural_anomalies"):
        image(category / f"test/{kind}/000.png")
        mask(category / f"ground_truth/{kind}/000/000.png", (0, 0, 6, 20), 254)
        mask(category / f"ground_truth/{kind}/000/001.png", (18, 0, 24, 20), 253)
    (category / "defects_config.json").write_text("[]")
    return root


def ad_2_like(root: Path) -> Path:
    category = root / "fruit_jelly"
    image(category / "train/good/000_regular.png")
    image(category / "validation/good/000_regular.png")
    for light in ("regular", "overexposed"):
        image(category / f"test_public/good/000_{light}.png")
        image(category / f"test_public/bad/000_{light}.png")
        mask(category / f"test_public/ground_truth/bad/000_{light}_mask.png")
    image(category / "test_private/000_regular.png")
    image(category / "test_private_mixed/000_mixed.png")
    return root


def visa_like(root: Path) -> Path:
    rows = []
    for index in range(6):
        name = f"candle/Data/Images/Normal/{5 - index:04}.JPG"
        image(root / name)
        rows.append(("candle", "train" if index < 4 else "test", "normal", name, ""))
    for index in range(2):
        name, marks = f"candle/Data/Images/Anomaly/{index:03}.JPG", f"candle/Data/Masks/Anomaly/{index:03}.png"
        image(root / name)
        mask(root / marks, value=1 + index)
        rows.append(("candle", "test", "anomaly", name, marks))
    rows.append(("pcb1", "train", "normal", "pcb1/Data/Images/Normal/0000.JPG", ""))
    (root / "split_csv").mkdir()
    with (root / "split_csv/1cls.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("object", "split", "label", "image", "mask"), *rows])
    return root


TREES = {
    MvtecAd: (lambda root: mvtec_like(root / "bottle").parent, "bottle"),
    MvtecAd2: (ad_2_like, "fruit_jelly"),
    MvtecLoco: (loco_like, "pushpins"),
    Visa: (visa_like, "candle"),
    Btad: (btad_like, "01"),
    FolderDataset: (mvtec_like, "data"),
}


@pytest.mark.parametrize("kind", FILE_DATASETS, ids=lambda kind: kind.name)
def test_every_layout_passes_the_conformance_checks(tmp_path: Path, kind: type[Dataset]) -> None:
    make, category = TREES[kind]
    dataset = at(kind, make(tmp_path / "data"))
    assert category in dataset.categories()
    for check in checks_for(dataset):
        check(dataset)


@pytest.mark.parametrize("kind", harness_datasets(), ids=lambda kind: kind.name)
def test_every_data_set_says_its_licence_source_homepage_and_layout(kind: type[Dataset]) -> None:
    assert kind.licence
    assert kind.source
    assert kind.layout
    of_ones_own = (FolderDataset, TableDataset, Photos)
    assert kind.homepage.startswith("https://") or kind in of_ones_own or not kind.needs_root


def test_mvtec_ad_reads_kinds_names_and_masks(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "bottle")
    split = at(MvtecAd, tmp_path).load("bottle", 24)
    assert split.train.paths == ("train/good/000.png", "train/good/001.png", "train/good/002.png")
    assert split.test.paths[:2] == ("test/dent/000.png", "test/good/000.png")
    assert split.test.defects == ("dent", "good", "good", "good", "scratch")
    assert split.test.masks is not None
    assert split.test.masks.shape == (5, 24, 24)
    assert (split.test.masks.reshape(5, -1).mean(axis=1) == [0.5, 0, 0, 0, 0.5]).all()
    assert split.train.masks is None


def test_mvtec_ad_says_how_far_a_category_is_from_its_official_counts(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "bottle")
    assert at(MvtecAd, tmp_path).load("bottle", 16).incomplete == (
        "bottle has 3 of 209 training images, 3 of 20 good test images, 2 of 63 defective test images"
    )


def test_official_counts_are_those_of_the_facts(shared: Path) -> None:
    with (shared / "facts/mvtec_ad_counts.csv").open(newline="") as file:
        facts = {
            row["category"]: (int(row["train_good"]), int(row["test_good"]), int(row["test_defective"]))
            for row in csv.DictReader(file)
        }
    assert facts == MVTEC_AD_COUNTS


def test_the_real_bottle_is_complete(shared: Path) -> None:
    dataset = at(MvtecAd, shared / "data/mvtec_ad_256")
    assert dataset.categories() == ("bottle", "pill", "screw")
    split = dataset.load("bottle", 32)
    assert split.incomplete == ""
    assert (len(split.train), len(split.test), int(split.test.labels.sum())) == (209, 83, 63)
    assert split.sizes == ("256x256",)
    assert split.test.masks is not None
    assert split.test.masks.any(axis=(1, 2)).tolist() == split.test.labels.tolist()


def test_the_real_toy_category_loads_as_a_folder(shared: Path) -> None:
    dataset = at(FolderDataset, shared / "data/hazelnut_toy")
    assert dataset.categories() == ("hazelnut_toy",)
    split = dataset.load("hazelnut_toy", 32)
    assert (len(split.train), len(split.test), int(split.test.labels.sum())) == (28, 23, 17)
    assert split.sizes == ("512x512", "512x522")
    assert split.test.masks is not None
    assert split.test.masks.any(axis=(1, 2)).tolist() == split.test.labels.tolist()


def test_btad_calls_ok_good_and_takes_masks_of_either_form(tmp_path: Path) -> None:
    dataset = at(Btad, btad_like(tmp_path))
    assert dataset.categories() == ("01", "03")
    for category in dataset.categories():
        split = dataset.load(category, 16)
        assert split.test.defects == ("ko", "good")
        assert split.test.masks is not None
        assert split.test.masks.mean(axis=(1, 2)).tolist() == [0.5, 0]


def test_loco_merges_the_masks_of_an_image_and_sets_validation_apart(tmp_path: Path) -> None:
    split = at(MvtecLoco, loco_like(tmp_path)).load("pushpins", 24)
    assert split.train.paths == ("train/good/000.png",)
    assert split.calibration is not None
    assert split.calibration.paths == ("validation/good/000.png",)
    assert split.test.defects == ("good", "logical_anomalies", "structural_anomalies")
    assert split.test.masks is not None
    assert split.test.masks[1, 0].tolist() == [1] * 6 + [0] * 12 + [1] * 6


def test_mvtec_ad_2_takes_the_public_test_images_only(tmp_path: Path) -> None:
    split = at(MvtecAd2, ad_2_like(tmp_path)).load("fruit_jelly", 24)
    assert split.train.paths == ("train/good/000_regular.png",)
    assert split.calibration is not None
    assert split.calibration.paths == ("validation/good/000_regular.png",)
    assert split.test.defects == ("bad", "bad", "good", "good")
    assert split.test.paths[0] == "test_public/bad/000_overexposed.png"
    assert split.test.masks is not None
    assert split.test.masks.mean(axis=(1, 2)).tolist() == [0.5, 0.5, 0, 0]


def test_visa_follows_its_table_in_the_order_of_paths(tmp_path: Path) -> None:
    dataset = at(Visa, visa_like(tmp_path))
    assert dataset.categories() == ("candle",)
    split = dataset.load("candle", 24)
    assert split.train.paths == tuple(f"Data/Images/Normal/{index:04}.JPG" for index in (2, 3, 4, 5))
    assert split.test.defects == ("anomaly", "anomaly", "good", "good")
    assert split.test.masks is not None
    assert split.test.masks.mean(axis=(1, 2)).tolist() == [0.5, 0.5, 0, 0]
    assert split.incomplete == ""


def test_visa_counts_images_that_its_table_lists_and_that_are_not_there(tmp_path: Path) -> None:
    visa_like(tmp_path)
    (tmp_path / "candle/Data/Images/Normal/0003.JPG").unlink()
    split = at(Visa, tmp_path).load("candle", 16)
    assert split.incomplete == "candle has 3 of 4 training images"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("candle,train,normal", "line 10: expected the columns object, split"),
        ("candle,train,anomaly,candle/a.JPG,", "line 10: split 'train' with label 'anomaly'"),
        ("candle,dev,normal,candle/a.JPG,", "line 10: split 'dev'"),
        ("candle,train,normal,candle/../../secret.JPG,", "'candle/../../secret.JPG' is not in folder 'candle'"),
        ("candle,train,normal,/etc/passwd,", "'/etc/passwd' is not in folder 'candle'"),
    ],
)
def test_a_wrong_row_of_the_visa_table_is_named_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    table = visa_like(tmp_path) / "split_csv/1cls.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:9], row, *lines[9:]]))
    with pytest.raises(DataError) as caught:
        at(Visa, tmp_path).categories()
    assert reason in str(caught.value)


def test_a_visa_table_of_nonsense_is_an_error(tmp_path: Path) -> None:
    table = visa_like(tmp_path) / "split_csv/1cls.csv"
    table.write_bytes(b"\xff\xfe\0\0" * 10)
    with pytest.raises(DataError, match=r"1cls\.csv cannot be read"):
        at(Visa, tmp_path).categories()


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "JPEG", "bmp", "tif", "TIFF", "webp"])
def test_folder_takes_images_of_every_suffix_in_any_case(tmp_path: Path, suffix: str) -> None:
    for place in ("train/good", "test/good", "test/cut"):
        image(tmp_path / f"own/{place}/a.{suffix}")
    mask(tmp_path / "own/ground_truth/cut/a.PNG")
    split = at(FolderDataset, tmp_path / "own").load("own", 16)
    assert split.test.defects == ("cut", "good")
    assert split.test.masks is not None
    assert split.test.masks[0].any()


def test_folder_without_masks_has_none(tmp_path: Path) -> None:
    for place in ("train/good", "test/good", "test/cut"):
        image(tmp_path / f"own/{place}/a.png")
    assert at(FolderDataset, tmp_path / "own").load("own", 16).test.masks is None


def test_folder_holds_several_categories(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "b c")
    mvtec_like(tmp_path / "a")
    (tmp_path / "notes").mkdir()
    dataset = at(FolderDataset, tmp_path)
    assert dataset.categories() == ("a", "b c")
    assert len(dataset.load("b c", 16).train) == 3


def test_a_defective_image_without_its_mask_is_named_when_others_have_one(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "own")
    image(tmp_path / "own/test/dent/007.png")
    with pytest.raises(DataError, match=r"'test/dent/007\.png' in .*own has no mask, while 2 defective images"):
        at(FolderDataset, tmp_path / "own").load("own", 16)


def test_a_mask_that_does_not_fit_its_image_names_both(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "own")
    mask(tmp_path / "own/ground_truth/dent/000_mask.png", width=30)
    with pytest.raises(DataError, match=r"dent/000_mask\.png is 30x20, but its image .*dent/000\.png is 24x20"):
        at(FolderDataset, tmp_path / "own").load("own", 16)


def test_hidden_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "own")
    for name in ("train/good/._000.png", "train/good/Thumbs.db", "test/.ipynb_checkpoints/000.png", "test/notes.txt"):
        path = tmp_path / "own" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"nothing")
    split = at(FolderDataset, tmp_path / "own").load("own", 16)
    assert len(split.train) == 3
    assert set(split.test.defects) == {"good", "scratch", "dent"}


def test_links_that_lead_in_circles_are_not_followed(tmp_path: Path) -> None:
    category = mvtec_like(tmp_path / "own")
    (category / "test/loop").symlink_to(category / "test")
    (category / "train/good/deeper").symlink_to(category / "train/good")
    split = at(FolderDataset, category).load("own", 16)
    assert len(split.train) == 3
    assert "loop" not in split.test.defects
    (finding,) = split.findings
    assert (finding.name, finding.count) == ("passed over", 2)
    assert finding.sentence == "2 files or folders are passed over: 2 x link to a folder that is searched already."


@pytest.mark.parametrize("target", ["007.png", "gone.png"])
def test_a_link_that_leads_nowhere_is_passed_over_and_named(tmp_path: Path, target: str) -> None:
    category = mvtec_like(tmp_path / "own")
    (category / "train/good/007.png").symlink_to(target)
    split = at(FolderDataset, category).load("own", 16)
    assert len(split.train) == 3
    assert [(one.name, one.examples) for one in split.findings] == [("passed over", ("train/good/007.png",))]


def test_a_pipe_called_png_is_passed_over_and_not_waited_for(tmp_path: Path) -> None:
    category = mvtec_like(tmp_path / "own")
    os.mkfifo(category / "train/good/007.png")
    (finding,) = at(FolderDataset, category).load("own", 16).findings
    assert finding.sentence == "1 file or folder is passed over: 1 x no regular file."


def test_names_that_are_not_utf_8_become_text(tmp_path: Path) -> None:
    category = Path(os.fsdecode(os.fsencode(tmp_path) + b"/pr\xfcfling"))
    mvtec_like(category)
    category.joinpath(os.fsdecode(b"test/sch\xf6n")).mkdir()
    image(category / os.fsdecode(b"test/sch\xf6n/na\xefve 1.png"))
    mask(category / os.fsdecode(b"ground_truth/sch\xf6n/na\xefve 1_mask.png"))
    dataset = at(FolderDataset, tmp_path)
    assert dataset.categories() == ("prüfling",)
    split = dataset.load("prüfling", 16)
    assert ("test/schön/naïve 1.png", "schön") in zip(split.test.paths, split.test.defects, strict=True)
    assert split.fingerprint == dataset.load("prüfling", 16).fingerprint


def test_very_long_paths_work(tmp_path: Path) -> None:
    category = mvtec_like(tmp_path.joinpath(*["x" * 200] * 8, "y" * 200))
    split = at(FolderDataset, category).load("y" * 200, 16)
    assert len(split.train) == 3


@pytest.mark.parametrize("kind", FILE_DATASETS, ids=lambda kind: kind.name)
def test_a_missing_root_says_where_to_get_it_and_where_to_put_it(tmp_path: Path, kind: type[FileDataset]) -> None:
    for root, opening in ((None, f"data set '{kind.name}' needs --data-root"), (tmp_path / "gone", "no folder '/")):
        with pytest.raises(UsageError) as caught:
            at(kind, root).categories()
        assert str(caught.value).startswith(opening)
        assert kind.homepage in str(caught.value)
        assert kind.layout in str(caught.value)


@pytest.mark.parametrize("kind", FILE_DATASETS, ids=lambda kind: kind.name)
def test_an_empty_root_is_an_error_that_shows_the_layout(tmp_path: Path, kind: type[FileDataset]) -> None:
    with pytest.raises(DataError) as caught:
        at(kind, tmp_path).categories()
    assert str(tmp_path) in str(caught.value)
    assert kind.layout in str(caught.value)


def test_the_folder_of_one_category_is_answered_with_its_parent(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "bottle")
    with pytest.raises(DataError, match=f"folder of one category, so give its parent, '{tmp_path}'"):
        at(MvtecAd, tmp_path / "bottle").categories()


def test_the_folder_above_is_answered_with_the_one_below(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "mvtec_anomaly_detection/bottle")
    with pytest.raises(DataError, match=r"folder '.*/mvtec_anomaly_detection' holds some"):
        at(MvtecAd, tmp_path).categories()


@pytest.mark.parametrize("kind", [MvtecAd, Visa])
def test_ones_own_images_are_answered_with_the_folder_data_set(tmp_path: Path, kind: type[Dataset]) -> None:
    mvtec_like(tmp_path / "own")
    for root in (tmp_path, tmp_path / "own"):
        with pytest.raises(DataError, match="--dataset folder"):
            at(kind, root).categories()


@pytest.mark.parametrize("kind", FILE_DATASETS, ids=lambda kind: kind.name)
def test_an_unknown_category_is_answered_with_a_suggestion(tmp_path: Path, kind: type[Dataset]) -> None:
    make, category = TREES[kind]
    with pytest.raises(UsageError, match=rf"no category '{category}x'\. Did you mean '{category}'\?"):
        at(kind, make(tmp_path / "data")).load(f"{category}x", 16)


def test_a_category_without_train_good_fails_alone(tmp_path: Path) -> None:
    mvtec_like(tmp_path / "bottle")
    image(tmp_path / "pill/test/good/000.png")
    dataset = at(MvtecAd, tmp_path)
    assert dataset.categories() == ("bottle", "pill")
    with pytest.raises(DataError, match=r"'pill' has no train/good in .*pill'"):
        dataset.load("pill", 16)
    assert len(dataset.load("bottle", 16).train) == 3


@pytest.mark.parametrize(("place", "said"), [("train/good", "training")])
def test_a_category_without_images_says_which_are_missing(tmp_path: Path, place: str, said: str) -> None:
    category = mvtec_like(tmp_path / "bottle")
    for path in (category / place).rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=f"'bottle' has no {said} images"):
        at(MvtecAd, tmp_path).load("bottle", 16)


def test_an_image_listed_twice_is_an_error(tmp_path: Path) -> None:
    table = visa_like(tmp_path) / "split_csv/1cls.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(DataError, match=r"'Data/Images/Normal/0005\.JPG' occurs 2 times"):
        at(Visa, tmp_path).load("candle", 16)
