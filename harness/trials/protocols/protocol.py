"""What a protocol is: the fields of a trial that it owns, the values that a run crosses, and how it changes images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from harness.api import Dataset, Split
from harness.images.framing import TILES
from harness.trials.datasets import categories_of, load
from harness.trials.settings import Settings
from harness.trials.trial import Trial


class Category:
    """A category that a run was asked for, before anything is fitted to it. Reading its images may take long."""

    def __init__(self, dataset: Dataset, name: str, image_size: int, among: Sequence[str]) -> None:
        self.name = name
        self.image_size = image_size
        self.among = among
        """All categories of the run."""
        self._dataset = dataset

    @property
    def dataset(self) -> str:
        """The name of its data set."""
        return self._dataset.name

    @cached_property
    def known(self) -> Sequence[str]:
        """All categories of its data set. Raises DataError."""
        return categories_of(self._dataset)

    @property
    def resizes(self) -> Sequence[str]:
        """How its data set can read images."""
        return self._dataset.resizes

    def smaller_than(self, side: int) -> str:
        """The size of some image that has a side below `side` pixels, such as `900x200`; empty if there is none.

        Raises DataError.
        """
        before, self._dataset.resize = self._dataset.resize, TILES
        try:
            sizes = load(self._dataset, self.name, self.image_size).sizes
        finally:
            self._dataset.resize = before
        return next((size for size in sizes if min(map(int, size.split("x"))) < side), "")

    @cached_property
    def split(self) -> Split:
        """Its images. Raises DataError."""
        return load(self._dataset, self.name, self.image_size)

    @cached_property
    def train_count(self) -> int:
        """How many training images it has. Raises DataError."""
        known = self._dataset.train_count(self.name)
        return len(self.split.train) if known is None else known


class Protocol(ABC):
    """One way to present images to a trial. Its settings have the names of its fields of Trial."""

    fields: ClassVar[tuple[str, ...]]

    @abstractmethod
    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        """The values of its fields that a run crosses; fields at their usual value are left out. Raises UsageError."""

    def fault(self, asked: Settings, category: Category) -> str:
        """Why a category cannot be presented as asked, in one line that says what would work; empty if it can.

        It is called before anything is fitted. Raises DataError for images that cannot be read.
        """
        return ""

    def present(self, split: Split, trial: Trial, base: Split) -> Split:
        """The images that a trial learns and is judged on. Called if one of the protocol's fields is not usual.

        `base` is the category as the data set has it, and `split` is what earlier protocols have made of it. Pass
        the same test set on unless you change it: trials are known to share their data by its being the same object.
        Raises DataError if there are too few images.
        """
        return split
