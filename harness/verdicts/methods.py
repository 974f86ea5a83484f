"""What a leaderboard ranks, in which tracks, and how methods are told apart in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.trials.trial import Protocol
from harness.verdicts.naming import full_title, short_titles
from harness.verdicts.verdict import Verdict

RANDOM_FEATURES = "random features"
"""What stands for the weights of a method whose encoder nobody trained."""
_RANDOM = {"random": "random weights", RANDOM_FEATURES: RANDOM_FEATURES}
"""Weights that are said of each method that has them."""


class Track(NamedTuple):
    """What must be equal for rows to be ranked together."""

    dataset: str
    image_size: int
    oracle: bool
    stated: bool = False
    """Whether what rows are ranked by does not follow from scores that are here, but is merely said by an export."""
    protocol: Protocol = ()
    """How images were presented, as in Trial."""


class Method(NamedTuple):
    """What is ranked."""

    model: str
    encoder: str
    loss: str
    weights: str
    """As in Trial, or RANDOM_FEATURES."""
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
        """Its parts as they are typed: `dae + vgg16 + mse`."""
        return full_title(self[:3])


def method_of(verdict: Verdict) -> Method:
    """The row that a verdict belongs to: everything but category and seed."""
    t = verdict.trial
    settings = (t.epochs, t.holdout, t.precision, t.batch_size, t.learning_rate, t.versions, t.calibrate)
    weights = RANDOM_FEATURES if t.random_features else t.weights
    return Method(t.model, t.encoder, t.loss, weights, verdict.pool, verdict.threshold, *settings)


def labels(methods: Iterable[Method]) -> dict[Method, str]:
    """Each method in words that no other one has: its short name, and the settings that set it apart under it.

    Weights and features that are random are always said.
    """
    every = list(dict.fromkeys(methods))
    titles = short_names(every)
    return _told_apart({method: titles[method] for method in every})


def spellings(methods: Iterable[Method]) -> dict[Method, str]:
    """The same with all parts spelt as they are typed, for programs and for whoever points at a short name."""
    return _told_apart({method: method.title for method in methods})


def short_names(methods: Iterable[Method]) -> dict[Method, str]:
    """Each method's short name, without the settings that may set others apart that are called the same."""
    every = list(dict.fromkeys(methods))
    titles = short_titles(method[:3] for method in every) if every else {}
    return {method: titles[method[:3]] for method in every}


def _told_apart(titles: Mapping[Method, str]) -> dict[Method, str]:
    """Each title with the settings by which its method differs from others of that title."""
    by_title: dict[str, list[Method]] = {}
    for method, title in titles.items():
        by_title.setdefault(title, []).append(method)
    names = {}
    for title, group in by_title.items():
        varying = [name for name in Method._fields[3:] if len({getattr(method, name) for method in group}) > 1]
        for method in group:
            random = _RANDOM.get(method.weights)
            said = [f"{name} {getattr(method, name)}" for name in varying if name != "weights" or not random]
            names[method] = ", ".join([title, *([random] if random else []), *said])
    return {method: names[method] for method in titles}
