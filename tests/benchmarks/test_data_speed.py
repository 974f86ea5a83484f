"""Image files to pixels: the first start decodes them, every later one maps what the first kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import Dataset, Images, Split
from harness.audit import audit
from harness.plugin.registry import Registry

SIDE, SIZE = 700, 256
"""Of the files, and of the pixels that are made of them; MVTec AD's files are 700 to 1024 wide."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category of 400 PNG files."""
    root = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(0)
    texture = rng.normal(128, 20, (SIDE + 400, SIDE, 3)).clip(0, 255).astype(np.uint8)
    for number in range(400):
        folder = root / ("train/good" if number < 300 else "test/good" if number < 350 else "test/scratch")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(texture[number : number + SIDE]).save(folder / f"{number:03}.png", compress_level=1)
    return root


def load(root: Path, cache: Path) -> Split:
    """The category, as far as a fit needs it: with its fingerprint and a first batch."""
    dataset = Registry.discover().make(Dataset, "folder")
    dataset.root = root
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(cache))
        split = dataset.load(dataset.categories()[0], SIZE)
    assert split.fingerprint
    assert split.train.take(np.arange(16)).pixels.any()
    return split


def few(parts: Path, folder: Path, n: int) -> Path:
    """Every so manieth file, as links, so that each split has some."""
    for file in sorted(parts.rglob("*.png"))[:: 400 // n]:
        link = folder / file.relative_to(parts)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return folder


def test_first_start_on_all_cores_against_one(figures, parts: Path, tmp_path: Path) -> None:
    root, caches = few(parts, tmp_path / "few", 100), count()
    cores = os.sched_getaffinity(0)

    def all_cores() -> Split:
        return load(root, tmp_path / f"cache{next(caches)}")

    def one_core() -> Split:
        os.sched_setaffinity(0, {min(cores)})
        try:
            return all_cores()
        finally:
            os.sched_setaffinity(0, cores)

    what = f"first start on 100 files of {SIDE}x{SIDE}, on all cores against one"
    ours, theirs = figures.race(what, all_cores, one_core, at_least=0.8 * len(cores), rounds=3)
    assert ours.fingerprint == theirs.fingerprint


def test_second_start(figures, parts: Path, tmp_path: Path) -> None:
    load(parts, tmp_path)
    what = "second start on 400 files, to the first batch"
    assert len(figures.time(what, lambda: load(parts, tmp_path), at_most=0.1, rounds=10).train) == 300


@pytest.mark.parametrize("n", [25, 100, 400])
def test_how_a_first_start_grows_with_the_number_of_files(figures, parts: Path, tmp_path: Path, n: int) -> None:
    root, caches = few(parts, tmp_path / "few", n), count()
    what = f"first start on {n} files"
    assert figures.time(what, lambda: load(root, tmp_path / f"cache{next(caches)}"), rounds=2).test


def test_what_the_audit_of_10000_images_adds_to_decoding_them(figures, parts: Path, tmp_path: Path) -> None:
    """In CPU seconds. Decoding grows with the number of files, so 400 are decoded; the search for pairs does not."""
    caches, split = count(), many(10_000)

    def decoded() -> Split:
        return load(parts, tmp_path / f"cache{next(caches)}")

    rounds = [(10_000 / 400 * cpu_seconds(decoded), cpu_seconds(lambda: audit(split))) for _ in range(3)]
    decoding, looking = (min(column) for column in zip(*rounds, strict=True))
    what = f"audit of 10,000 images, against decoding as many files of {SIDE}x{SIDE}"
    figures.add(
        what, looking, decoding, f"{looking / decoding:.1%} more", "at most 10 % more", looking <= decoding / 10
    )


def many(n: int) -> Split:
    """Pictures that all differ, in the memory of one: each is a row further down the same texture."""
    texture = np.random.default_rng(0).normal(128, 20, (SIZE + n, SIZE, 3)).clip(0, 255).astype(np.uint8)
    row, column, channel = texture.strides
    pixels = np.lib.stride_tricks.as_strided(texture, (n, SIZE, SIZE, 3), (row, row, column, channel), writeable=False)
    names, most = tuple(f"{at}.png" for at in range(n)), n * 3 // 4
    kinds = tuple("bad" if at % 2 else "good" for at in range(n - most))
    return Split(Images(pixels[:most], names[:most]), Images(pixels[most:], names[most:], kinds))


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
