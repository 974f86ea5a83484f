"""What a protocol is: the fields of a trial that it owns, the values that a run crosses, and what it does to images."""

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
    """A category of a run that was asked for, before anything is fitted to it. Asking for its images may take long."""

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
        """The size of an image with a side smaller than this, as `900x200`; empty where there is none.

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
    """One way to present images to a trial. Its fields of Trial, and its settings, have the same names."""

    fields: ClassVar[tuple[str, ...]]

    @abstractmethod
    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        """The values of its fields that a run crosses, those that are not usual. Raises UsageError."""

    def fault(self, asked: Settings, category: Category) -> str:
        """Why a category cannot be presented as it is asked, in a line with what would do; empty where it can.

        Asked before anything is fitted. Raises DataError for images that cannot be read.
        """
        return ""

    def present(self, split: Split, trial: Trial, base: Split) -> Split:
        """The images as a trial is fitted to them and judged on them. Called where one of its fields is not usual.

        `split` is what the protocols before this one have made of `base`, which is the category as the data set has it.
        A test set that stays must stay the same object: by that it is seen that trials are judged on the same data.
        Raises DataError where the images do not suffice.
        """
        return split
