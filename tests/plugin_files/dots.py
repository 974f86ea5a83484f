"""A whole small world in numpy: a data set, models, an encoder, a loss and thresholds, for tests that need no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import harness
from harness import (
    Dataset,
    Encoder,
    Images,
    Loss,
    Model,
    OracleThreshold,
    Progress,
    Run,
    Scores,
    Split,
    Threshold,
    hookimpl,
)


@dataclass
class Dots(Dataset):
    """Grey noise, and in a defective image a bright square."""

    name = "dots"
    needs_root = False
    licence = "MIT"
    defaults = {"image_size": 16, "epochs": 2}
    n_train: int = 6
    data_seed: int = 0

    def categories(self) -> tuple[str, ...]:
        return ("broken", "large", "small")

    def load(self, category: str, image_size: int) -> Split:
        if category == "broken":
            raise harness.DataError("category 'broken' has no train/good: expected normal images there")
        rng = np.random.default_rng([self.data_seed, len(category)])
        side = {"large": 6, "small": 3}[category]
        train = rng.integers(90, 110, (self.n_train, image_size, image_size, 3), dtype=np.uint8)
        test = rng.integers(90, 110, (7, image_size, image_size, 3), dtype=np.uint8)
        masks = np.zeros((7, image_size, image_size), np.uint8)
        masks[3:, 2 : 2 + side, 2 : 2 + side] = 1
        test[masks.astype(bool)] = 250
        kinds = ("good",) * 3 + ("square",) * 3 + ("other",)
        return Split(
            train=Images(train, tuple(f"train/good/{i}.png" for i in range(self.n_train))),
            test=Images(test, tuple(f"test/{kind}/{i}.png" for i, kind in enumerate(kinds)), kinds, masks),
        )


@dataclass
class MeanImage(Model):
    """Squared distance to the mean normal image."""

    name = "mean_image"
    uses = frozenset({"pool"})
    licence = "MIT"
    gain: float = 1.0

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        self.centre = normal.pixels.mean(axis=0) / 255

    def score(self, images: Images) -> Scores:
        return Scores(maps=self.gain * ((images.pixels / 255 - self.centre) ** 2).mean(axis=3))


@dataclass
class Trained(Model):
    """Uses every axis; counts its fits in a file, diverges or interrupts on request."""

    name = "trained"
    uses = frozenset({"encoder", "loss", "training", "pool"})
    licence = "MIT"
    diary: str = ""
    fail: str = ""

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        assert encoder is not None
        assert loss is not None
        if self.diary:
            with Path(self.diary).open("a") as file:
                file.write(f"{encoder.name} {loss.name} {run.seed}\n")
        if self.fail == "nan" and run.seed == 1:
            raise harness.TrainingError("loss is nan in epoch 2 of 2")
        if self.fail == "weights" and run.seed == 1:
            raise harness.UnavailableError("weights 'x' are out of reach: give --weights-dir")
        if self.fail == "bug" and run.seed == 1:
            raise ZeroDivisionError("division by zero")
        if self.fail == "interrupt" and run.seed == 1:
            raise KeyboardInterrupt
        for epoch in range(1, run.epochs + 1):
            run.report(Progress(epoch, run.epochs, 1 / epoch, len(normal)))
        self.centre = normal.pixels.mean(axis=0) / 255 + np.random.default_rng(run.seed).normal(0, 0.01)

    def score(self, images: Images) -> Scores:
        maps = ((images.pixels / 255 - self.centre) ** 2).mean(axis=3)
        return Scores(maps=np.full_like(maps, np.nan) if self.fail == "score" else maps)


class Brightest(Model):
    """The brightest pixel, with no map."""

    name = "brightest"
    licence = "MIT"

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        pass

    def score(self, images: Images) -> Scores:
        return Scores(images=images.pixels.max(axis=(1, 2, 3)) / 255)


class Plain(Encoder):
    """Is never built."""

    name = "plain"
    reduction = 4

    def build(self, run: Run) -> object:
        raise NotImplementedError


class Deep(Plain):
    """Starts from published weights."""

    name = "deep"
    reduction = 8
    pretrained = True


class Absolute(Loss):
    """Is never called."""

    name = "absolute"

    def error_map(self, output: object, target: object) -> object:
        raise NotImplementedError


class Highest(Threshold):
    """The highest normal score."""

    name = "highest"

    def fit(self, normal: np.ndarray) -> float:
        return float(normal.max())


class Lazy(Threshold):
    """Cannot decide."""

    name = "lazy"

    def fit(self, normal: np.ndarray) -> float:
        raise ValueError("needs 1000 scores, has " + str(len(normal)))


class Peek(OracleThreshold):
    """The midpoint between the classes."""

    name = "peek"

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        return float((scores[labels].min() + scores[~labels].max()) / 2)


@hookimpl
def harness_models() -> Iterable[type[Model]]:
    return [MeanImage, Trained, Brightest]


@hookimpl
def harness_encoders() -> Iterable[type[Encoder]]:
    return [Plain, Deep]


@hookimpl
def harness_losses() -> Iterable[type[Loss]]:
    return [Absolute]


@hookimpl
def harness_thresholds() -> Iterable[type[Threshold]]:
    return [Highest, Lazy, Peek]


@hookimpl
def harness_datasets() -> Iterable[type[Dataset]]:
    return [Dots]
