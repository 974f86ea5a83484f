"""Parts that do what no part should: data that contradict themselves, parts that exit, a loss that is no number."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np

from harness import Dataset, Images, Model, Pool, Progress, Run, ScoreMetric, Scores, Split, Threshold, hookimpl


def _whole(image_size: int) -> Split:
    rng = np.random.default_rng(0)
    train, test = (rng.integers(90, 110, (n, image_size, image_size, 3), dtype=np.uint8) for n in (6, 4))
    masks = np.zeros((4, image_size, image_size), np.uint8)
    masks[2:, 2:6, 2:6] = 1
    test[masks == 1] = 240
    names = tuple(f"test/{i}.png" for i in range(4))
    return Split(
        Images(train, tuple(f"train/{i}.png" for i in range(6))),
        Images(test, names, ("good", "good", "hole", "hole"), masks),
    )


def _tested(**changes: object):
    return lambda split: replace(split, test=replace(split.test, **changes))


def _exit(split: Split) -> Split:
    sys.exit(3)


def _fail(split: Split) -> Split:
    raise RuntimeError("the disk\nis gone")


FAULTS = {
    "fewer kinds": _tested(defects=("good", "good")),
    "kinds too many": _tested(defects=("good",) * 5),
    "a kind of none": _tested(defects=("good", "good", None, "hole")),
    "fewer names": _tested(paths=("a.png",)),
    "one name": _tested(paths=("a.png",) * 4),
    "numbers for names": _tested(paths=(0, 1, 2, 3)),
    "floats": lambda split: replace(split, test=replace(split.test, pixels=split.test.pixels / 255)),
    "grey": lambda split: replace(split, train=replace(split.train, pixels=split.train.pixels[..., 0])),
    "small test images": lambda split: replace(
        split, test=replace(split.test, pixels=split.test.pixels[:, :8, :8], masks=split.test.masks[:, :8, :8])
    ),
    "small masks": lambda split: replace(split, test=replace(split.test, masks=split.test.masks[:, :8])),
    "fewer masks": lambda split: replace(split, test=replace(split.test, masks=split.test.masks[:2])),
    "masks of 255": lambda split: replace(split, test=replace(split.test, masks=split.test.masks * 255)),
    "signed masks": lambda split: replace(split, test=replace(split.test, masks=split.test.masks.astype(int) * -7)),
    "nothing to fit on": lambda split: replace(split, train=split.train.take(slice(0))),
    "defects to fit on": lambda split: replace(split, train=replace(split.train, defects=("hole",) * 6)),
    "none": lambda split: None,
    "a pair": lambda split: (split.train, split.test),
    "no images": lambda split: replace(split, test=None),
    "exit": _exit,
    "failure": _fail,
}
"""Category to what it makes of a split that is whole."""


@dataclass
class Contrary(Dataset):
    """One category that is whole, one without test images, one of a single training image, and those of FAULTS."""

    name = "contrary"
    needs_root = False
    defaults = {"image_size": 16, "epochs": 2}
    exits: bool = False

    def categories(self) -> tuple[str, ...]:
        if self.exits:
            sys.exit(4)
        return tuple(sorted([*FAULTS, "whole", "untested", "single"]))

    def load(self, category: str, image_size: int) -> Split:
        split = _whole(image_size)
        if category == "untested":
            return replace(split, test=split.test.take(slice(0)))
        if category == "single":
            return replace(split, train=split.train.take(slice(1)))
        return FAULTS[category](split) if category in FAULTS else split


@dataclass
class Difference(Model):
    """The distance to the mean image; may do harm on the way."""

    name = "difference"
    uses = frozenset({"pool", "training"})
    harm: str = ""

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        if self.harm == "exit":
            sys.exit(0)
        for epoch in (1, 2):
            run.report(Progress(epoch, 2, float("nan") if (self.harm, epoch) == ("nan", 2) else 1.0, len(normal)))
        self.centre = normal.pixels.mean(axis=0)

    def score(self, images: Images) -> Scores:
        return Scores(maps=np.abs(images.pixels - self.centre).mean(axis=3))


class LeavesThreshold(Threshold):
    """Exits."""

    name = "leaves"

    def fit(self, normal: np.ndarray) -> float:
        sys.exit(5)


class LeavesPool(Pool):
    """Exits."""

    name = "leaves"

    def score(self, maps: np.ndarray) -> np.ndarray:
        sys.exit(6)


class LeavesMetric(ScoreMetric):
    """Exits."""

    name = "leaves"

    def value(self, ranking: object) -> float:
        sys.exit(7)

    def interval(self, ranking: object) -> None:
        sys.exit(7)


@hookimpl
def harness_datasets() -> list[type[Dataset]]:
    return [Contrary]


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Difference]


@hookimpl
def harness_thresholds() -> list[type[Threshold]]:
    return [LeavesThreshold]


@hookimpl
def harness_pools() -> list[type[Pool]]:
    return [LeavesPool]


@hookimpl
def harness_metrics() -> list[type[ScoreMetric]]:
    return [LeavesMetric]
