"""Whether one simple number of an image, or of its file, tells classes or splits apart by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.api import BoolArray, Finding, FloatArray, Images, Ranking, Split
from harness.audit.statistics import NAMES
from harness.metrics.intervals import auroc_interval

FAR = 0.8
"""An AUROC whose interval lies above it, or as far below one half, is grave."""
CONFIDENCE = 0.99
_CHANCE = 0.01
"""What is less likely than this by chance, given how many clues are tried, is mentioned."""


@dataclass(frozen=True)
class Clue:
    """One number an image, and how well it tells two groups of images apart."""

    name: str
    auroc: float
    """Chance that an image of the second group has the larger number, from 0 to 1; one half tells nothing."""
    low: float
    high: float

    @property
    def strength(self) -> float:
        """How far it is from telling nothing, from 0 to one half."""
        return abs(self.auroc - 0.5)

    @property
    def grave(self) -> bool:
        """Whether it tells the groups apart by far more than chance."""
        return self.low > FAR or self.high < 1 - FAR


def shortcuts(split: Split, train: FloatArray, test: FloatArray) -> Iterator[Finding]:
    """Clues that tell normal from defective test images, and normal test images from training images.

    The statistics are (N, 10) of training and test images.
    """
    labels = split.test.labels
    at_training = {**dict(zip(NAMES, train.T, strict=True)), **_of_files(split.train)}
    at_test = {**dict(zip(NAMES, test.T, strict=True)), **_of_files(split.test)}
    apart = clues({name: (values[~labels], values[labels]) for name, values in at_test.items()})
    if apart:
        yield _finding(
            "shortcut",
            apart,
            "normal and defective test images",
            "A detector may be ranked here by how it answers to that, and not by the defects it finds.",
        )
    common = at_training.keys() & at_test.keys()
    moved = clues({name: (at_training[name], at_test[name][~labels]) for name in at_test if name in common})
    if moved:
        yield _finding(
            "shift",
            moved,
            "training images and normal test images",
            "A limit that is set on the training images will not hold on the test images.",
        )


def clues(groups: Mapping[str, tuple[NDArray[np.generic], NDArray[np.generic]]]) -> list[Clue]:
    """Those numbers of two groups that differ by more than chance, strongest first."""
    found = []
    for name, (first, second) in groups.items():
        if not len(first) or not len(second):
            continue
        values, labels = _numbers(first, second)
        n, m = len(first), len(second)
        auroc = Ranking(values, labels).auroc()
        spread = math.sqrt((n + m + 1) / (12 * n * m)) * math.sqrt(_untied(values))
        if spread and math.erfc(abs(auroc - 0.5) / spread / math.sqrt(2)) * len(groups) < _CHANCE:
            found.append(Clue(name, auroc, *auroc_interval(auroc, n, m, CONFIDENCE)))
    return sorted(found, key=lambda clue: -round(clue.strength, 2))


def _numbers(first: NDArray[np.generic], second: NDArray[np.generic]) -> tuple[FloatArray, BoolArray]:
    """Values of both groups, and which are of the second.

    A text counts by how much more often the second group has it. That is found out on every other image and used for
    those between: of texts that are all different, each would else tell its own group.
    """
    both = np.concatenate([first, second])
    labels = np.repeat([False, True], [len(first), len(second)])
    if both.dtype.kind not in "US":
        return both.astype(np.float64), labels
    of, codes = np.unique(both, return_inverse=True)
    values = np.zeros(len(both))
    half = np.arange(len(both)) % 2 == 0
    for seen in (half, ~half):
        shares = [
            np.bincount(codes[seen & group], minlength=len(of)) / max((seen & group).sum(), 1)
            for group in (labels, ~labels)
        ]
        values[~seen] = (shares[0] - shares[1])[codes[~seen]]
    return values, labels


def _untied(values: FloatArray) -> float:
    """By how much ties lessen the variance of a sum of ranks, from 0 to 1."""
    _, times = np.unique(values, return_counts=True)
    n = len(values)
    return 1 - float((times.astype(float) ** 3 - times).sum()) / (n**3 - n) if n > 1 else 0.0


def _finding(name: str, found: list[Clue], groups: str, consequence: str) -> Finding:
    best = found[0]
    figures = f"AUROC {best.auroc:.2f}, {CONFIDENCE:.0%} interval {best.low:.2f} to {best.high:.2f}"
    if best.grave:
        sentence = f"The {best.name} alone tells {groups} apart ({figures}). {consequence}"
    else:
        sentence = f"The {best.name} differs between {groups} by more than chance ({figures})."
    strongest: dict[str, Clue] = {}
    for clue in found:
        strongest.setdefault(_KINDS.get(clue.name, clue.name), clue)
    said = tuple(f"{clue.name} {clue.auroc:.2f}" for clue in strongest.values())
    return Finding(name, sentence, any(clue.grave for clue in found), len(found), said)


_KINDS = {
    name: name.split()[0].replace("brightness", "mean") for name in NAMES if " of " in name or name == "brightness"
}
"""Clues that say much the same of an image, of which the strongest is named: its means, and its spreads."""

_FILES = {
    "file_bytes": "size of the file",
    "mode": "mode of the pixels",
    "depth": "depth of the pixels",
    "frames": "number of frames",
    "compression": "JPEG compression",
    "taken_at": "time it was taken at",
}
"""What facts of files are called in sentences, where that is not their name."""


def _of_files(images: Images) -> dict[str, NDArray[np.generic]]:
    """What the files say of each image, by what it is called in sentences."""
    facts = dict(images.facts)
    if "taken_at" in facts:
        facts["taken_at"] = np.array([_time(str(text)) for text in facts["taken_at"]])
    return {_FILES.get(name, name): values for name, values in facts.items()}


def _time(text: str) -> float:
    """A time such as `2026:11:28 06:50:00` as a number that grows with it; 0 where there is none."""
    return float("0" + "".join(character for character in text if character in "0123456789")[:14])
