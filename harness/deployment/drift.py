"""Whether images called normal still look like those that the limit was set on, and if not, since when."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray
from harness.audit.statistics import NAMES, statistics_of
from harness.deployment.detector import Detector
from harness.deployment.predicting import Prediction
from harness.errors import ModelError
from harness.files import write_text
from harness.images.decoding import path_text
from harness.metrics.exchangeability import Evidence, Ranks
from harness.trials import typed

ALARM = 10_000
"""Normal images in which there is one false alarm at most, on average."""
SAVED_S = 5.0
"""Seconds between two writes of the state. What a power cut loses is judged and counted again."""
_FORMAT = 1
_MOVED = 1.0
"""How many standard deviations a statistic must have moved on average to be named."""


@dataclass
class Since:
    """The images since a moment at which a change may have begun."""

    first: str = ""
    """The first of them."""
    count: int = 0
    statistics: FloatArray = field(default_factory=lambda: np.zeros(len(NAMES)))
    """(10,), the sum of each statistic over them."""


@dataclass
class Drift:
    """Counts images that a detector calls normal, and says once if they have changed.

    Each is ranked among the calibration images below the limit and all images counted before. An alarm stays until the
    state file is deleted.
    """

    detector: Detector
    images: int = ALARM
    """Normal images in which there is one false alarm at most, on average."""
    file: Path | None = None
    """Where the state is kept, so that another process goes on from there."""
    counted: int = 0
    told: str = ""
    """What was said at the alarm; empty before."""
    until: int = 0
    """When the last counted file was changed, in nanoseconds."""
    ranks: Ranks = field(default_factory=Ranks)
    evidence: Evidence = field(default_factory=Evidence)
    since: list[Since] = field(default_factory=lambda: [Since() for _ in Evidence().sums])
    """One for each bet."""
    _saved_at: float = field(default_factory=time.monotonic)
    _resumed_at: int = 0
    """Files changed up to this time were counted by an earlier process."""

    def __post_init__(self) -> None:
        scores = self.detector.saved.calibration[self.detector.pool]
        self.ranks = Ranks.of(scores[scores < self.detector.limit].tolist())  # the limit itself is no fair draw
        if self.file is not None and self.file.exists():
            self._read(self.file)
        self._resumed_at = self.until

    def follow(self, one: Prediction) -> str:
        """Count a prediction if it calls its image normal and was not counted before a restart. Raises ModelError.

        Returns what to tell the user, which is mostly empty.
        """
        if one.score is None or one.anomalous or one.pixels is None:
            return ""
        with suppress(OSError):  # the time of the file's entry, which no copying sets back
            changed = one.file.stat().st_ctime_ns
            if changed <= self._resumed_at:
                return ""
            self.until = max(self.until, changed)
        return self.count(one.score, path_text(one.file), one.pixels)

    def count(self, score: float, name: str, pixels: NDArray[np.uint8]) -> str:
        """Count an image (H, W, 3) called normal; returns what to say, mostly nothing. Raises ModelError."""
        if self.told or score >= self.detector.limit:  # one on the limit has none among the calibration scores to equal
            return ""
        tie = float(np.random.default_rng([zlib.crc32(self.detector.saved.id.encode()), self.counted]).random())
        self.counted += 1
        anew = self.evidence.take(self.ranks.p_of(score, tie))
        statistics = statistics_of(pixels[None])[0]
        for at, begins in enumerate(anew.tolist()):
            if begins:
                self.since[at] = Since()
                continue
            one = self.since[at]
            self.since[at] = Since(one.first or name, one.count + 1, one.statistics + statistics)
        if self.evidence.alarms(self.images):
            self.told = self._alarm()
            self.save()
        elif time.monotonic() - self._saved_at >= SAVED_S:
            self.save()
        return self.told

    def _alarm(self) -> str:
        since = self.since[self.evidence.loudest]
        means = since.statistics / max(since.count, 1)
        return (
            f"the images called normal have changed since {since.first}, {since.count} of {self.counted} images ago: "
            f"their scores {_WAYS[self.evidence.loudest]} those that the limit was set on. "
            f"{_moved(self.detector.saved.statistics, means)}. Look at camera, light and parts; if the change is "
            "meant, fit the detector to new images. Such an alarm is false at most once in "
            f"{self.images:,} normal images on average"
        )

    @property
    def resumed(self) -> str:
        """What to say at the start if an earlier process had an alarm; otherwise empty."""
        if not self.told:
            return ""
        return f"{self.told}. It was said before; delete {path_text(self.file or '')} to begin anew"

    def save(self) -> None:
        """Write the state to its file, if it has one. Raises ModelError."""
        if self.file is None:
            return
        said = {
            **_of(self.detector),
            "images": self.images,
            "counted": self.counted,
            "told": self.told,
            "until": self.until,
            "scores": self.ranks.values,
            "sums": self.evidence.sums.tolist(),
            "gains": self.evidence.gains.tolist(),
            "since": [[one.first, one.count, one.statistics.tolist()] for one in self.since],
        }
        try:
            write_text(self.file, json.dumps(said))
        except OSError as error:
            raise ModelError(
                f"what is known of drift cannot be written to {path_text(self.file)}: {error.strerror or error}"
            ) from error
        self._saved_at = time.monotonic()

    def _read(self, file: Path) -> None:
        """Go on from a stored state. Raises ModelError if the file is damaged or belongs to another model."""
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or found.get("format") != _FORMAT:
                raise ValueError("it is none of this harness")
            other = next((name for name, value in _of(self.detector).items() if found.get(name) != value), None)
            if other is not None:
                raise ValueError(f"its {other} is {found.get(other)!r:.60}, expected {_of(self.detector)[other]!r}")
            self.counted, self.until = (typed.read(found[name], int, name) for name in ("counted", "until"))
            self.told = typed.read(found["told"], str, "told")
            self.ranks = Ranks(sorted(typed.read(found["scores"], tuple[float, ...], "scores")))
            self.evidence = Evidence(*(_numbers(found[name], len(self.since), name) for name in ("sums", "gains")))
            self.since = [
                Since(typed.read(first, str), typed.read(count, int), _numbers(sums, len(NAMES), "since"))
                for first, count, sums in found["since"]
            ]
            if len(self.since) != len(self.evidence.sums):
                raise ValueError("it lacks some bets")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(
                f"what is known of drift in {path_text(file)} cannot be used: {error}; delete it, or give another file"
            ) from error


_WAYS = ("lie above",) * 3 + ("lie below",) * 3 + ("are more spread than", "are less spread than")
"""What each bet of `harness.metrics.exchangeability.bets` says of new scores."""


def state_file(directory: Path, folder: Path, detector: Detector) -> Path:
    """The file for the state of a watch: beside the model, one for each watched folder and limit."""
    apart = "\0".join((str(folder.resolve()), *map(str, _of(detector).values())))
    name = f".{directory.resolve().name}.drift-{zlib.crc32(apart.encode()):08x}.json"
    return directory.resolve().parent / name


def _of(detector: Detector) -> dict[str, Any]:
    """What a state belongs to: it is of no use for another model or another limit."""
    return {"format": _FORMAT, "model": detector.saved.id, "pool": detector.pool, "limit": detector.limit}


def _moved(usual: Mapping[str, tuple[float, ...]], means: FloatArray) -> str:
    """A sentence on the simple statistic that moved furthest, in standard deviations among the fitted images."""
    if not usual:
        return "Which simple statistic has moved is not known, for the model was kept before such were"
    by = {
        name: abs(value - usual[name][0]) / max(usual[name][1], 0.5) for name, value in zip(NAMES, means, strict=True)
    }
    name = max(by, key=lambda one: by[one])
    then, now = usual[name], float(means[NAMES.index(name)])
    if by[name] < _MOVED:
        return "No simple statistic has moved, so look at the images themselves"
    return (
        f"What has moved most is {name}: {now:.1f} on average, and {then[0]:.1f} (± {then[1]:.1f}) in the fitted images"
    )


def _numbers(found: Any, n: int, name: str) -> FloatArray:
    values = np.array(typed.read(found, tuple[float, ...], name), dtype=np.float64)
    if values.shape != (n,) or not np.isfinite(values).all():
        raise ValueError(f"{name} has {values.size} numbers, expected {n} finite ones")
    return values
