"""Judging image files: each gets a score and a decision, or the reason why there is none."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.deployment.detector import Decided, Detector
from harness.deployment.image_files import Found
from harness.errors import HarnessError, error_line, error_text
from harness.images.decoding import path_text
from harness.trials import hardware

BATCH = 16
"""How many images are judged together, unless they are large."""
_PIXELS = 1 << 24
"""So many pixels are judged together at most, or else one image."""

Decide = Callable[[NDArray[np.uint8], tuple[str, ...]], Decided]
"""How images are judged: a method of Detector."""


@dataclass(frozen=True)
class Prediction:
    """The result for one file."""

    file: Path
    name: Path
    """The name that Found gives it."""
    score: float | None = None
    """None where the file could not be judged."""
    anomalous: bool = False
    problem: str = ""
    """Why it could not be judged."""
    p_value: float | None = None
    """The share of normal images, this one counted, that score as high; None where it is not known."""
    map: NDArray[Any] | None = None
    """(H, W), the error at each pixel."""
    pixels: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    """(H, W, 3), as the model saw it; None where the file could not be read."""

    @property
    def decision(self) -> str:
        """One of normal, anomalous, unreadable."""
        if self.score is None:
            return "unreadable"
        return "anomalous" if self.anomalous else "normal"


class Read(NamedTuple):
    """A file, and its pixels or the reason why it has none."""

    file: Path
    name: Path
    pixels: NDArray[np.uint8] | None
    problem: str = ""


def at_once(detector: Detector) -> int:
    """How many images are judged together, so that memory suffices whatever their number."""
    return max(1, min(BATCH, _PIXELS // math.prod(detector.saved.image_shape)))


def predict(detector: Detector, files: Iterable[Found]) -> Iterator[Prediction]:
    """Each file's prediction, in order; files are read ahead by other threads while the model computes."""
    remaining, most = iter(files), at_once(detector)
    with ThreadPoolExecutor(hardware.cores()) as pool:
        waiting: deque[Future[Read]] = deque()

        def refill() -> None:
            waiting.extend(pool.submit(read, detector, file) for file in islice(remaining, 2 * most - len(waiting)))

        try:
            refill()
            while waiting:
                batch = [waiting.popleft().result() for _ in range(min(most, len(waiting)))]
                refill()
                yield from judge(detector.decide, batch)
        finally:
            for future in waiting:
                future.cancel()


def read(detector: Detector, found: Found) -> Read:
    """Read a file as the detector's data set does; whatever goes wrong becomes its `problem`."""
    file, name, problem = found
    if (
        not problem and file.exists() and not file.is_file()
    ):  # reading a pipe would wait until somebody writes to it, perhaps for ever
        problem = f"{path_text(file)} is not a regular file: expected an image"
    if problem:
        return Read(file, name, None, problem)
    try:
        return Read(file, name, detector.read(file))
    except HarnessError as error:
        return Read(file, name, None, str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's data set may raise anything; the other files go on
        return Read(file, name, None, _words(file, error))


def judge(decide: Decide, batch: Sequence[Read]) -> list[Prediction]:
    """Predictions for what was read, in the same order. If a batch fails, its images are judged one by one."""
    readable = [one for one in batch if one.pixels is not None]
    judged: list[Prediction] = []
    for _, group in groupby(readable, key=_shape):
        some = list(group)
        try:
            judged += _decide(decide, some)
        except Exception:  # one image may have a score that is no number, or make a plugin's model fail
            judged += [_decide_alone(decide, one) for one in some]
    rest = iter(judged)
    return [Prediction(one.file, one.name, problem=one.problem) if one.pixels is None else next(rest) for one in batch]


def _shape(one: Read) -> tuple[int, ...]:
    return () if one.pixels is None else one.pixels.shape


def _decide(decide: Decide, images: Sequence[Read]) -> list[Prediction]:
    pixels = [one.pixels for one in images if one.pixels is not None]
    decided = decide(np.stack(pixels), tuple(path_text(one.file) for one in images))
    maps = decided.maps if decided.maps is not None else [None] * len(images)
    shares = decided.p_values.tolist() if decided.p_values is not None else [None] * len(images)
    return [
        Prediction(one.file, one.name, float(score), bool(anomalous), p_value=p, map=errors, pixels=one.pixels)
        for one, score, anomalous, p, errors in zip(
            images, decided.scores, decided.anomalous, shares, maps, strict=True
        )
    ]


def _decide_alone(decide: Decide, image: Read) -> Prediction:
    try:
        return _decide(decide, [image])[0]
    except Exception as error:
        problem = error_text(error) if isinstance(error, HarnessError) else _words(image.file, error)
        return Prediction(image.file, image.name, problem=problem)


def _words(file: Path, error: BaseException) -> str:
    return " ".join(f"{path_text(file)}: {error_line(error)}".split())
