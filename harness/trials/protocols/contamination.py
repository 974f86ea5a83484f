"""`contaminate`: a share of the training images is defective and taken for normal. They come from the test set.

A reserve of defective images is taken out of the test set, the same for every seed. Each share draws its images from
this reserve by the seed, so that trials of all shares are judged on the same images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import GOOD, Split
from harness.errors import DataError, UsageError
from harness.trials.protocols.protocol import Category, Protocol
from harness.trials.settings import Settings
from harness.trials.subsets import subset, taken_for_normal
from harness.trials.trial import Trial

_STREAM = 23
"""Keeps these random draws apart from all others of the same seed."""


def defective(share: float, normal: int) -> int:
    """How many defective images to add to `normal` ones, so that they are this share of all training images."""
    return round(share / (1 - share) * normal)


class Contamination(Protocol):
    """With one seed, a larger share includes the images of a smaller one. Kinds of defect keep their proportions."""

    fields = ("contaminate", "reserve")

    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        largest, called = max(settings.contaminate), settings.called
        reserve = largest if settings.reserve is None else settings.reserve
        if reserve < largest:
            raise UsageError(
                f"{called('reserve')} {reserve:g} is less than {called('contaminate')} {largest:g}: give at least that"
            )
        return [{"contaminate": share, "reserve": reserve} for share in settings.contaminate]

    def fault(self, asked: Settings, category: Category) -> str:
        shares = [share for share in asked.contaminate if share]
        reserve = max([*shares, asked.reserve or 0.0])
        if not reserve:
            return ""
        called, normal = asked.called("contaminate"), category.train_count
        there, needed = int(category.split.test.labels.sum()), defective(reserve, normal)
        if needed >= there:
            most = np.floor(100 * (there - 1) / (there - 1 + normal)) / 100 if there > 1 else 0.0
            return (
                f"{called} {reserve:g}: {category.name} would need {needed} defective images among its {normal} "
                f"training images, and has {there}, of which some must stay in the test set; ask for at most {most:g}"
            )
        few = [n for n in asked.shots if isinstance(n, int)] or [normal]
        for share in shares:
            if not defective(share, min(few)):
                beside = f"{min(few)} training image" + "s" * (min(few) > 1)
                return (
                    f"{called} {share:g}: beside {beside} of {category.name} that is not one defective image; ask for "
                    f"at least {np.ceil(100 / (2 * min(few) + 1)) / 100:g}"
                )
        return ""

    def present(self, split: Split, trial: Trial, base: Split) -> Split:
        kinds, there = np.array(split.test.defects), int(split.test.labels.sum())
        needed = defective(trial.reserve, len(base.train))  # whatever the shots: all share a test set
        if needed >= there:
            raise DataError(f"a reserve of {trial.reserve:g} takes {needed} of {there} defective images: ask for less")
        spared = _in_proportion(kinds, np.random.default_rng(_STREAM))[:needed]
        kept = subset(split.test, np.setdiff1d(np.arange(len(kinds)), spared))
        random = np.random.default_rng((trial.seed, _STREAM))
        dirty = defective(trial.contaminate, len(split.train))
        drawn = spared[_in_proportion(kinds[spared], random)[:dirty]]
        if not len(drawn):
            return replace(split, test=kept)
        return replace(split, train=taken_for_normal(split.train, split.test.take(drawn), random), test=kept)


def _in_proportion(kinds: NDArray[np.str_], random: np.random.Generator) -> NDArray[np.intp]:
    """The places of defective images in a random order, in which every beginning has the kinds in their proportions."""
    places = random.permutation(len(kinds))
    share = np.full(len(kinds), np.inf)
    for kind in dict.fromkeys(kinds.tolist()):
        own = places[kinds[places] == kind]
        share[own] = (np.arange(len(own)) + 0.5) / len(own) if kind != GOOD else np.inf
    ordered = places[np.argsort(share[places], kind="stable")]
    return np.asarray(ordered[: int(np.isfinite(share).sum())])
