"""`harness predict --watch`, in a process of its own."""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm_python
from PIL import Image

from harness.deployment.detector import Detector
from harness.deployment.drift import SAVED_S
from harness.deployment.loading import load
from harness.deployment.watching import PATIENCE_S
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.saved_model import ModelFolder
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig

DOTS = Path(__file__).parent.parent / "plugin_files" / "dots.py"
LONG = 30.0
"""Seconds after which a decision is taken to be lost, on a machine however busy."""


def png(seed: int, *, side: int = 64) -> bytes:
    written = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(90, 110, (side, side, 3), dtype=np.uint8)).save(written, "PNG")
    return written.getvalue()


def kept(root: Path, holdout: float) -> Path:
    """The folder of a model that was fitted to the images in `parts`."""
    place = WorkerConfig(data_root=root / "parts", plugin_files=(DOTS,), keep=ModelFolder(root / "models"))
    trial = Trial("folder", "parts", "mean_image", "-", "-", 0, 32, 0, 0, 0.0, holdout, "fp32", "-")
    outcome = Worker(place, Registry.discover([DOTS])).perform(trial, Observer())
    assert outcome.status == "done", outcome.reason
    (directory,) = (root / "models").iterdir()
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model")
    for name in ("train/good/0", "train/good/1", "test/good/2", "test/bent/3"):
        (root / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "parts" / f"{name}.png").write_bytes(png(int(name[-1])))
    return kept(root, holdout=0.0)


@pytest.fixture(scope="module")
def unfitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose limit rests on images that it was not fitted on, so that drift can be looked for."""
    root = tmp_path_factory.mktemp("unfitted")
    for at in range(24):
        (root / "parts" / "train" / "good").mkdir(parents=True, exist_ok=True)
        (root / "parts" / "train" / "good" / f"{at}.png").write_bytes(png(100 + at))
    (root / "parts" / "test" / "bent").mkdir(parents=True)
    (root / "parts" / "test" / "bent" / "0.png").write_bytes(png(99))
    return kept(root, holdout=0.5)


class Watcher:
    """A `harness predict --watch` at work."""

    def __init__(self, model: Path, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "harness", "predict", model, "--watch", folder, "--plugin", DOTS]
        self.process = warm_python.Popen(
            [*command, "--device", "cpu", "--format", "json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.rows: queue.Queue[dict[str, object]] = queue.Queue()
        self.told: list[str] = []
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        out, err = self.process.stdout, self.process.stderr
        ready = threading.Event()

        def hear() -> None:
            for line in err:
                self.told.append(line)
                if line.startswith("Watching"):
                    ready.set()

        self._threads = [
            threading.Thread(target=lambda: [self.rows.put(json.loads(line)) for line in out]),
            threading.Thread(target=hear),
        ]
        for thread in self._threads:
            thread.start()
        assert ready.wait(LONG)

    def next(self, within: float = LONG) -> tuple[str, str]:
        row = self.rows.get(timeout=within)
        return Path(str(row["image"])).name, str(row["decision"])

    def silent(self, seconds: float) -> bool:
        time.sleep(seconds)
        return self.rows.empty()

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(LONG)
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "camera").mkdir()
    return tmp_path / "camera"


@pytest.fixture
def watcher(model: Path, folder: Path) -> Iterator[Watcher]:
    watcher = Watcher(model, folder)
    yield watcher
    if watcher.process.poll() is None:
        watcher.stop(signal.SIGKILL)


def test_images_that_are_there_come_first_in_order_and_then_each_as_it_arrives(model: Path, folder: Path) -> None:
    for index in (3, 1, 2):
        (folder / f"{index}.png").write_bytes(png(index))
    watcher = Watcher(model, folder)
    assert [watcher.next()[0] for _ in range(3)] == ["1.png", "2.png", "3.png"]
    (folder / "0.png").write_bytes(png(4))
    assert watcher.next()[0] == "0.png"
    (folder / "deep").mkdir()
    (folder / "deep" / "9.png").write_bytes(png(5))
    assert watcher.next()[0] == "9.png"
    assert watcher.stop(signal.SIGTERM) == 143


def test_a_file_written_in_pieces_is_judged_once_and_when_it_is_whole(watcher: Watcher, folder: Path) -> None:
    data = png(1, side=200)
    with (folder / "slow.png").open("wb") as file:
        for start in range(0, len(data), len(data) // 8 + 1):
            assert watcher.rows.empty()
            file.write(data[start : start + len(data) // 8 + 1])
            file.flush()
            time.sleep(0.1)
    assert watcher.next() == ("slow.png", "anomalous")
    assert watcher.silent(0.5)


def test_a_file_renamed_into_place_is_judged_and_its_temporary_name_is_not(watcher: Watcher, folder: Path) -> None:
    (folder / ".a.png").write_bytes(png(1))
    (folder / "b.png.part").write_bytes(png(2))
    assert watcher.silent(0.3)
    (folder / ".a.png").rename(folder / "a.png")
    assert watcher.next()[0] == "a.png"
    (folder / "b.png.part").rename(folder / "b.png")
    assert watcher.next()[0] == "b.png"


def test_a_text_called_png_is_reported_once_and_holds_nobody_up(watcher: Watcher, folder: Path) -> None:
    started = time.monotonic()
    (folder / "text.png").write_text("no image")
    (folder / "good.png").write_bytes(png(1))
    assert watcher.next()[0] == "good.png"
    assert watcher.next() == ("text.png", "unreadable")
    assert time.monotonic() - started >= PATIENCE_S
    assert watcher.silent(0.3)
    assert sum("text.png is not an image" in line for line in watcher.told) == 1


def test_a_file_reported_as_unreadable_is_judged_when_it_is_mended(watcher: Watcher, folder: Path) -> None:
    data = png(1)
    (folder / "late.png").write_bytes(data[:100])
    assert watcher.next() == ("late.png", "unreadable")
    (folder / "late.png").write_bytes(data)
    assert watcher.next()[0] == "late.png"


def test_files_that_vanish_are_passed_over(watcher: Watcher, folder: Path) -> None:
    for index in range(30):
        (folder / f"{index}.png").write_bytes(png(index)[: 200 if index % 2 else None])
        (folder / f"{index}.png").unlink()
    (folder / "half.png").write_bytes(png(98)[:200])
    time.sleep(0.5)  # long enough to be looked at, and not to be given up
    (folder / "half.png").unlink()
    (folder / "stays.png").write_bytes(png(99))
    while watcher.next()[0] != "stays.png":
        pass
    assert watcher.silent(PATIENCE_S + 0.3)
    assert watcher.process.poll() is None


def test_a_name_that_comes_again_with_another_image_is_judged_again(watcher: Watcher, folder: Path) -> None:
    for seed in (1, 2):
        (folder / "new").write_bytes(png(seed))
        (folder / "new").rename(folder / "latest.png")
        assert watcher.next()[0] == "latest.png"
    (folder / "latest.png").write_bytes(png(3))
    assert watcher.next()[0] == "latest.png"
    (folder / "latest.png").touch()
    assert watcher.silent(0.4)


def test_a_folder_that_goes_away_and_comes_back_is_watched_again(watcher: Watcher, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    assert watcher.next() == ("camera", "unreadable")
    assert watcher.silent(0.3)
    folder.mkdir()
    (folder / "a.png").write_bytes(png(1))
    assert watcher.next()[0] == "a.png"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_cleanly_and_says_what_it_did(watcher: Watcher, folder: Path, number: int, code: int) -> None:
    (folder / "a.png").write_bytes(png(1))
    watcher.next()
    assert watcher.stop(number) == code
    assert watcher.told[0].startswith("harness: no drift is looked for: the limit was set on images that the model")
    assert watcher.told[1].startswith(f"Watching {folder}")
    assert watcher.told[-1].startswith("Stopped. 1 image: ")
    assert "Traceback" not in "".join(watcher.told)


def test_heat_maps_in_the_watched_folder_are_not_judged(model: Path, folder: Path) -> None:
    watcher = Watcher(model, folder, "--heat-maps", str(folder / "heat"))
    (folder / "a.png").write_bytes(png(1))
    assert watcher.next()[0] == "a.png"
    assert (folder / "heat" / "a.png").is_file()
    assert watcher.silent(0.5)
    assert watcher.stop(signal.SIGTERM) == 143


def test_scores_are_those_that_files_have_without_watching(watcher: Watcher, folder: Path, model: Path) -> None:
    detector: Detector = load(model, Registry.discover([DOTS]))
    for index in range(40):
        (folder / f"{index:02}.png").write_bytes(png(index))
    found = {}
    while len(found) < 40:
        row = watcher.rows.get(timeout=LONG)
        found[Path(str(row["image"])).name] = row["score"]
    for name, score in found.items():
        assert score == detector.decide(detector.read(folder / name)[None]).scores[0]


def test_a_pipe_among_the_images_blocks_nothing(watcher: Watcher, folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "a.png").write_bytes(png(1))
    assert watcher.next()[0] == "a.png"


def test_what_is_known_of_drift_survives_being_killed_and_each_image_is_counted_once(
    unfitted: Path, folder: Path
) -> None:
    def arrive(watcher: Watcher, numbers: range) -> int:
        """How many of these images are called normal; they are there once the watcher has told."""
        for at in numbers:
            (folder / f"{at:02}.png").write_bytes(png(200 + at))
        return [watcher.next()[1] for _ in numbers].count("normal")

    def state() -> dict[str, Any]:
        """What the file of the state says; nothing was counted where it is not written yet."""
        files = list(unfitted.parent.glob(f".{unfitted.name}.drift-*.json"))
        return dict(json.loads(files[0].read_text())) if files else {"counted": 0}

    def counted() -> int:
        return int(state()["counted"])

    first = Watcher(unfitted, folder)
    normal = arrive(first, range(12))
    time.sleep(SAVED_S + 0.2)
    while True:  # the next normal image lets the state be written
        (folder / f"{12 + (more := len(list(folder.iterdir())) - 12):02}.png").write_bytes(png(212 + more))
        if first.next()[1] == "normal":
            break
    normal += 1
    deadline = time.monotonic() + LONG
    while counted() < normal and time.monotonic() < deadline:
        time.sleep(0.05)
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert counted() == normal
    assert not [file for file in unfitted.parent.iterdir() if "tmp" in file.name]
    judged = len(list(folder.iterdir()))
    for at in range(50, 58):  # while nobody is there
        (folder / f"{at}.png").write_bytes(png(200 + at))
    second = Watcher(unfitted, folder)
    rows = [second.next() for _ in range(judged + 8)]
    assert second.stop(signal.SIGTERM) == 143
    new = [decision for name, decision in rows if int(name[:2]) >= 50].count("normal")
    assert new > 0
    assert counted() == normal + new, "those that were counted before the kill are not counted again"
    assert len(state()["scores"]) > normal + new, "calibration scores, and those of all images"
