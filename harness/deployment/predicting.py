"""What a detector makes of files: a score and a decision, or the reason why there is none."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.deployment.detector import Decided, Detector
from harness.errors import DataError, HarnessError
from harness.images.decoding import form_of, shown
from harness.images.walk import IMAGE_SUFFIXES
from harness.trials import hardware

BATCH = 16
"""Images that are judged together; decisions come so many at a time."""

Decide = Callable[[NDArray[np.uint8], tuple[str, ...]], Decided]
"""How images are judged: a method of Detector."""


@dataclass(frozen=True)
class Prediction:
    """What became of one file."""

    file: Path
    name: Path
    """As in Found."""
    score: float | None = None
    """None where the file could not be judged."""
    anomalous: bool = False
    problem: str = ""
    """Why it could not be judged."""
    map: NDArray[Any] | None = None
    """(H, W), the error at each pixel."""

    @property
    def decision(self) -> str:
        """One of normal, anomalous, unreadable."""
        if self.score is None:
            return "unreadable"
        return "anomalous" if self.anomalous else "normal"


class Found(NamedTuple):
    """A file to judge, and where heat maps of it belong."""

    file: Path
    name: Path
    """Relative, and no other one's: what a file about it may be called."""
    problem: str = ""
    """Of a folder: why it gives no files."""


class Read(NamedTuple):
    """A file, and its pixels or the reason why it has none."""

    file: Path
    name: Path
    pixels: NDArray[np.uint8] | None
    problem: str = ""


def find_images(places: Sequence[Path], leave_out: Path | None = None) -> Iterator[Found]:
    """Files as they are given, and the images of folders, sorted, at any depth, hidden ones left out.

    The folder `leave_out` is passed over.
    """
    taken: set[Path] = set()
    for place in places:
        base, count = Path(place.resolve().name), 1
        while base in taken:
            count += 1
            base = Path(f"{place.resolve().stem}-{count}{place.resolve().suffix}")
        taken.add(base)
        if not place.is_dir():
            yield Found(place, base)
            continue
        count = 0
        for found in walk(place, base, leave_out and leave_out.resolve()):
            count += 1
            yield found
        if not count:
            yield Found(place, base, f"folder {shown(place)} holds no image: expected {', '.join(IMAGE_SUFFIXES)}")


def walk(folder: Path, name: Path, leave_out: Path | None = None) -> Iterator[Found]:
    """The images below one folder, named below `name`, without the folder `leave_out`, which is resolved."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted((e for e in listed if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, name, f"folder {shown(folder)} cannot be listed: {error.strerror}")
        return
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            if leave_out is None or path.resolve() != leave_out:
                yield from walk(path, name / entry.name, leave_out)
        elif path.suffix.lower() in IMAGE_SUFFIXES and entry.is_file():
            yield Found(path, name / entry.name)


def predict(detector: Detector, files: Iterable[Found]) -> Iterator[Prediction]:
    """Each file's prediction, in order; files are read ahead by other threads while the model computes."""
    remaining = iter(files)
    with ThreadPoolExecutor(hardware.cores()) as pool:
        waiting: deque[Future[Read]] = deque()

        def refill() -> None:
            waiting.extend(pool.submit(read, detector, file) for file in islice(remaining, 2 * BATCH - len(waiting)))

        try:
            refill()
            while waiting:
                batch = [waiting.popleft().result() for _ in range(min(BATCH, len(waiting)))]
                refill()
                yield from judge(detector.decide, batch)
        finally:
            for future in waiting:
                future.cancel()


def read(detector: Detector, found: Found) -> Read:
    """A file as the detector's data set reads it; whatever goes wrong becomes the problem."""
    file, name, problem = found
    if not problem and file.exists() and not file.is_file():  # nobody may ever write into a pipe
        problem = f"{shown(file)} is not a regular file: expected an image"
    if problem:
        return Read(file, name, None, problem)
    try:
        return Read(file, name, detector.read(file))
    except HarnessError as error:
        return Read(file, name, None, str(error))
    except Exception as error:  # a plugin's data set may raise anything; the other files go on
        return Read(file, name, None, _words(file, error))


def judge(decide: Decide, batch: Sequence[Read]) -> list[Prediction]:
    """Predictions for what was read, in its order. Where a batch fails, its images are judged one by one."""
    readable = [one for one in batch if one.pixels is not None]
    try:
        judged = _decide(decide, readable)
    except Exception:  # the score of one may be no number, or a plugin's model may stumble over it
        judged = [_decide_alone(decide, one) for one in readable]
    rest = iter(judged)
    return [Prediction(one.file, one.name, problem=one.problem) if one.pixels is None else next(rest) for one in batch]


def _decide(decide: Decide, images: Sequence[Read]) -> list[Prediction]:
    pixels = [one.pixels for one in images if one.pixels is not None]
    if not pixels:
        return []
    decided = decide(np.stack(pixels), tuple(shown(one.file) for one in images))
    maps = decided.maps if decided.maps is not None else [None] * len(images)
    return [
        Prediction(one.file, one.name, float(score), bool(anomalous), map=errors)
        for one, score, anomalous, errors in zip(images, decided.scores, decided.anomalous, maps, strict=True)
    ]


def _decide_alone(decide: Decide, image: Read) -> Prediction:
    try:
        return _decide(decide, [image])[0]
    except Exception as error:
        problem = str(error) if isinstance(error, HarnessError) else _words(image.file, error)
        return Prediction(image.file, image.name, problem=problem)


def _words(file: Path, error: Exception) -> str:
    return " ".join(f"{shown(file)}: {type(error).__name__}: {error}".split())


class Forms:
    """Notices the first image of another size, and of another mode, than most had that the model was fitted on."""

    def __init__(self, detector: Detector) -> None:
        saved = detector.saved
        self._usual = {"size": saved.sizes[:1], "mode": saved.modes[:1]}
        self._size = saved.trial.image_size

    def remark(self, file: Path) -> str:
        """What to say of a file; empty where it is as usual, or where its like was named before."""
        if not any(self._usual.values()):
            return ""
        forms: dict[str, str] = {}
        with suppress(DataError):
            width, height, mode = form_of(file)
            forms = {"size": f"{width}x{height}", "mode": mode}
        odd = [kind for kind, form in forms.items() if self._usual[kind] and form != self._usual[kind][0]]
        if not odd:
            return ""
        here = " ".join(forms[kind] for kind in odd)
        usual = " ".join(self._usual[kind][0] for kind in odd)
        for kind in odd:
            self._usual[kind] = ()
        return (
            f"{shown(file)} is {here}, most images of the data set that the model was fitted on are {usual}: "
            f"it is made RGB and resized to {self._size}x{self._size} as at the fit; others like it are not named"
        )
