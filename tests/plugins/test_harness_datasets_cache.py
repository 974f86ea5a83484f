"""Images are decoded once; whatever happens to the cache, the pixels are those of the files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import DataError, Split
from harness_datasets import cache
from harness_datasets.folders import FolderDataset

SIZE = 32


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(folder))
    return folder


@pytest.fixture
def nuts(tmp_path: Path) -> Path:
    """A small category with masks."""
    root = tmp_path / "data" / "nuts"
    draw(root, {"train/good": 5, "test/good": 3, "test/cut": 2})
    for name in ("000_mask.png", "001_mask.png"):
        mask = Image.new("L", (48, 40))
        mask.paste(255, (8, 8, 24, 24))
        (root / "ground_truth/cut").mkdir(parents=True, exist_ok=True)
        mask.save(root / "ground_truth/cut" / name)
    return root


def draw(root: Path, counts: dict[str, int]) -> None:
    for seed, (folder, count) in enumerate(counts.items()):
        rng = np.random.default_rng(seed)
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{index:03}.png")


def load(root: Path, size: int = SIZE) -> Split:
    dataset = FolderDataset()
    dataset.root = root
    return dataset.load(root.name, size)


def content(split: Split) -> str:
    digest = hashlib.sha256()
    for images in (split.train, split.test):
        digest.update(repr((images.paths, images.defects)).encode())
        digest.update(images.pixels.tobytes())
    assert split.test.masks is not None
    digest.update(split.test.masks.tobytes())
    return digest.hexdigest()


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def replace_keeping_state(path: Path, data: bytes) -> None:
    state = path.stat()
    path.write_bytes(data[: state.st_size].ljust(state.st_size, b"\0"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to make every later attempt to decode an image fail: what loads then was not decoded."""

    def refuse(*_: object) -> None:
        raise AssertionError("an image was decoded")

    return lambda: monkeypatch.setattr("harness_datasets.category.read_image", refuse)


def test_a_warm_start_decodes_nothing(nuts: Path, no_decoding: Callable[[], None]) -> None:
    cold = load(nuts)
    no_decoding()
    warm = load(nuts)
    assert content(warm) == content(cold)
    assert warm.fingerprint == cold.fingerprint
    assert warm.sizes == cold.sizes == ("48x40",)


def test_pixels_are_the_same_with_and_without_a_cache(
    nuts: Path, kept_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold, warm = load(nuts), load(nuts)
    nuts.joinpath("a file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(nuts / "a file" / "cache"))
    bare = load(nuts)
    assert content(cold) == content(warm) == content(bare)
    assert cold.fingerprint == warm.fingerprint == bare.fingerprint
    assert len(list(kept_in.iterdir())) == 1


@pytest.mark.parametrize("keep", [0, 1, 1000, -1, -200, -20_000])
def test_a_truncated_cache_file_is_rebuilt(
    nuts: Path, kept_in: Path, keep: int, no_decoding: Callable[[], None]
) -> None:
    before = content(load(nuts))
    file = only_file(kept_in)
    whole = file.read_bytes()
    file.write_bytes(whole[:keep])
    assert content(load(nuts)) == before
    assert file.read_bytes() == whole
    no_decoding()
    assert content(load(nuts)) == before


def test_a_longer_cache_file_is_rebuilt(nuts: Path, kept_in: Path) -> None:
    before = content(load(nuts))
    file = only_file(kept_in)
    file.write_bytes(b"\0" * 100 + file.read_bytes())
    assert content(load(nuts)) == before


@pytest.mark.parametrize("place", ["pixels", "note", "magic", "sums"])
def test_a_cache_file_with_a_damaged_part_is_rebuilt(nuts: Path, kept_in: Path, place: str) -> None:
    before = content(load(nuts))
    file = only_file(kept_in)
    data = bytearray(file.read_bytes())
    at = {"pixels": 5000, "note": len(data) - 60, "magic": len(data) - 18, "sums": len(data) - 2}[place]
    data[at : at + 2] = bytes(255 - value for value in data[at : at + 2])
    file.write_bytes(data)
    split = load(nuts)
    assert content(split) == before
    assert split.sizes == ("48x40",)


def test_a_cache_file_of_another_version_is_rebuilt(nuts: Path, kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(load(nuts))
    ours = only_file(kept_in).read_bytes()
    monkeypatch.setattr(cache, "_MAGIC", b"HARNESS" + bytes([cache.VERSION + 1]))
    load(nuts)
    assert only_file(kept_in).read_bytes() != ours
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_CACHE", str(kept_in))
    assert content(load(nuts)) == before
    assert only_file(kept_in).read_bytes() == ours


def test_a_changed_image_is_decoded_again_in_the_same_file(nuts: Path, kept_in: Path) -> None:
    before = load(nuts)
    Image.new("RGB", (48, 40), (255, 0, 0)).save(nuts / "train/good/002.png")
    after = load(nuts)
    assert (after.train.pixels[2] == [255, 0, 0]).all()
    assert (after.train.pixels[:2] == before.train.pixels[:2]).all()
    assert after.fingerprint != before.fingerprint
    assert only_file(kept_in)


def test_a_change_that_keeps_a_file_s_size_is_seen_by_its_time(nuts: Path) -> None:
    load(nuts)
    path = nuts / "train/good/002.png"
    size = path.stat().st_size
    Image.new("RGB", (48, 40), (255, 0, 0)).save(path)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    assert (load(nuts).train.pixels[2] == [255, 0, 0]).all()


def test_a_change_that_keeps_a_file_s_time_is_seen_by_its_size(nuts: Path) -> None:
    load(nuts)
    path = nuts / "train/good/002.png"
    state = path.stat()
    Image.new("RGB", (48, 40), (255, 0, 0)).save(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (load(nuts).train.pixels[2] == [255, 0, 0]).all()


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_decoded_anew(nuts: Path) -> None:
    first, second = nuts / "train/good/000.png", nuts / "train/good/001.png"
    for path in (first, second):  # uncompressed, so that all files have one size, as cameras' BMP have
        Image.open(path).convert("RGB").save(path.with_suffix(".bmp"))
        path.unlink()
    first, second = first.with_suffix(".bmp"), second.with_suffix(".bmp")
    other = first.with_name("swap")
    os.utime(first, ns=(0, 0))
    os.utime(second, ns=(0, 0))
    before = load(nuts)
    first.rename(other)
    second.rename(first)
    other.rename(second)
    swapped = load(nuts)
    assert swapped.fingerprint != before.fingerprint
    assert (swapped.train.pixels[0] == before.train.pixels[1]).all()
    replace_keeping_state(first, second.read_bytes())
    assert load(nuts).fingerprint not in (before.fingerprint, swapped.fingerprint)


def test_another_pillow_decodes_anew(nuts: Path, kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(nuts)
    before = only_file(kept_in).read_bytes()
    monkeypatch.setattr("PIL.__version__", "1.0")
    load(nuts)
    assert only_file(kept_in).read_bytes() != before


def test_the_fingerprint_follows_content_names_masks_and_nothing_else(
    nuts: Path, kept_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(nuts).fingerprint
    os.utime(nuts / "train/good/000.png", (1, 1))
    assert load(nuts).fingerprint == first
    assert load(nuts, 48).fingerprint == first
    moved = nuts.rename(nuts.with_name("moved"))
    assert load(moved).fingerprint == first

    seen = [first]

    def look() -> None:
        seen.append(load(moved).fingerprint)
        monkeypatch.setenv("HARNESS_CACHE", str(kept_in / str(len(seen))))
        assert load(moved).fingerprint == seen[-1]  # as it is where nothing was kept
        monkeypatch.setenv("HARNESS_CACHE", str(kept_in))

    Image.new("L", (48, 40), 255).save(moved / "ground_truth/cut/000_mask.png")
    look()
    (moved / "train/good/000.png").rename(moved / "train/good/0000.png")
    look()
    (moved / "train/good/0000.png").unlink()
    look()
    (moved / "test/cut").rename(moved / "test/hole")
    (moved / "ground_truth/cut").rename(moved / "ground_truth/hole")
    look()
    assert len(set(seen)) == 5


def test_writing_to_loaded_pixels_does_not_change_the_cache(nuts: Path, kept_in: Path) -> None:
    for _ in ("cold", "warm"):
        split = load(nuts)
        file = only_file(kept_in).read_bytes()
        split.train.pixels[:] = 0
        assert only_file(kept_in).read_bytes() == file


def test_a_split_keeps_its_pixels_while_its_cache_file_is_replaced(nuts: Path) -> None:
    load(nuts)
    split = load(nuts)
    before = split.train.pixels[:1].tobytes()
    Image.new("RGB", (48, 40), (255, 0, 0)).save(nuts / "train/good/002.png")
    assert (load(nuts).train.pixels[2] == [255, 0, 0]).all()
    assert split.train.pixels[:1].tobytes() == before
    assert not (split.train.pixels[2] == [255, 0, 0]).all()


def test_a_damaged_image_fails_by_name_and_leaves_nothing_behind(nuts: Path, kept_in: Path) -> None:
    (nuts / "test/good/001.png").write_bytes(b"")
    (nuts / "test/good/002.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"test/good/001\.png is empty"):
        load(nuts)
    assert list(kept_in.iterdir()) == []


LOAD = """
import hashlib, json, resource, sys
from pathlib import Path
from harness_datasets.folders import FolderDataset
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
def high_water():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
before = high_water()
dataset = FolderDataset()
dataset.root = Path({root!r})
split = dataset.load(dataset.root.name, {size})
grown = high_water() - before
print(json.dumps([hashlib.sha256(split.train.pixels.tobytes()).hexdigest(), split.fingerprint, grown]))
"""


def started(root: Path, size: int = SIZE, limit: int = 0) -> subprocess.Popen[str]:
    script = LOAD.format(root=str(root), size=size, limit=limit)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> tuple[str, str, int]:
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    pixels, fingerprint, grown = json.loads(out)
    return pixels, fingerprint, grown


def test_processes_that_start_at_once_agree_and_leave_one_whole_file(
    nuts: Path, kept_in: Path, no_decoding: Callable[[], None]
) -> None:
    results = [result(process) for process in [started(nuts) for _ in range(4)]]
    assert len({(pixels, fingerprint) for pixels, fingerprint, _ in results}) == 1
    assert only_file(kept_in).suffix == ".pixels"
    no_decoding()
    assert hashlib.sha256(load(nuts).train.pixels.tobytes()).hexdigest() == results[0][0]


def test_a_full_disk_costs_the_cache_and_not_the_run(nuts: Path, kept_in: Path) -> None:
    pixels, fingerprint, _ = result(started(nuts, limit=2000))  # no file may grow beyond 2000 bytes
    assert list(kept_in.iterdir()) == []
    split = load(nuts)
    assert hashlib.sha256(split.train.pixels.tobytes()).hexdigest() == pixels
    assert split.fingerprint == fingerprint


def test_a_read_only_cache_folder_costs_the_cache_and_not_the_run(nuts: Path, kept_in: Path) -> None:
    before = content(load(nuts))
    only_file(kept_in).unlink()
    kept_in.chmod(0o500)
    if os.access(kept_in, os.W_OK):
        pytest.skip("this user may write to read-only folders")
    assert content(load(nuts)) == before
    assert list(kept_in.iterdir()) == []


def test_without_a_home_there_is_no_cache(nuts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    before = content(load(nuts))
    for variable in ("HARNESS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert content(load(nuts)) == before


def test_loading_needs_less_memory_than_the_images_take(tmp_path: Path) -> None:
    root = tmp_path / "many"
    draw(root, {"train/good": 60, "test/good": 2})
    total = 62 * 768 * 768 * 3
    *_, grown = result(started(root, 768))
    assert total > 100e6
    assert grown < 0.4 * total


def test_a_mapping_larger_than_memory_is_possible(tmp_path: Path) -> None:
    length = 2 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with (tmp_path / "sparse").open("w+b") as file:
        try:
            file.truncate(length)
        except OSError:
            pytest.skip("this file system has no sparse files of that size")
        data = cache._mapped(file.fileno(), length)
    assert len(data) == length
    assert data[-1] == 0


def test_half_written_files_of_killed_processes_are_swept_after_a_day(nuts: Path, kept_in: Path) -> None:
    kept_in.mkdir()
    old, new = kept_in / ".harness-old.part", kept_in / ".harness-new.part"
    for part in (old, new):
        part.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    load(nuts)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HARNESS_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/anomaly-harness")),
        ({"HARNESS_CACHE": ""}, Path.home() / ".cache/anomaly-harness"),
    ],
)
def test_the_cache_lies_where_the_environment_says(environ: dict[str, str], expected: Path) -> None:
    assert cache.directory(environ) == expected
