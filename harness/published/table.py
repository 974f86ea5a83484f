"""What a published table holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.published.printed import Printed
from harness.trials.trial import UNUSED

NOT_STATED = "not stated"
"""What a field says that the source leaves open."""
VARIES = "by row"
"""What the protocol says where its rows differ and each says its own."""
MEAN = "mean"
"""The category of a row that is a printed mean over categories."""

RATES = ("normal_rate", "abnormal_rate")
DECIDED = ("accuracy", "balanced_accuracy", "f1")
"""Metrics that follow from the two rates and the counts."""
METRICS = (
    *RATES,
    *DECIDED,
    "auroc",
    "average_precision",
    "pixel_auroc",
    "pixel_average_precision",
    "aupro_0.30",
)
"""All in [0, 1], higher is better; spelt as in our own verdicts."""


@dataclass(frozen=True)
class SplitCounts:
    """Images of one category's split."""

    normal: int
    """In the test set, as the next."""
    abnormal: int
    train: int | None = None
    """None where nobody said."""


@dataclass(frozen=True)
class Row:
    """One method on one category, or its mean over categories; parts are spelt as ours, `-` on an axis not used."""

    place: str
    """Where in its file: `row 7` or `line 8`."""
    category: str
    model: str
    encoder: str
    loss: str
    setting: str
    """one-class, multi-class or not stated; like the next four the row's own, or else its protocol's."""
    image_size: int | None
    threshold: str
    pool: str
    weights: str
    epochs: str
    seed: str
    source: str
    """Where this row was read, in a table from several documents."""
    note: str
    values: Mapping[str, Printed]
    """By metric; one that the table leaves blank is not there."""
    counts: SplitCounts | None
    right: tuple[int, int] | None = None
    """Of these, how many normal and abnormal images were rightly called, where the source says it."""
    over: int | None = None
    """Of a mean: over how many categories; None for those of the table."""

    @property
    def method(self) -> tuple[str, ...]:
        """What must be equal for two rows to be one method, and for its mean to be over them."""
        return (
            self.model,
            self.encoder,
            self.loss,
            self.setting,
            str(self.image_size),
            self.threshold,
            self.pool,
            self.weights,
            self.epochs,
            self.seed,
            self.source,
        )

    @property
    def title(self) -> str:
        """`dae + conv + mse`."""
        return " + ".join(part for part in (self.model, self.encoder, self.loss) if part != UNUSED)


@dataclass(frozen=True)
class PublishedTable:
    """Numbers of one source, with what is needed to judge and to compare them."""

    name: str
    title: str
    source: str
    """The publication."""
    read: str
    """first hand, second hand or not stated."""
    read_in: str
    """The document that was in front of who typed it."""
    dataset: str
    track: str
    """How limits were set: normal-only, oracle, none (no metric needs one) or not stated."""
    setting: str
    image_size: str
    """In pixels, `by row` or `not stated`, as the next."""
    backbone: str
    threshold: str
    pool: str
    licence: str
    note: str
    metrics: tuple[str, ...]
    splits: Mapping[str, SplitCounts]
    """By category."""
    rows: tuple[Row, ...]
    means: tuple[Row, ...]
    """Rows whose category is `mean`."""
    unread: tuple[str, ...] = ()
    """Columns of a CSV that mean nothing here."""
    without_numbers: int = 0
    """Rows that were left out because all their metrics are blank."""
