"""A verdict: what one threshold makes of one trial's scores, however it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from harness.api import BoolArray, Counts, Interval, Ranking
from harness.metrics.intervals import (
    auroc_interval,
    average_precision_interval,
    f1_interval,
    mean_of_rates_interval,
    wilson,
)
from harness.metrics.measured import Measured
from harness.metrics.pixel.curves import VERSIONS
from harness.trials.trial import PROTOCOL, Outcome, Trial, named

METRICS = ("normal_rate", "abnormal_rate", "accuracy", "balanced_accuracy", "f1", "auroc", "average_precision")
"""What every verdict and every table has. Rates in [0, 1], higher is better; the last two need no threshold."""

_OF_COUNTS = frozenset(METRICS[:5])
PIXEL_METRICS = tuple(VERSIONS)
"""Of maps against masks, in [0, 1], higher is better; they need neither threshold nor pool."""

METRIC_VERSION = 1
"""Rises when a metric's definition changes; verdicts of different versions are not ranked together."""


Proof = Literal["", "recomputed", "limit stated", "stated"]
"""How far the figures of a verdict were worked out here: all, as of a store, which is empty; those of images, from
scores that an export brought along; these at a limit by a threshold that is not installed; or none."""


class Checked(NamedTuple):
    """What somebody who is trusted found when the trial of a verdict was fitted again."""

    result: str
    """equal, within tolerance or different."""
    by: str
    """The name of the key that signed it."""
    at: str
    """UTC."""

    @property
    def holds(self) -> bool:
        """Whether the scores came out as stated."""
        return self.result != "different"


class Errors(NamedTuple):
    """How many changed test images are judged wrongly at the limit of unchanged ones, at each severity."""

    false_alarms: tuple[int, ...]
    misses: tuple[int, ...]


class SingleImages:
    """How a verdict judges single test images. This is the one that does not know, as of a trial that was skipped."""

    __slots__ = ()

    def detection(self) -> dict[str, tuple[int, int]]:
        """Defect kind to how many of its images are called anomalous, and of how many."""
        return {}

    def corrupted(self) -> Mapping[str, Errors]:
        """Corruption to what is judged wrongly under it; empty where none was tried, or there is no limit."""
        return {}

    def right(self) -> BoolArray | None:
        """(N,), whether each test image is called what it is, in the data set's order; None where that is not known."""
        return None

    def ranking(self) -> Ranking | None:
        """The scores of the test images beside their labels, in the data set's order; None where they are not here."""
        return None

    def scores(self) -> str | None:
        """16 hexadecimal digits of the scores behind the verdict, equal only where every score is."""
        return None

    def corrupted_scores(self) -> str | None:
        """The same of the scores of changed images; None where none were tried, and in exports of before."""
        return None

    def packed(self) -> Mapping[str, Any] | None:
        """The scores themselves, as an export has them; None where they are not here."""
        return None


UNKNOWN_IMAGES = SingleImages()


def _columns(trial: Trial) -> dict[str, Any]:
    """The settings of a trial, those of its protocol only where they are not usual."""
    asked = named(trial.protocol)
    return {name: value for name, value in trial._asdict().items() if name not in PROTOCOL or name in asked}


@dataclass(frozen=True)
class Verdict:
    """What one threshold makes of one trial's scores of one pool."""

    outcome: Outcome
    pool: str
    threshold: str
    oracle: bool
    limit: float | None = None
    """An image that scores above it is called anomalous; None where there is no verdict, as for the next three."""
    counts: Counts | None = None
    auroc: float | None = None
    average_precision: float | None = None
    status: str = "done"
    reason: str = ""
    images: SingleImages = field(default=UNKNOWN_IMAGES, compare=False, repr=False)
    """How it judges single test images."""
    measured: Measured | None = field(default=None, compare=False, repr=False)
    """Figures of the metrics that were asked for beside METRICS and PIXEL_METRICS; None where none were."""
    proof: Proof = field(default="", compare=False)
    """How far its figures were worked out here."""
    checked: Checked | None = field(default=None, compare=False)
    """Whether its trial was fitted again by somebody who is trusted."""

    @property
    def verified(self) -> bool:
        """Whether somebody who is trusted has fitted its trial again and come to its scores."""
        return self.checked is not None and self.checked.holds

    @property
    def trial(self) -> Trial:
        """The trial that was judged."""
        return self.outcome.trial

    def metric(self, name: str) -> float | None:
        """One of METRICS or PIXEL_METRICS, or one that was asked for; None where it is not defined."""
        if name in _OF_COUNTS:  # first, for leaderboards ask for them a hundred thousand times
            value = getattr(self.counts, name) if self.counts else None
        elif name in ("auroc", "average_precision"):
            value = self.auroc if name == "auroc" else self.average_precision
        elif name in PIXEL_METRICS:
            value = None if self.earlier(name) else self._stored(name)
        else:
            value = self.measured.value(name, self.counts) if self.measured else None
        return None if value is None or value != value else float(value)

    def follows(self, name: str) -> bool:
        """Whether a metric was worked out here from scores, and is not merely said by the row of an export."""
        if not self.proof or self.proof == "stated":
            return not self.proof
        if name in ("auroc", "average_precision"):
            return True
        asked = self.measured is not None and self.measured.follows(name)
        return self.proof == "recomputed" and (name in METRICS or asked)

    def earlier(self, name: str) -> bool:
        """Whether the trial remembers a pixel metric by an earlier definition: shown in its row, and never compared."""
        versions = self.outcome.record.pixel_versions
        return name in VERSIONS and versions.get(name, 1) != VERSIONS[name] and self._stored(name) is not None

    def _stored(self, name: str) -> float | None:
        return (self.outcome.record.pixels or {}).get(name)

    def interval(self, name: str) -> Interval | None:
        """A metric's interval from the size of its test set; None where there is none, as for pixel metrics.

        Wilson's for a rate; Newcombe's method 10 (Statistics in Medicine 17 (1998) 873) for the mean of two rates, and
        his method 5 (25 (2006) 559) for the AUROC; see `harness.metrics.intervals` for the others. Each can be worked
        out again from what a row holds.
        """
        counts, value = self.counts, self.metric(name)
        if counts is None or value is None:
            return None
        if name == "auroc":
            return auroc_interval(value, counts.n_normal, counts.n_abnormal)
        normal, abnormal = (counts.right_normal, counts.n_normal), (counts.right_abnormal, counts.n_abnormal)
        if name == "average_precision":
            return average_precision_interval(value, counts.n_abnormal)
        if name == "f1":
            return f1_interval(abnormal, normal)
        if name == "balanced_accuracy":
            return mean_of_rates_interval(normal, abnormal)
        both = (normal[0] + abnormal[0], normal[1] + abnormal[1])
        shares = {"normal_rate": normal, "abnormal_rate": abnormal, "accuracy": both}
        if name in shares:
            return wilson(*shares[name])
        return self.measured.interval(name, counts) if self.measured else None

    def bounds(self) -> dict[str, float | None]:
        """The intervals that a row holds, by column."""
        accuracy, auroc = (self.interval(name) or (None, None) for name in ("accuracy", "auroc"))
        names = ("accuracy_low", "accuracy_high", "auroc_low", "auroc_high")
        return dict(zip(names, (*accuracy, *auroc), strict=True))

    def row(self) -> dict[str, Any]:
        """All columns of a verdict, as csv and json have them."""
        counts, record = self.counts, self.outcome.record
        settings = _columns(self.trial)
        return {
            **{name: settings.pop(name) for name in ("dataset", "category", "model", "encoder", "loss")},
            "pool": self.pool,
            "threshold": self.threshold,
            "oracle": self.oracle,
            "seed": settings.pop("seed"),
            "weights": settings.pop("weights"),
            **settings,
            "n_normal": counts.n_normal if counts else None,
            "n_abnormal": counts.n_abnormal if counts else None,
            "right_normal": counts.right_normal if counts else None,
            "right_abnormal": counts.right_abnormal if counts else None,
            **{name: self.metric(name) for name in METRICS},
            **self.bounds(),
            "limit": self.limit,
            **{name: self._stored(name) for name in PIXEL_METRICS},
            **self._asked_for(),
            "detection": {kind: list(found) for kind, found in self.images.detection().items()},
            **self._corrupted(),
            "fit_seconds": record.fit_seconds,
            "train_images_per_second": record.train_images_per_second,
            "n_train": record.n_train,
            "incomplete": record.incomplete,
            "fingerprint": self.outcome.fingerprint,
            "metric_version": METRIC_VERSION,
            "trial": self.outcome.id,
            "status": self.status,
            "reason": self.reason,
        }

    def _corrupted(self) -> dict[str, Any]:
        """The column of corruptions that were tried, where there are some."""
        said = {name: errors._asdict() for name, errors in self.images.corrupted().items()}
        lists = {name: {kind: list(counts) for kind, counts in errors.items()} for name, errors in said.items()}
        return {"corrupted": lists} if lists else {}

    def _asked_for(self) -> dict[str, Any]:
        """The columns of metrics that were asked for, and the versions of these and of what has an earlier one."""
        names = self.measured.names if self.measured else ()
        versions = {name: self.measured.version(name) for name in names} if self.measured else {}
        remembered = self.outcome.record.pixel_versions
        versions.update((name, remembered.get(name, 1)) for name in PIXEL_METRICS if self.earlier(name))
        return {**{name: self.metric(name) for name in names}, **({"metric_versions": versions} if versions else {})}
