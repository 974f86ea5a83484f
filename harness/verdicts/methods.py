"""What a leaderboard ranks, in which tracks, and how methods are told apart in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from harness.trials.trial import UNUSED
from harness.verdicts.verdict import Verdict


class Track(NamedTuple):
    """What must be equal for rows to be ranked together."""

    dataset: str
    image_size: int
    oracle: bool
    stated: bool = False
    """Whether what rows are ranked by does not follow from scores that are here, but is merely said by an export."""


class Method(NamedTuple):
    """What is ranked."""

    model: str
    encoder: str
    loss: str
    weights: str
    pool: str
    threshold: str
    epochs: int
    holdout: float
    precision: str
    batch_size: int
    learning_rate: float
    versions: str = ""
    calibrate: str = ""

    @property
    def title(self) -> str:
        """`dae + vgg16 + mse`."""
        return " + ".join(part for part in self[:3] if part != UNUSED)


def method_of(verdict: Verdict) -> Method:
    """The row that a verdict belongs to: everything but category and seed."""
    t = verdict.trial
    settings = (t.epochs, t.holdout, t.precision, t.batch_size, t.learning_rate, t.versions, t.calibrate)
    return Method(t.model, t.encoder, t.loss, t.weights, verdict.pool, verdict.threshold, *settings)


def labels(methods: Iterable[Method]) -> dict[Method, str]:
    """Each method in words that no other one has: its title, and the settings that set it apart under that title.

    Weights that are random are always said.
    """
    by_title: dict[str, list[Method]] = {}
    for method in dict.fromkeys(methods):
        by_title.setdefault(method.title, []).append(method)
    names = {}
    for title, group in by_title.items():
        varying = [name for name in Method._fields[3:] if len({getattr(method, name) for method in group}) > 1]
        for method in group:
            said = [
                f"{name} {getattr(method, name)}" for name in varying if name != "weights" or method.weights != "random"
            ]
            names[method] = ", ".join([title, *["random weights"] * (method.weights == "random"), *said])
    return names
