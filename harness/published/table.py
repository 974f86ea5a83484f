"""A published table: its rows, and what is known about its source and protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.published.printed import Printed
from harness.trials.trial import UNUSED

NOT_STATED = "not stated"
"""The value of a field that the source does not state."""
VARIES = "by row"
"""The value of a protocol field that each row states for itself."""
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
"""All are in [0, 1] and higher is better; the names are those of our own verdicts."""


@dataclass(frozen=True)
class SplitCounts:
    """How many images the split of one category has."""

    normal: int
    """Normal images of the test set; `abnormal` are the anomalous ones."""
    abnormal: int
    train: int | None = None
    """Training images; None where the number is not stated."""


@dataclass(frozen=True)
class Row:
    """One method on one category, or its mean over categories; an axis that it does not use is `-`."""

    place: str
    """Where in its file: `row 7` or `line 8`."""
    category: str
    model: str
    encoder: str
    loss: str
    setting: str
    """one-class, multi-class or not stated; this and the next four are the row's own, otherwise its protocol's."""
    image_size: int | None
    threshold: str
    pool: str
    weights: str
    epochs: str
    seed: str
    source: str
    """The document of this row, in a table that is made from several."""
    note: str
    values: Mapping[str, Printed]
    """The numbers by metric; cells that are blank in the table are absent."""
    counts: SplitCounts | None
    right: tuple[int, int] | None = None
    """How many of these normal and anomalous images were rightly called, where the source says so."""
    batch_size: int | None = None
    """None where the source does not state it, as the next."""
    learning_rate: float | None = None
    shots: int = 0
    """How many training images it was fitted to, where that is part of its protocol; 0 for all."""
    over: int | None = None
    """The number of categories of a mean; None means those of the table."""

    @property
    def method(self) -> tuple[str, ...]:
        """What two rows of one method have in common; a mean is over the rows of its method."""
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
            str(self.batch_size),
            str(self.learning_rate),
            str(self.shots),
            self.seed,
            self.source,
        )

    @property
    def title(self) -> str:
        """`dae + conv + mse`."""
        return " + ".join(part for part in (self.model, self.encoder, self.loss) if part != UNUSED)


@dataclass(frozen=True)
class PublishedTable:
    """The numbers of one source, with everything needed to check and to compare them."""

    name: str
    title: str
    source: str
    """The publication."""
    read: str
    """first hand, second hand or not stated."""
    read_in: str
    """The document from which the numbers were typed."""
    dataset: str
    track: str
    """How limits were set: normal-only, oracle, none (no metric needs one) or not stated."""
    setting: str
    image_size: str
    """In pixels, or `by row`, or `not stated`; so are the next fields."""
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
    """Columns of a CSV that are not known here."""
    without_numbers: int = 0
    """Rows that were left out because all their metrics are blank."""
    left_out: tuple[str, ...] = ()
    """Of an export of ours: what does not follow from its scores or is damaged, a line each."""
    unscored: int = 0
    """Of an export of ours: rows without the scores that their figures follow from."""
