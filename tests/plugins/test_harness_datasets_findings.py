"""What is odd about a category's files is read as it is meant, and said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness import Finding, Split
from harness_datasets.folders import FolderDataset

Save = Callable[[NDArray[np.uint8], Path], None]
COUNTS = {"train/good": 6, "test/good": 3, "test/bad": 3}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def picture(seed: int, *, bad: bool) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(seed).normal(120, 9, (48, 48))
    if bad:
        pixels[20:28, 20:28] += 100
    return pixels.clip(0, 255).astype(np.uint8)


def plain(pixels: NDArray[np.uint8], file: Path) -> None:
    Image.fromarray(pixels).save(file)


def deep(bits: int) -> Save:
    def save(pixels: NDArray[np.uint8], file: Path) -> None:
        values = pixels.astype(np.uint16) << (bits - 8)
        if file.suffix == ".pgm":  # which Pillow before 11 reads and does not write
            file.write_bytes(b"P5 %d %d 65535\n" % values.shape[::-1] + values.astype(">u2").tobytes())
        else:
            Image.fromarray(values).save(file)

    return save


def parts(root: Path, save: Save = plain, suffix: str = ".png", counts: dict[str, int] = COUNTS) -> Path:
    for place, (folder, count) in enumerate(counts.items()):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            save(picture(100 * place + index, bad=folder == "test/bad"), root / folder / f"{index:03}{suffix}")
    return root


def masks(root: Path, save: Save, name: str = "{}_mask.png", folder: str = "ground_truth/bad") -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(3):
        mask = np.zeros((48, 48), np.uint8)
        mask[20:28, 20:28] = 255
        save(mask, root / folder / name.format(f"{index:03}"))


def load(root: Path, **options: int) -> Split:
    dataset = FolderDataset(**options)
    dataset.root = root
    (category,) = dataset.categories()
    return dataset.load(category, 48)


def named(split: Split, name: str) -> list[Finding]:
    return [finding for finding in split.findings if finding.name == name]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bit_pictures_of_any_sensor_look_as_their_eight_bit_ones(
    tmp_path: Path, bits: int, suffix: str
) -> None:
    eight = load(parts(tmp_path / "eight"))
    split = load(parts(tmp_path / "deep", deep(bits), suffix))
    assert split.depth == bits
    assert (split.train.pixels == eight.train.pixels).all()
    assert (split.test.pixels == eight.test.pixels).all()
    assert [finding.grave for finding in named(split, "depth")] == ([] if bits == 16 else [False])


def test_the_depth_of_the_training_images_serves_the_test_images_and_new_ones(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", deep(12))
    dataset = FolderDataset(depth=12)
    dataset.root = root
    split = dataset.load("own", 48)
    assert split.depth == 12
    dataset.read_depth = split.depth
    again = dataset.read(root / split.test.paths[0], 48)
    assert (again == split.test.pixels[0]).all()


def test_a_depth_that_is_set_is_another_reading_of_the_same_files(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", deep(12))
    assert load(root).fingerprint != load(root, depth=14).fingerprint
    with pytest.raises(ValueError, match="depth is 20: expected 8 to 16 bits, or none"):
        FolderDataset(depth=20)


def test_a_mixture_of_depths_is_grave(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", deep(12))
    plain(picture(1, bad=False), root / "train/good/005.png")
    (finding,) = [one for one in named(load(root), "depth") if one.grave]
    assert finding.examples == ("train/good/005.png",)
    assert finding.sentence.startswith("1 of 12 images have 8 bits")
    root = parts(tmp_path / "other")
    deep(16)(picture(1, bad=False), root / "test/good/000.png")
    (finding,) = [one for one in named(load(root), "depth") if one.grave]
    assert finding.examples == ("test/good/000.png",), "the rarer ones are named"
    assert finding.sentence.startswith("11 of 12 images have 8 bits")


def test_test_images_brighter_than_the_sensor_range_are_grave(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", deep(10))
    deep(16)(picture(1, bad=False), root / "test/good/000.png")
    (finding,) = [one for one in named(load(root), "depth") if one.grave]
    assert finding.examples == ("test/good/000.png",)


def test_colours_under_a_fully_transparent_layer_are_read_and_it_is_said(tmp_path: Path) -> None:
    def clear(pixels: NDArray[np.uint8], file: Path) -> None:
        Image.fromarray(np.dstack([pixels] * 3 + [np.zeros_like(pixels)])).save(file)

    split, opaque = load(parts(tmp_path / "own", clear)), load(parts(tmp_path / "other"))
    assert (split.train.pixels == opaque.train.pixels).all()
    assert [finding.count for finding in named(split, "transparent")] == [12]


@pytest.mark.parametrize("name", ["OK", "Good", "normal", "0", "good "])
def test_a_folder_whose_name_means_good_is_taken_as_good_and_it_is_said(tmp_path: Path, name: str) -> None:
    counts = {f"train/{name}": 6, f"test/{name}": 3, "test/bad": 3}
    split = load(parts(tmp_path / "own", counts=counts))
    assert set(split.test.defects) == {"good", "bad"}
    (finding,) = named(split, "labels")
    assert finding.sentence == f"Images in train/{name} and test/{name} are taken as good."


def test_images_that_lie_in_train_itself_are_taken_as_good(tmp_path: Path) -> None:
    split = load(parts(tmp_path / "own", counts={"train": 6, "test/good": 3, "test/bad": 3}))
    assert len(split.train) == 6
    assert named(split, "labels")[0].examples == ("train",)


def test_nested_folders_are_taken_in_and_loose_or_foreign_files_are_named(tmp_path: Path) -> None:
    root = parts(tmp_path / "own")
    for folder in ("train/good/day2", "test/bad/left"):
        (root / folder).mkdir()
        plain(picture(901, bad=False), root / folder / "1.png")
    plain(picture(902, bad=False), root / "test/loose.png")
    (root / "train/good/raw.nef").touch()
    split = load(root)
    assert "train/good/day2/1.png" in split.train.paths
    assert dict(zip(split.test.paths, split.test.defects, strict=True))["test/bad/left/1.png"] == "bad"
    (finding,) = named(split, "passed over")
    assert finding.count == 2
    assert finding.examples == ("train/good/raw.nef", "test/loose.png")


def test_a_folder_that_belongs_to_the_system_hides_no_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts(tmp_path / "data/own")
    (tmp_path / "data/lost+found").mkdir()
    is_dir = Path.is_dir

    def refused(path: Path) -> bool:  # the tests run as root, whom no rights keep out
        if "lost+found" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    dataset = FolderDataset()
    dataset.root = tmp_path / "data"
    assert dataset.categories() == ("own",)


def soft(mask: NDArray[np.uint8], file: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4, mask.shape, dtype=np.uint8)
    plain(np.maximum(mask, noise), file)


@pytest.mark.parametrize(
    ("save", "name", "said"),
    [
        (plain, "{}_mask.png", False),
        (plain, "{}_GT.PNG", False),
        (plain, "{}.bmp", False),
        (soft, "{}_mask.png", True),
        (lambda mask, file: Image.fromarray(mask).save(file, quality=60), "{}_mask.jpg", True),
        (lambda mask, file: Image.fromarray(np.dstack([mask * 0] * 3 + [mask])).save(file), "{}_mask.png", False),
        (lambda mask, file: plain(mask // 255 * 3, file), "{}_mask.png", False),
    ],
    ids=["two values", "called _GT", "BMP", "noise below", "JPEG", "drawn on a clear layer", "index of a kind"],
)
def test_masks_mark_what_they_are_meant_to_mark(tmp_path: Path, save: Save, name: str, said: bool) -> None:
    root = parts(tmp_path / "own")
    masks(root, save, name)
    split = load(root)
    assert split.test.masks is not None
    assert split.test.masks[split.test.labels].sum(axis=(1, 2)).tolist() == [64, 64, 64]
    assert bool(named(split, "masks")) is said


@pytest.mark.parametrize(
    "folder", ["ground_truth/Bad", "Ground_Truth/bad", "masks/bad", "gt/bad ", "ground_truth", "test/bad"]
)
def test_masks_are_found_in_folders_that_are_called_nearly_so_and_beside_their_images(
    tmp_path: Path, folder: str
) -> None:
    root = parts(tmp_path / "own")
    masks(root, plain, folder=folder)
    split = load(root)
    assert split.test.masks is not None
    assert split.test.masks[split.test.labels].sum(axis=(1, 2)).tolist() == [64, 64, 64]
    assert split.findings == ()


def test_masks_whose_names_fit_no_image_are_named(tmp_path: Path) -> None:
    root = parts(tmp_path / "own")
    masks(root, plain, "mask_{}.png")
    split = load(root)
    assert split.test.masks is None
    (finding,) = named(split, "masks")
    assert finding.sentence.startswith(
        "3 masks belong to no image by name: expected ground_truth/<defect>/NAME_mask.png"
    )
    assert finding.examples[0] == "ground_truth/bad/mask_000.png"


def test_masks_in_one_folder_for_several_kinds_of_defect_are_not_guessed_at(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", counts={**COUNTS, "test/ugly": 3})
    masks(root, plain, folder="ground_truth")
    split = load(root)
    assert split.test.masks is None
    assert named(split, "masks")[0].count == 3


@pytest.mark.parametrize(("kept", "said"), [("with EXIF", False), ("upright", False), ("as the sensor saw it", True)])
def test_masks_of_images_that_exif_turns_lie_where_the_defect_is(tmp_path: Path, kept: str, said: bool) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6

    def wide(pixels: NDArray[np.uint8], file: Path) -> None:
        Image.fromarray(np.hstack([pixels, pixels[:, :16]])).save(file, exif=turned)

    def mask(pixels: NDArray[np.uint8], file: Path) -> None:
        marked = Image.fromarray(np.hstack([pixels, pixels[:, :16] * 0]))
        if kept == "with EXIF":
            marked.save(file, exif=turned)
        else:
            (marked.transpose(Image.Transpose.ROTATE_270) if kept == "upright" else marked).save(file)

    root = parts(tmp_path / "own", wide)
    masks(root, mask)
    split = load(root)
    assert split.test.masks is not None
    bright = split.test.pixels[split.test.labels][..., 0] > 170
    assert (bright == split.test.masks[split.test.labels].astype(bool)).mean() > 0.98
    assert [finding.sentence[:41] for finding in named(split, "masks")] == [
        "3 masks lie as the sensor saw the image, "
    ] * said


def test_what_lies_beside_the_training_images_is_passed_over_and_named(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", counts={**COUNTS, "train/bad": 2})
    plain(picture(902, bad=False), root / "train/loose.png")
    (root / "test/lost").symlink_to(tmp_path / "nowhere")
    split = load(root)
    assert len(split.train) == 6
    (finding,) = named(split, "passed over")
    assert finding.examples == ("test/lost", "train/bad", "train/loose.png")
    assert "1 x link that leads nowhere, 1 x not normal images by its name" in finding.sentence


def test_a_folder_of_defective_images_among_loose_training_images_is_left_out(tmp_path: Path) -> None:
    split = load(parts(tmp_path / "own", counts={"train": 6, "train/NG": 2, "test/good": 3, "test/bad": 3}))
    assert len(split.train) == 6
    assert named(split, "passed over")[0].examples == ("train/NG/000.png", "train/NG/001.png")


def test_pages_beyond_the_first_are_counted(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", suffix=".tif")
    first, second = (Image.fromarray(picture(seed, bad=False)) for seed in (7, 8))
    first.save(root / "train/good/000.tif", save_all=True, append_images=[second])
    (finding,) = named(load(root), "frames")
    assert finding.examples == ("train/good/000.tif",)


def test_findings_and_facts_are_the_same_from_the_cache(tmp_path: Path) -> None:
    root = parts(tmp_path / "own", deep(12))
    cold, warm = load(root), load(root)
    assert cold.findings == warm.findings != ()
    assert cold.depth == warm.depth == 12
    assert cold.train.facts["file_bytes"].tolist() == warm.train.facts["file_bytes"].tolist()
    assert cold.test.facts["width"].tolist() == [48] * 6
    assert cold.test.take(slice(1, 3)).facts["width"].tolist() == [48, 48]


def test_without_test_images_a_category_can_be_loaded(tmp_path: Path) -> None:
    split = load(parts(tmp_path / "own", counts={"train/good": 6}))
    assert (len(split.train), len(split.test)) == (6, 0)
    assert split.test.pixels.shape == (0, 48, 48, 3)
